"""The image `docker`: the docker client with buildx, which tasks run as `cmd: docker …`.

ACR Tasks has it on its agents. Here it is made from the builder's own programs, so that it needs no download and
always fits the daemon.
"""

import hashlib
import json
import platform
import tarfile
from pathlib import Path
from typing import Final

NAME: Final = "docker"
_CONFIG: Final = {"Entrypoint": ["docker"], "Env": ["PATH=/usr/bin:/bin"]}
_PROGRAMS: Final = (
    "/usr/bin/docker",
    "/usr/libexec/docker/cli-plugins/docker-buildx",
    "/etc/ssl/certs/ca-certificates.crt",
)
_LIBRARIES: Final = ("libc.so.6", "libresolv.so.2", "libpthread.so.0")
_LOADERS: Final = ("/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1")


def pack(folder: Path) -> Path:
    """Write the image into `folder`, in the form of `docker save`, and return the archive.

    Its one layer is not compressed: it never leaves this machine.
    """
    layer = folder / "layer.tar"
    with tarfile.open(layer, mode="w") as archive:
        _folder(archive, "tmp", 0o1777)
        for path in _files():
            archive.add(path.resolve(), str(path).lstrip("/"), filter=_owned_by_root)
    (folder / "config.json").write_text(json.dumps(_config(layer)))
    manifest = [{"Config": "config.json", "RepoTags": [f"{NAME}:latest"], "Layers": [layer.name]}]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    image = folder / "image.tar"
    with tarfile.open(image, mode="w") as archive:
        for name in ("manifest.json", "config.json", layer.name):
            archive.add(folder / name, name, filter=_owned_by_root)
    return image


def _config(layer: Path) -> dict[str, object]:
    with layer.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    layers = {"type": "layers", "diff_ids": [f"sha256:{digest}"]}
    return {"architecture": machine, "os": "linux", "config": _CONFIG, "rootfs": layers}


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
