"""The three directories that, one over the other, are the builder image.

From the bottom: Debian (minutes, once per machine and recipe), the agent's Python packages (seconds, once
per requirements file) and the agent itself (well under a second, whenever its source changes). Each is
named by a hash of what it is made from and never changed afterwards: containers may be running on it.
"""

import compileall
import hashlib
import os
import platform
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from devstack.setup import mirror
from devstack.setup.once import Made
from devstack.setup.run import run
from devstack.stack.configs import BuilderImage

SUITE = "trixie"
"""Debian 13: its Python is 3.13, the version that the agent is written for."""

_RECIPE = 1
"""Counts changes of this module that make older root file systems unfit."""

_HOME = Path("opt/slipway")
_AGENT_SOURCES = (
    "builder",
    "shared/__init__.py",
    "shared/contexts.py",
    "shared/errors.py",
    "shared/grant.py",
    "shared/network.py",
    "shared/language",
    "shared/dockerfile",
    "shared/images",
)
_START = "builder/image/start.sh"
_OWN_MOUNTS = ("unshare", "--mount", "--propagation=private")
"""debootstrap mounts /proc and /sys in its target; killed, it must not leave them to who cleans up."""

_COMMAND = ("/opt/slipway/start",)
_ENVIRONMENT = ("PYTHONPATH=/opt/slipway:/opt/slipway/lib",)
_CONFINED_COMMAND = ("/kaniko/tini", "--", "/kaniko/bin/python3", "-m", "builder")
_CONFINED_ENVIRONMENT = (
    "PATH=/kaniko/bin:/kaniko",
    "PYTHONHOME=/kaniko",
    "PYTHONPATH=/kaniko/agent:/kaniko/agent/lib",
    "PYTHONDONTWRITEBYTECODE=1",
    "TMPDIR=/kaniko/slipway/tmp",
)
_KEPT_SECONDS = 7 * 24 * 3600.0


def ensure(cache: Path, checkout: Path) -> BuilderImage:
    """Make what is missing in `cache` and return the image of this checkout's agent.

    Needs root and debootstrap when the Debian part is missing. Raises `StackError` with the failing
    program's last words.
    """
    layers = [made.ensure() for made in (agent(cache, checkout), packages(cache, checkout), debian(cache, checkout))]
    for layer in layers:
        os.utime(layer)
    lower = tuple(str(layer / "root") for layer in layers)
    return BuilderImage(lower=lower, command=_COMMAND, environment=_ENVIRONMENT)


def confined(cache: Path, checkout: Path, executor: Path) -> BuilderImage:
    """Return the image of a confined builder around kaniko's `executor`: what `builder/Dockerfile.confined` makes."""
    layers = [made.ensure() for made in (_confined_agent(cache, checkout, executor), _confined_home(cache, checkout))]
    environment = ("KANIKO_EXECUTOR=/kaniko/executor", *_CONFINED_ENVIRONMENT)
    return BuilderImage(tuple(str(layer / "root") for layer in layers), _CONFINED_COMMAND, environment)


def _confined_home(cache: Path, checkout: Path) -> Made:
    """Return Python, git and busybox as they lie below /kaniko, gathered from a Debian of their own."""
    folder = checkout / "builder" / "image"
    texts = [(folder / name).read_text() for name in ("confined.txt", "confined.sh")]
    requirements = checkout / "builder" / "requirements.txt"
    parts = (str(_RECIPE), SUITE, platform.machine(), *texts, requirements.read_text())
    made_from = _digest(*(text.encode() for text in parts))

    def fill(directory: Path) -> None:
        debian, out = directory / "debian", directory / "root"
        options = ["--variant=minbase", f"--include={','.join(texts[0].split())}"]
        run([*_OWN_MOUNTS, "debootstrap", *options, SUITE, str(debian), mirror.debian()], "debootstrap")
        agent_home = debian / "out" / "kaniko" / "agent"
        agent_home.mkdir(parents=True)
        library = packages(cache, checkout).ensure() / "root" / _HOME / "lib"
        shutil.copytree(library, agent_home / "lib")
        shutil.copy2(folder / "confined.sh", debian / "confined.sh")
        gather = ["chroot", str(debian), "/bin/sh", "/confined.sh", "/out"]
        run([*_OWN_MOUNTS, *gather], "Gathering the confined builder's home")
        (debian / "out").rename(out)
        (out / "kaniko" / "slipway" / "tmp").mkdir(parents=True)
        shutil.rmtree(debian)

    return Made("Making the confined builder's home", cache / f"builder-confined-{made_from}", fill)


