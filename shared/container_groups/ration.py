"""How many container groups may be created, and when Azure is left alone because it has no room.

A subscription may create 100 groups in five minutes and 300 in an hour; who asks for more is answered 429. So
creations are counted, in one row that all instances of the app share, and none is asked for in vain. What Azure
refuses for now begins a **rest**: until it is over nobody asks again, in one region or everywhere.

Partition `.creations` of the `groups` table: `made`, and `rest-` + region, with `+spot` for its Spot groups alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Final

from shared.clock import Clock
from shared.container_groups.loss import Loss
from shared.container_groups.service import NO_ROOM, Groups, GroupState
from shared.container_groups.spec import GroupRequest
from shared.errors import Conflict, NotFound, PreconditionFailed, Throttled, Unavailable
from shared.metrics import Metric, count
from shared.storage import Row, Table
from shared.storage.tables import Scalar

_PARTITION: Final = ".creations"
_MADE: Final = "made"
_REST: Final = "rest-"
_EVERYWHERE: Final = "*"
_SPOT: Final = "+spot"
_HOUR: Final = 3600
_LONGEST_REST: Final = timedelta(hours=1)
_CHANGE_ATTEMPTS = 20


@dataclass(frozen=True)
class Ration:
    """How many groups may be created in any five minutes and in any hour."""

    per_5_minutes: int = 100
    per_hour: int = 300

    def room(self, made: Sequence[float], now: float) -> int:
        """Answer how many groups may be created now. Pure."""
        lately = sum(moment > now - 300 for moment in made)
        return max(0, min(self.per_5_minutes - lately, self.per_hour - sum(moment > now - _HOUR for moment in made)))

    def refusal(self, made: Sequence[float], now: float) -> tuple[float, str] | None:
        """Answer until when, and why, no group may be created; None when one may. Pure.

        `made` are the moments of the latest creations, oldest first; all times in seconds.
        """
        found = []
        for limit, window, words in ((self.per_5_minutes, 300, "5 minutes"), (self.per_hour, _HOUR, "an hour")):
            recent = [moment for moment in made if moment > now - window]
            if len(recent) >= limit:
                reason = f"The {limit} container groups that may be created in {words} have been created."
                found.append((recent[-limit] + window, reason))
        return max(found, default=None)


@dataclass(frozen=True)
class Rest:
    """A time in which Azure is asked for no group. `reason` is a sentence."""

    place: str
    until: datetime
    reason: str

    def values(self) -> dict[str, Scalar]:
        """Answer the row's columns."""
        return {"until": self.until.timestamp(), "reason": self.reason}

    def refusal(self, now: datetime) -> Throttled:
        """Answer the rest as an error."""
        return Throttled(self.reason, retry_after=max(1, round((self.until - now).total_seconds())))


