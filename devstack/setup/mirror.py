"""The machine's own source of Debian packages."""

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