def _confined_agent(cache: Path, checkout: Path, executor: Path) -> Made:
    """Return the agent's source and the executor, as they lie below /kaniko."""
    plain = agent(cache, checkout)
    made_from = _digest(plain.directory.name.encode(), executor.read_bytes())

    def fill(directory: Path) -> None:
        home = directory / "root" / "kaniko"
        shutil.copytree(plain.ensure() / "root" / _HOME, home / "agent")
        shutil.copy2(executor, home / "executor")
        (home / "executor").chmod(0o755)

    return Made("Copying the confined builder's agent", cache / f"builder-agent-confined-{made_from}", fill)


def debian(cache: Path, checkout: Path) -> Made:
    """Return Debian with the packages of `builder/image/packages.txt`, trimmed."""
    folder = checkout / "builder" / "image"
    wanted, trim = (folder / "packages.txt").read_text(), (folder / "trim.sh").read_text()
    made_from = _digest(*(text.encode() for text in (str(_RECIPE), SUITE, platform.machine(), wanted, trim)))

    def fill(directory: Path) -> None:
        root = directory / "root"
        options = ["--variant=minbase", f"--include={','.join(wanted.split())}"]
        run([*_OWN_MOUNTS, "debootstrap", *options, SUITE, str(root), mirror.debian()], "debootstrap")
        run([*_OWN_MOUNTS, "chroot", str(root), "/bin/sh", "-c", trim], "Trimming the builder's root file system")

    return Made("Making the builder's root file system", cache / f"builder-debian-{made_from}", fill)


def packages(cache: Path, checkout: Path) -> Made:
    """Return the Python packages of `builder/requirements.txt`."""
    requirements = checkout / "builder" / "requirements.txt"
    made_from = _digest(str(_RECIPE).encode(), platform.machine().encode(), requirements.read_bytes())

    def fill(directory: Path) -> None:
        target = directory / "root" / _HOME / "lib"
        pip = (sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile")
        argv = [*pip, "--only-binary=:all:", "--target", str(target), "-r", str(requirements)]
        run(argv, "Installing the builder's Python packages")
        _compile(directory / "root")

    return Made("Installing the builder's Python packages", cache / f"builder-packages-{made_from}", fill)


def agent(cache: Path, checkout: Path) -> Made:
    """Return the agent's source, compiled."""
    sources = sorted(_files(checkout))
    texts = (part for path in sources for part in (str(path).encode(), (checkout / path).read_bytes()))
    made_from = _digest(str(_RECIPE).encode(), *texts)

    def fill(directory: Path) -> None:
        home = directory / "root" / _HOME
        for path in sources:
            (home / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(checkout / path, home / path)
        shutil.copy2(checkout / _START, home / "start")
        (home / "start").chmod(0o755)
        _compile(directory / "root")
        _forget_old(cache)

    return Made("Copying the builder's agent", cache / f"builder-agent-{made_from}", fill)


def _files(checkout: Path) -> Iterator[Path]:
    """List the agent's files, relative to the checkout."""
    for name in _AGENT_SOURCES:
        top = checkout / name
        for path in top.rglob("*") if top.is_dir() else (top,):
            if path.is_file() and "__pycache__" not in path.parts:
                yield path.relative_to(checkout)


def _digest(*parts: bytes) -> str:
    whole = hashlib.sha256()
    for part in parts:
        whole.update(hashlib.sha256(part).digest())
    return whole.hexdigest()[:16]


def _compile(root: Path) -> None:
    """Compile for the builder's own paths. Byte code is the same in every 3.13."""
    if sys.version_info[:2] != (3, 13):
        return
    compileall.compile_dir(root / _HOME, quiet=2, stripdir=root, prependdir="/")


def _forget_old(cache: Path) -> None:
    """Delete agents that no stack has started with for a week; every edit of the source makes one."""
    for path in cache.glob("builder-agent-*"):
        if path.is_dir() and time.time() - path.stat().st_mtime > _KEPT_SECONDS:
            shutil.rmtree(path, ignore_errors=True)
