"""Programs from Debian's packages."""

import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from devstack import progress
from devstack.errors import StackError
from devstack.files import locked
from devstack.setup.run import run

STACK: Mapping[str, str] = {
    "debootstrap": "debootstrap",
    "runc": "runc",
    "slirp4netns": "slirp4netns",
    "docker-registry": "docker-registry",
    "iptables": "iptables",
    "skopeo": "skopeo",
    "node": "nodejs",
    "npm": "npm",
    "zstd": "zstd",
}
"""The programs that a stack needs, and the package of each."""

SYSTEM_FOLDERS = ("/usr/local/sbin", "/usr/sbin", "/sbin")
LOCK = Path("/run/lock/slipway-apt.lock")


def search_path(path: str) -> str:
    """Add the folders of system programs, which a plain user's PATH lacks on Debian."""
    parts = path.split(os.pathsep)
    return os.pathsep.join([*parts, *(folder for folder in SYSTEM_FOLDERS if folder not in parts)])


def find(program: str) -> str | None:
    """Find a program on the PATH or among the system programs."""
    return shutil.which(program, path=search_path(os.environ.get("PATH", os.defpath)))


def require(program: str) -> str:
    """Find a program, or raise `StackError` naming the package that brings it."""
    found = find(program)
    if found is None:
        raise StackError(f"{program} is missing: apt-get install {STACK.get(program, program)}")
    return found


def missing(programs: Iterable[str]) -> tuple[str, ...]:
    """Name the packages of the programs that are not there."""
    return tuple(dict.fromkeys(STACK[program] for program in programs if find(program) is None))


def ensure() -> None:
    """Install what a stack lacks. Raises `StackError` with the exact command when that takes another user."""
    packages = missing(STACK)
    if not packages:
        return
    command = ("apt-get", "install", "--yes", "--no-install-recommends", *packages)
    if find("apt-get") is None:
        raise StackError(f"These programs are missing: {', '.join(packages)}. Install them with your package manager.")
    if os.geteuid() != 0:
        raise StackError(f"Packages are missing. As root: {' '.join(command)}")
    with progress.step(f"packages {' '.join(packages)}"), locked(LOCK):
        packages = missing(STACK)
        if packages:
            _install(packages)


def _install(packages: tuple[str, ...]) -> None:
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    run(("apt-get", "update", "--quiet"), "Reading the package lists", environment=environment)
    argv = ("apt-get", "install", "--quiet", "--yes", "--no-install-recommends", *packages)
    run(argv, "Installing packages", environment=environment)
    if "docker-registry" in packages and Path("/run/systemd/system").is_dir():
        # The package starts a registry of its own on port 5000; the stack runs its own process.
        run(("systemctl", "disable", "--now", "docker-registry"), "Stopping the package's registry service")
