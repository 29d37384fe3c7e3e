"""Processes by pid and start time, so that a recycled pid is never taken for ours."""

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

START_TIME_FIELD = 22
"""Of `/proc/<pid>/stat`, in clock ticks since boot (proc(5))."""


@dataclass(frozen=True)
class ProcessId:
    """One process of this boot."""

    pid: int
    started: int

    @property
    def is_alive(self) -> bool:
        """Whether this very process still runs; a zombie does not."""
        return start_time(self.pid) == self.started

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, unless the process is gone."""
        if self.is_alive:
            try:
                os.kill(self.pid, number)
            except ProcessLookupError:
                return

    def wait(self, seconds: float) -> bool:
        """Wait for the end of a process that may not be our child; tells whether it came in time."""
        deadline = time.monotonic() + seconds
        while self.is_alive:
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.05)
        return True


def start_time(pid: int) -> int | None:
    """Read the start time of a live process in clock ticks, None when there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # The second field is the program's name in parentheses and may hold spaces and parentheses itself.
    fields = text.rpartition(")")[2].split()
    if fields[0] in {"Z", "X"}:
        return None
    return int(fields[START_TIME_FIELD - 3])


def identify(pid: int) -> ProcessId | None:
    """Take down a running process."""
    started = start_time(pid)
    return None if started is None else ProcessId(pid, started)


def terminate(process: ProcessId, seconds: float) -> bool:
    """Ask a process to end, and kill it when it has not within `seconds`; tells whether asking was enough."""
    process.signal(signal.SIGTERM)
    if process.wait(seconds):
        return True
    process.signal(signal.SIGKILL)
    process.wait(seconds)
    return False
