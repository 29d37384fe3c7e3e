"""The real az, in an environment of its own."""

import sys
from pathlib import Path

from devstack.setup.once import Made
from devstack.setup.run import run

VERSION = "2.91.0"


def ensure(cache: Path) -> Path:
    """Install az unless it is there; gives the path of its program."""
    directory = Made(f"azure-cli {VERSION}", cache / f"azure-cli-{VERSION}", _fill).ensure()
    return directory / "bin" / "az"


def _fill(directory: Path) -> None:
    run((sys.executable, "-m", "venv", str(directory)), "Making an environment for az")
    python = str(directory / "bin" / "python")
    # Compiled ahead, so that the first command is as quick as the second.
    run((python, "-m", "pip", "install", "--quiet", "--compile", f"azure-cli=={VERSION}"), "Installing azure-cli")
