"""`./dev check` and `./dev test`."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence

from devstack import progress
from devstack.cli.state import down
from devstack.cli.target import BASE_VARIABLE, STATE_VARIABLE, Target
from devstack.cli.up import start, stop_leftovers
from devstack.errors import StackError
from devstack.setup import azurite
from devstack.stack import names
from devstack.stack.layout import CHECKOUT, Layout, cache
from devstack.stack.ports import Ports, free_base
from devstack.stack.settings import ALLOWED_HOSTS, GIT_POLL_MINUTES, GUEST_HOSTS

NOTHING_COLLECTED = 5
"""pytest's exit code when no test was selected."""


def check() -> int:
    """Run every static check; the exit code tells whether all passed."""
    programs = CHECKOUT / ".venv" / "bin"
    checks = {
        "ruff check": [str(programs / "ruff"), "check", ".", "dev"],
        "ruff format": [str(programs / "ruff"), "format", "--check", ".", "dev"],
        "mypy": [sys.executable, "-m", "mypy", ".", "dev"],
        "import rules": [str(programs / "lint-imports")],
        "infra": [sys.executable, "-m", "infra.checker"],
    }
    failed = [title for title, argv in checks.items() if _quiet(title, argv)]
    if failed:
        raise StackError(f"Failed: {', '.join(failed)}.")
    progress.say("All checks passed.")
    return 0


def _quiet(title: str, argv: Sequence[str]) -> int:
    """Run a check and print what it said only when it failed."""
    with progress.step(title):
        done = subprocess.run(argv, cwd=CHECKOUT, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode:
        print(done.stdout + done.stderr, end="")
    return done.returncode


def test(arguments: Sequence[str], *, fast: bool) -> int:
    """Run the fast tests, then the slow ones beside a stack of their own."""
    codes = [_pytest("not slow", arguments, dict(os.environ))]
    if not fast and (codes[0] in {0, NOTHING_COLLECTED}) and _has_slow(arguments):
        codes.append(_slow(arguments))
    if all(code == NOTHING_COLLECTED for code in codes):
        return NOTHING_COLLECTED
    return next((code for code in codes if code not in {0, NOTHING_COLLECTED}), 0)


def _pytest(selection: str, arguments: Sequence[str], environment: dict[str, str], *flags: str) -> int:
    argv = [sys.executable, "-m", "pytest", "-m", selection, *flags, *arguments]
    return subprocess.run(argv, cwd=CHECKOUT, env=environment, check=False).returncode


def _has_slow(arguments: Sequence[str]) -> bool:
    argv = [sys.executable, "-m", "pytest", "-m", "slow", "--collect-only", "-qq", *arguments]
    done = subprocess.run(argv, cwd=CHECKOUT, capture_output=True, check=False)
    return done.returncode != NOTHING_COLLECTED


def _slow(arguments: Sequence[str]) -> int:
    stack = Target(Layout(CHECKOUT / ".dev" / "test"), Ports(free_base()))
    if stack.running():
        raise StackError("Another ./dev test uses this checkout's test stack; wait for it.")
    stop_leftovers(stack)
    for folder in (stack.layout.azurite, stack.layout.registry, stack.layout.other_registry, stack.layout.logs):
        # Each session starts with no runs and no images but the seeds.
        shutil.rmtree(folder, ignore_errors=True)
    # A git host that tests start on the guest port is one that groups may reach.
    os.environ[ALLOWED_HOSTS] = f"localhost:{stack.ports.guest}"
    os.environ[GUEST_HOSTS] = ",".join(names.GIT_HOSTS)
    os.environ[GIT_POLL_MINUTES] = "1"
    start(stack)
    try:
        return _pytest("slow", arguments, _environment(stack))
    finally:
        down(stack)


def _environment(stack: Target) -> dict[str, str]:
    """Tell the tests which stack is theirs, and where Azurite is for those that start one of their own."""
    return {
        **os.environ,
        STATE_VARIABLE: str(stack.layout.state),
        BASE_VARIABLE: str(stack.ports.base),
        "AZURITE_JS": str(azurite.ensure(cache())),
    }
