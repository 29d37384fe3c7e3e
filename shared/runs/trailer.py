"""The last line of a run's log and the mark by which az learns how the run ended. Pure.

Source: the real service's logs. az treats the values `failed`, `internalerror`, `timedout` and `canceled`
of the `Complete` metadata as failures and prints nothing beyond the last CRLF before it is set.
"""

from collections.abc import Mapping
from datetime import timedelta

from shared.runs.model import Run, Status

_COMPLETE: Mapping[Status, str] = {
    Status.SUCCEEDED: "successful",
    Status.FAILED: "failed",
    Status.CANCELED: "canceled",
    Status.TIMEOUT: "timedout",
    Status.ERROR: "internalerror",
}
_ENDING: Mapping[Status, str] = {
    Status.SUCCEEDED: "was successful after",
    Status.FAILED: "failed after",
    Status.CANCELED: "was canceled after",
    Status.TIMEOUT: "timed out after",
    Status.ERROR: "failed after",
}


def complete_value(status: Status) -> str:
    """Answer the value of the log's `Complete` metadata for a terminal status."""
    return _COMPLETE[status]


def trailer_mark(run: Run) -> str:
    """Answer the text by which an existing trailer is recognised."""
    return f"Run ID: {run.id} {_ENDING[run.status]}"


def trailer(run: Run) -> str:
    """Answer the last line of an ended run's log, between line ends."""
    took = (run.finished or run.updated) - (run.started or run.created)
    error = f". Error: {run.error}" if run.error and run.status is not Status.SUCCEEDED else ""
    return f"\r\n{trailer_mark(run)} {go_duration(took)}{error}\r\n"


def go_duration(duration: timedelta) -> str:
    """Print whole seconds as Go does: `27s`, `3m0s`, `2h0m0s`."""
    seconds = max(0, round(duration.total_seconds()))
    hours, minutes = seconds // 3600, seconds % 3600 // 60
    parts = [f"{hours}h"] if hours else []
    parts += [f"{minutes}m"] if hours or minutes else []
    return "".join([*parts, f"{seconds % 60}s"])