class RationedGroups:
    """Other container groups, none of which is asked for beyond the ration or during a rest. Thread-safe.

    `start` tries the regions of a request in their order, for a Spot group then again for a regular one, and raises
    Throttled when none of them has room.
    """

    def __init__(self, groups: Groups, table: Table, ration: Ration, clock: Clock) -> None:
        self._groups = groups
        self._table = table
        self._ration = ration
        self._clock = clock
        self._one_at_a_time = Lock()
        # threads of one instance need not meet at the row

    def room(self) -> int:
        """Answer how many groups may be created now, if Azure has room."""
        return self._ration.room(_moments(self._table.find(_PARTITION, _MADE)), self._clock().timestamp())

    def rest(self, regions: Sequence[str]) -> Rest | None:
        """Answer why, and until when, none of the regions is asked for a group; None when one may be."""
        rests = self._rests()
        if _EVERYWHERE in rests:
            return rests[_EVERYWHERE]
        return _joined([rests[region] for region in regions]) if all(region in rests for region in regions) else None

    def start(self, request: GroupRequest) -> GroupRequest:
        """Ask for a group, and answer what was taken of the request. Raises as `Groups.start` does."""
        resting, refused = self._rests(), list[Rest]()
        if _EVERYWHERE in resting:
            raise resting[_EVERYWHERE].refusal(self._clock())
        for asked in _choices(request):
            place = _place(asked.location, is_spot=asked.is_spot)
            if place in resting:
                refused.append(resting[place])
                continue
            with self._one_at_a_time:
                self._spend()
            try:
                self._create(asked)
            except Throttled as error:
                refused.append(self._begin_rest(place if error.code == NO_ROOM else _EVERYWHERE, error))
                if error.code != NO_ROOM:
                    break
            else:
                return asked
        raise _joined(refused).refusal(self._clock())

    def _create(self, request: GroupRequest) -> None:
        outcome = "failed"
        try:
            self._groups.start(request)
            outcome = "created"
        except Throttled as error:
            outcome = "noRoom" if error.code == NO_ROOM else "throttled"
            raise
        finally:
            count(Metric.CREATIONS, region=request.location, outcome=outcome)

    def state(self, name: str) -> GroupState:
        """Ask what became of a group."""
        return self._groups.state(name)

    def loss(self, name: str) -> Loss | None:
        """Ask why a group fell."""
        return self._groups.loss(name)

    def leave_alone(self, region: str, pause: timedelta, reason: str, *, is_spot: bool = False) -> None:
        """Ask for no group in a region for a while, or for no Spot group: it let one fall that it had accepted."""
        self._begin_rest(_place(region, is_spot=is_spot), Throttled(reason, retry_after=round(pause.total_seconds())))

    def delete(self, name: str) -> None:
        """Ask for a group's removal."""
        self._groups.delete(name)

    def names(self) -> list[str]:
        """List all groups."""
        return self._groups.names()

    def _rests(self) -> Mapping[str, Rest]:
        now = self._clock()
        rests = map(_rest, self._table.query(_PARTITION, _REST, f"{_REST}~"))
        return {rest.place: rest for rest in rests if rest.until > now}

    def _begin_rest(self, place: str, error: Throttled) -> Rest:
        until = self._clock() + min(timedelta(seconds=error.retry_after), _LONGEST_REST)
        rest = Rest(place, until, error.message)
        row = self._table.find(_PARTITION, f"{_REST}{place}")
        try:
            if row is None:
                self._table.insert(_PARTITION, f"{_REST}{place}", rest.values())
            else:
                self._table.replace(row, rest.values())
        except (Conflict, NotFound, PreconditionFailed):
            return rest  # somebody else was refused at the same moment
        return rest

    def _spend(self) -> None:
        """Count one creation. Raises Throttled when the ration does not allow it."""
        for _ in range(_CHANGE_ATTEMPTS):
            now, row = self._clock().timestamp(), self._table.find(_PARTITION, _MADE)
            made = [moment for moment in _moments(row) if moment > now - _HOUR]
            if refusal := self._ration.refusal(made, now):
                until, reason = refusal
                seconds = max(1, round(until - now))
                raise self._begin_rest(_EVERYWHERE, Throttled(reason, retry_after=seconds)).refusal(self._clock())
            values = {"made": ",".join(f"{moment:.3f}" for moment in sorted([*made, now]))}
            try:
                if row is None:
                    self._table.insert(_PARTITION, _MADE, values)
                else:
                    self._table.replace(row, values)
            except (Conflict, PreconditionFailed):
                continue
            return
        raise Unavailable("Too many container groups are being created at this moment.")


def _choices(request: GroupRequest) -> list[GroupRequest]:
    """Answer what a request may come to, the best first."""
    regions = (request.location, *request.others)
    priorities = (True, False) if request.is_spot else (False,)
    return [
        replace(request, location=region, others=(), is_spot=is_spot) for is_spot in priorities for region in regions
    ]


def _place(region: str, *, is_spot: bool) -> str:
    return f"{region}{_SPOT}" if is_spot else region


def _moments(row: Row | None) -> list[float]:
    return [float(word) for word in str(row.values["made"]).split(",")] if row else []


def _rest(row: Row) -> Rest:
    until = datetime.fromtimestamp(float(row.values["until"]), UTC)
    return Rest(row.key.removeprefix(_REST), until, str(row.values["reason"]))


def _joined(rests: Sequence[Rest]) -> Rest:
    """Answer what several regions come to: a group may be had when the first of them has rested."""
    first = min(rests, key=lambda rest: rest.until)
    return replace(first, reason=" ".join(dict.fromkeys(rest.reason for rest in rests)))
