"""The command line of ./dev."""

import argparse
import os
import subprocess
import sys
from collections.abc import Callable, Sequence

from devstack import progress
from devstack.cli import az, checks, demo, seed, state, trace, up
from devstack.cli import target as targets
from devstack.errors import StackError
from devstack.stack.layout import CHECKOUT

INTERRUPTED = 130
"""The exit code that shells use for Ctrl-C."""

PASSING = frozenset({"az", "test", "plan"})
"""Commands whose arguments belong to another program."""
VALUE_OPTIONS = frozenset({"--state", "--port-base"})

type Command = Callable[[argparse.Namespace], int]


def main(arguments: Sequence[str]) -> int:
    """Run one command; gives its exit code."""
    options = _parse(arguments)
    command: Command = options.command
    try:
        return command(options)
    except StackError as error:
        progress.say(f"dev: {error}")
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    own, rest = split(arguments)
    options = _parser().parse_args(own)
    options.rest = rest
    return options


def split(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Part our own arguments from those that a command passes on, options that look like ours included."""
    index = 0
    while index < len(arguments) and arguments[index].startswith("-"):
        index += 2 if arguments[index] in VALUE_OPTIONS else 1
    if index < len(arguments) and arguments[index] in PASSING:
        return list(arguments[: index + 1]), list(arguments[index + 1 :])
    return list(arguments), []


def _parser() -> argparse.ArgumentParser:
    shared = _shared_options()
    parser = argparse.ArgumentParser(
        prog="./dev", description="Slipway on this machine: set up, run, try, test.", parents=[shared]
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def add(name: str, command: Command, text: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=text, description=text, parents=[shared], add_help=name not in PASSING)
        made.set_defaults(command=command)
        return made

    starting = add("up", _up, "start the stack and keep it running")
    starting.add_argument("--background", action="store_true", help="return once the stack runs")
    add("down", lambda o: state.down(targets.of(o)), "stop the stack of this checkout")
    add("status", lambda o: state.status(targets.of(o)), "show what runs")
    add("az", lambda o: az.run(targets.of(o), o.rest), "run the real az against the stack ([--as PRINCIPAL] first)")
    add("demo", lambda o: demo.demo(targets.of(o)), "build samples/hello with the real az, setting up all it needs")
    tracing = add("trace", lambda o: trace.show(targets.of(o), o.run), "show what a run's time went into")
    tracing.add_argument("run", metavar="RUN")
    add("check", lambda _: checks.check(), "lint, formatting, types and import rules")
    add("test", lambda o: _test(o.rest), "run the fast tests, then the slow ones ([--fast] [PYTEST OPTIONS])")
    add("plan", lambda o: _plan(o.rest), "show the steps of a task file")
    seeding = add("seed", lambda o: seed.seed(targets.of(o), o.names), "make base images and push them")
    seeding.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(seed.NAMES)}; all when none is named")
    return parser


def _shared_options() -> argparse.ArgumentParser:
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument(
        "--state", metavar="DIR", default=argparse.SUPPRESS, help="where the stack keeps its files (default: .dev)"
    )
    shared.add_argument(
        "--port-base",
        type=int,
        metavar="N",
        default=argparse.SUPPRESS,
        help="the number that every port is counted from (default: 7440)",
    )
    return shared


def _up(options: argparse.Namespace) -> int:
    return up.up(targets.of(options), background=options.background)


def _test(arguments: list[str]) -> int:
    if "--help" in arguments or "-h" in arguments:
        print("usage: ./dev test [--fast] [PYTEST OPTIONS]\n\n--fast leaves out the tests that need the stack.")
        return 0
    fast = "--fast" in arguments
    return checks.test([one for one in arguments if one != "--fast"], fast=fast)


def _plan(arguments: list[str]) -> int:
    # The caller's folder stays: the task file's path is relative to it.
    environment = os.environ | {"PYTHONPATH": str(CHECKOUT)}
    argv = [sys.executable, "-m", "shared.language", *arguments]
    return subprocess.run(argv, env=environment, check=False).returncode
