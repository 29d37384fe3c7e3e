"""`./dev trace RUN`: what a run's time went into, as the app tells it."""

import json
import subprocess

from devstack.cli import az as az_command
from devstack.cli.target import Target
from devstack.errors import StackError
from devstack.stack import names
from devstack.stack.layout import CHECKOUT

_VERSION = "2019-06-01-preview"


def show(target: Target, run: str) -> int:
    """Print the trace of a run of the stack's registry."""
    if not run.isalnum():
        raise StackError(f"{run!r} is no run id.")
    url = f"{names.REGISTRY_ID}/runs/{run}/trace?api-version={_VERSION}&format=text"
    argv, environment = az_command.command(target, ("rest", "--url", url))
    done = subprocess.run(argv, env=environment, cwd=CHECKOUT, check=False, capture_output=True, text=True)
    if done.returncode:
        raise StackError(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "az failed.")
    print(_text(done.stdout), end="")
    return 0


def _text(printed: str) -> str:
    """Read what az prints: text as it came, or as a JSON string."""
    try:
        read = json.loads(printed)
    except ValueError:
        return printed
    return read if isinstance(read, str) else printed
