"""The machine's own source of Debian packages."""

from pathlib import Path

from devstack.errors import StackError
from devstack.setup.run import run

FORMAT = "$(REPO_URI) $(RELEASE) $(COMPONENT) $(ORIGIN) $(LABEL)"
ORIGIN_FIELDS = ["main", "Debian", "Debian"]


def debian() -> str:
    """Read the address of a Debian archive from apt's configuration; raises `StackError` when it has none."""
    argv = ("apt-get", "indextargets", "--format", FORMAT, "Identifier: Packages")
    return first_archive(run(argv, "Reading apt's configuration"))


def first_archive(targets: str) -> str:
    """Pick the first full Debian archive of a list of index targets in `FORMAT`."""
    for line in targets.splitlines():
        address, *fields = line.split()
        if fields[1:] == ORIGIN_FIELDS:
            return address
    raise StackError("apt on this machine knows no Debian archive; base images come from one (deb … main).")


def fetch(package: str, suite: str, folder: Path, architecture: str = "") -> Path:
    """Download one package of a Debian release, whichever release this machine runs; gives the .deb file.

    `architecture` is in Debian's names; this machine's when it is empty.

    apt gets lists, cache and sources of its own under `folder`; the machine's are only read for the address.
    """
    (folder / "lists" / "partial").mkdir(parents=True)
    (folder / "cache" / "archives" / "partial").mkdir(parents=True)
    sources = folder / "sources.list"
    sources.write_text(f"deb {debian()} {suite} main\n")
    settings: dict[str, object] = {
        "Dir::State::Lists": folder / "lists",
        "Dir::Cache": folder / "cache",
        "Dir::Etc::SourceList": sources,
        "Dir::Etc::SourceParts": "/dev/null",
        "Acquire::Languages": "none",
        # The user _apt may not read a private folder.
        "APT::Sandbox::User": "root",
    }
    if architecture:
        settings |= {"APT::Architecture": architecture, "APT::Architectures": architecture}
    apt = ("apt-get", *(part for name, value in settings.items() for part in ("-o", f"{name}={value}")))
    run((*apt, "update", "--quiet"), f"Reading the package list of {suite}")
    run((*apt, "download", package), f"Fetching {package}", folder=folder)
    return next(folder.glob(f"{package}_*.deb"))
