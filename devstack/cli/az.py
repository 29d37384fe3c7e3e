"""`./dev az …`: the real az against this stack."""

import os
from collections.abc import Sequence
from typing import NoReturn

from devstack.cli.target import Target
from devstack.cli.up import write_logins
from devstack.errors import StackError
from devstack.setup import azure_cli
from devstack.stack import az, credentials
from devstack.stack.credentials import ROLES
from devstack.stack.layout import cache


def split(arguments: Sequence[str]) -> tuple[str, list[str]]:
    """Take `--as NAME` off the front; gives the principal and az's own arguments."""
    rest = list(arguments)
    if not rest or rest[0] != "--as":
        return az.DEFAULT_PRINCIPAL, rest
    if rest[1:2] == [] or rest[1] not in ROLES:
        raise StackError(f"--as takes one of {', '.join(ROLES)}.")
    return rest[1], rest[2:]


def command(target: Target, arguments: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Make the argument list and the environment of one az process."""
    principal, rest = split(arguments)
    target.require_running()
    write_logins(target, credentials.load_or_create(target.layout))
    program = str(azure_cli.ensure(cache()))
    return [program, *rest], az.environment(target.layout, principal, os.environ)


def run(target: Target, arguments: Sequence[str]) -> NoReturn:
    """Become az."""
    argv, environment = command(target, arguments)
    os.execve(argv[0], argv, environment)  # noqa: S606 - az takes this process's place, signals and exit code
