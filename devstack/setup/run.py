"""Runs the programs of a setup: quiet when all is well, their last words when not."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from devstack.errors import StackError

TAIL_LINES = 15


def run(
    argv: Sequence[str],
    what: str,
    *,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> str:
    """Run a program to its end and give its standard output.

    Raises `StackError` with `what` failed and the last lines that it printed.
    """
    try:
        done = subprocess.run(
            list(argv),
            env=environment,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    except OSError as error:
        raise StackError(f"{what} failed: {argv[0]} could not be started ({error.strerror}).") from error
    if done.returncode:
        tail = (done.stdout + done.stderr).strip().splitlines()[-TAIL_LINES:]
        printed = "".join(f"\n    {line}" for line in tail)
        raise StackError(f"{what} failed ({argv[0]}, exit {done.returncode}):{printed}")
    return done.stdout
