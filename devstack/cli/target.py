"""Which stack a command speaks of."""

import argparse
import os
from dataclasses import dataclass
from pathlib import Path

from devstack.errors import StackError
from devstack.stack import record as records
from devstack.stack.layout import CHECKOUT, Layout
from devstack.stack.ports import DEFAULT_BASE, Ports
from devstack.stack.record import StackRecord

STATE_VARIABLE = "SLIPWAY_DEV_STATE"
BASE_VARIABLE = "SLIPWAY_DEV_PORT_BASE"
DEFAULT_STATE = CHECKOUT / ".dev"


@dataclass(frozen=True)
class Target:
    """One stack: its files and its ports."""

    layout: Layout
    ports: Ports

    def running(self) -> StackRecord | None:
        """Read the record of the stack if its supervisor lives."""
        record = records.read(self.layout.record)
        return record if record and record.supervisor.is_alive else None

    def require_running(self) -> StackRecord:
        """Give the record of the running stack; raises `StackError` when none runs."""
        record = self.running()
        if record is None:
            raise StackError("The stack does not run: start it with ./dev up.")
        return record


def of(options: argparse.Namespace) -> Target:
    """Choose by option, then by environment; a running stack keeps the ports it has."""
    state = getattr(options, "state", None) or os.environ.get(STATE_VARIABLE)
    layout = Layout(Path(state).resolve() if state else DEFAULT_STATE)
    record = records.read(layout.record)
    if record and record.supervisor.is_alive:
        return Target(layout, Ports(record.base))
    return Target(layout, Ports(_base(getattr(options, "port_base", None))))


def _base(option: int | None) -> int:
    if option is not None:
        return option
    text = os.environ.get(BASE_VARIABLE, "")
    if not text:
        return DEFAULT_BASE
    if not text.isdecimal():
        raise StackError(f"{BASE_VARIABLE} must be a number, not {text!r}.")
    return int(text)
