"""The registries' names in /etc/hosts: one marked line for each running stack."""

import hashlib
import os
from pathlib import Path

from devstack.errors import StackError
from devstack.files import locked
from devstack.stack import names

HOSTS = Path("/etc/hosts")
LOCK = Path("/run/lock/slipway-hosts.lock")
MARK = "# slipway"


def line(state: Path) -> str:
    """Write the line of the stack that keeps its files in `state`."""
    mark = f"{MARK} {hashlib.sha256(str(state).encode()).hexdigest()[:8]}"
    return f"127.0.0.1 {names.REGISTRY_HOST} {names.OTHER_REGISTRY_HOST} {mark}"


def with_line(text: str, wanted: str) -> str:
    """Add a line to a hosts file's text unless it is there."""
    if wanted in text.splitlines():
        return text
    separator = "" if text.endswith("\n") or not text else "\n"
    return f"{text}{separator}{wanted}\n"


def without_line(text: str, unwanted: str) -> str:
    """Take a line out of a hosts file's text."""
    return "".join(one for one in text.splitlines(keepends=True) if one.rstrip("\n") != unwanted)


def add(state: Path, hosts: Path = HOSTS) -> None:
    """Make the registries' names known on this machine. Raises `StackError` when that takes root."""
    wanted = line(state)
    if wanted in hosts.read_text().splitlines():
        return
    if not os.access(hosts, os.W_OK):
        raise StackError(f"{hosts} cannot be written: run as root, or add this line yourself: {wanted}")
    with locked(LOCK):
        _replace(hosts, with_line(hosts.read_text(), wanted))


def remove(state: Path, hosts: Path = HOSTS) -> None:
    """Take the line of this stack away again, if it is there and may be changed."""
    unwanted = line(state)
    if unwanted not in hosts.read_text().splitlines() or not os.access(hosts, os.W_OK):
        return
    with locked(LOCK):
        _replace(hosts, without_line(hosts.read_text(), unwanted))


def _replace(hosts: Path, text: str) -> None:
    temporary = hosts.with_name(f".{hosts.name}.slipway")
    temporary.write_text(text)
    temporary.chmod(hosts.stat().st_mode & 0o777)
    try:
        temporary.replace(hosts)
    except OSError:
        # Container engines mount this file alone: it can be written there, but not replaced.
        temporary.unlink()
        hosts.write_text(text)
