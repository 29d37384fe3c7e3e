"""What is remembered of a timer between two lives of the host (pure).

The blob holds `{"Last": …, "Next": …, "LastUpdated": …}` as the timer extension writes it, so that the real
host can take over the same storage account.
"""

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from devstack.functions_host.ncrontab import Schedule

NEVER = datetime(1, 1, 1, tzinfo=UTC)
"""The .NET default of a DateTime: no value yet."""


@dataclass(frozen=True, slots=True)
class ScheduleStatus:
    """When a timer last ran, is due next, and when `due` was computed. All UTC."""

    last: datetime
    due: datetime
    updated: datetime

    def to_json(self) -> str:
        """Return the blob's text, which is also what a function sees as its schedule status."""
        return json.dumps({"Last": _text(self.last), "Next": _text(self.due), "LastUpdated": _text(self.updated)})

    @classmethod
    def from_json(cls, text: str | bytes) -> "ScheduleStatus | None":
        """Read a blob's text; None when it is not a status, which counts as none recorded."""
        try:
            members = json.loads(text)
            return cls(_moment(members["Last"]), _moment(members["Next"]), _moment(members["LastUpdated"]))
        except (ValueError, KeyError, TypeError):
            return None


def on_start(schedule: Schedule, recorded: ScheduleStatus | None, now: datetime) -> tuple[ScheduleStatus, bool]:
    """Return the status to go on with and whether a run was missed while no host was there.

    Any number of missed runs is one past due run. A schedule that was changed meanwhile starts afresh and
    is not past due.
    """
    if recorded is None:
        return ScheduleStatus(NEVER, schedule.after(now), now), False
    basis = next((moment for moment in (recorded.last, recorded.updated) if moment != NEVER), now)
    expected = schedule.after(basis)
    if recorded.due == expected:
        return recorded, now > recorded.due
    if now > expected:
        return ScheduleStatus(NEVER, schedule.after(now), now), False
    return replace(recorded, last=NEVER, due=expected, updated=basis), False


def after_run(schedule: Schedule, before: ScheduleStatus, started: datetime, *, on_time: bool) -> ScheduleStatus:
    """Return the status after a run that began at `started`.

    A clock that fires a little early must not give the same occurrence twice: such a run counts as `due`.
    """
    counted = max(started, before.due) if on_time else started
    return ScheduleStatus(counted, schedule.after(counted), counted)


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
