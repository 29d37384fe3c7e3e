"""`./dev down` and `./dev status`."""

import signal

from devstack import progress
from devstack.cli.target import Target
from devstack.cli.up import stop_leftovers
from devstack.errors import StackError
from devstack.stack import hosts_file
from devstack.stack.processes import ProcessId
from devstack.stack.record import StackRecord

STOP_SECONDS = 180
"""Longer than all services together may take to stop."""


def down(target: Target) -> int:
    """Stop the stack of this checkout, wherever it was started."""
    record = target.running()
    if record is None:
        stop_leftovers(target)
        hosts_file.remove(target.layout.state)
        progress.say("No stack runs.")
        return 0
    with progress.step("stopping the stack"):
        _stop(record.supervisor)
    progress.say("The stack has stopped.")
    return 0


def _stop(supervisor: ProcessId) -> None:
    supervisor.signal(signal.SIGTERM)
    if not supervisor.wait(STOP_SECONDS):
        raise StackError(f"The stack (process {supervisor.pid}) did not stop within {STOP_SECONDS} s.")


def status(target: Target) -> int:
    """Print what runs; exit code 1 when the stack does not, or not wholly."""
    record = target.running()
    if record is None:
        print("The stack does not run.")
        return 1
    print(f"{record.phase} (process {record.pid}, state in {target.layout.state})")
    print(f"{'SERVICE':<18} {'STATE':<10} {'PROCESS':>8} {'RESTARTS':>8}")
    for service in record.services:
        state = "ready" if service.ready and service.process.is_alive else "not ready"
        print(f"{service.name:<18} {state:<10} {service.pid:>8} {service.restarts:>8}")
    print("\n".join(f"{purpose:<24} {port}" for purpose, port in target.ports.by_purpose().items()))
    return 0 if _all_ready(record) else 1


def _all_ready(record: StackRecord) -> bool:
    return all(service.ready and service.process.is_alive for service in record.services)
