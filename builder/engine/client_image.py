"""The image `docker`: the docker client with buildx, which tasks run as `cmd: docker …`.

ACR Tasks has it on its agents. Here it is made from the builder's own programs, so that it needs no download and
always fits the daemon.
"""

import tarfile
from pathlib import Path
from typing import IO, Final

NAME: Final = "docker"
CHANGES: Final = ('ENTRYPOINT ["docker"]', "ENV PATH=/usr/bin:/bin")
_PROGRAMS: Final = (
    "/usr/bin/docker",
    "/usr/libexec/docker/cli-plugins/docker-buildx",
    "/etc/ssl/certs/ca-certificates.crt",
)
_LIBRARIES: Final = ("libc.so.6", "libresolv.so.2", "libpthread.so.0")
_LOADERS: Final = ("/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1")


def pack(target: IO[bytes]) -> None:
    """Write the root file system as a tar archive."""
    with tarfile.open(fileobj=target, mode="w") as archive:
        _folder(archive, "tmp", 0o1777)
        for path in _files():
            archive.add(path.resolve(), str(path).lstrip("/"), filter=_owned_by_root)


def _files() -> list[Path]:
    found = [Path(name) for name in (*_PROGRAMS, *_LOADERS)]
    found += [path for name in _LIBRARIES for path in Path("/lib").glob(f"*-linux-gnu/{name}")]
    return [path for path in found if path.exists()]


def _folder(archive: tarfile.TarFile, name: str, mode: int) -> None:
    info = tarfile.TarInfo(name)
    info.type, info.mode = tarfile.DIRTYPE, mode
    archive.addfile(info)


def _owned_by_root(info: tarfile.TarInfo) -> tarfile.TarInfo:
    info.uid = info.gid = 0
    info.uname = info.gname = "root"
    return info
