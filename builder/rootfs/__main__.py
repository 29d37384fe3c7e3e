"""`python3 -m builder.rootfs LAYOUT SCRIPT`: make this container one of an image, and run a shell script in it.

LAYOUT is a directory of the OCI image layout. The container was started from the confined builder's image, of which
`/kaniko` stays. It happens once: a further attempt of the step finds the root as the one before has left it. Ends with
the script's status, or with 125 and a sentence.
"""

import os
import sys
import tarfile
from pathlib import Path
from typing import Final, NoReturn

from builder.faults import StepFailed, reason
from builder.oci.config import Config, read_config
from builder.oci.layout import Layout, read_layout
from builder.rootfs.layers import Root
from builder.rootfs.users import User, user_of
from shared.errors import SlipwayError

_SHELL: Final = "/slipway/busybox"
_OWN: Final = tuple(map(Path, ("/kaniko", "/etc/hosts", "/etc/hostname", "/etc/resolv.conf")))
_FILLED: Final = Path("/kaniko/filled")
_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_MOUNT_POINT: Final = 4
_FAILED: Final = 125


def _main(place: Path, script: str) -> NoReturn:
    layout = read_layout(place)
    config = read_config(layout)
    _fill(layout)
    user = user_of(config.user, _text("/etc/passwd"), _text("/etc/group"))
    directory = Path("/", config.directory)
    directory.mkdir(parents=True, exist_ok=True)
    os.chdir(directory)
    _become(user)
    os.execve(_SHELL, [_SHELL, "sh", script], _environment(config))  # noqa: S606 - no shell text: a script's path


def _fill(layout: Layout) -> None:
    if _FILLED.exists():
        return
    root = Root(spared=frozenset((*_OWN, *_mounts(_text("/proc/self/mountinfo")))))
    for number, layer in enumerate(layout.manifest.layers, 1):
        try:
            root.lay(layout.blob(layer.digest))
        except (OSError, EOFError, ValueError, tarfile.TarError) as fault:
            raise StepFailed(f"layer {number} of the image cannot be unpacked ({type(fault).__name__})") from None
    _FILLED.touch()


def _mounts(text: str) -> tuple[Path, ...]:
    """Return the mount points below the root."""
    fields = (line.split() for line in text.splitlines())
    points = (Path(each[_MOUNT_POINT]) for each in fields if len(each) > _MOUNT_POINT)
    return tuple(point for point in points if point != Path("/"))


def _environment(config: Config) -> dict[str, str]:
    own = dict(item.partition("=")[::2] for item in config.environment if "=" in item)
    return {"PATH": _PATH, **own}


def _become(user: User) -> None:
    os.setgroups(user.groups)
    os.setgid(user.gid)
    os.setuid(user.uid)


def _text(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return ""


if __name__ == "__main__":
    try:
        _main(Path(sys.argv[1]), sys.argv[2])
    except (SlipwayError, OSError) as fault:
        said = reason(fault) if isinstance(fault, SlipwayError) else f"{type(fault).__name__}: {fault.strerror}"
        print(f"the image that this run built cannot be run: {said}", flush=True)
        sys.exit(_FAILED)
