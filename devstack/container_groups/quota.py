"""The limits that a subscription runs into, as Azure answers them."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from devstack.container_groups.config import FailCause, Limits
from devstack.container_groups.errors import NoRoom, QuotaReached, Throttled

_FIVE_MINUTES = 300.0
_HOUR = 3600.0
_KIND = "Microsoft.ContainerInstance/containerGroups"


def no_room(location: str) -> str:
    """Answer what Azure says of a region that is full."""
    return f"The requested resource is not available in the location '{location}' at this moment."


def over_quota(what: str, location: str, limit: float, used: float, wanted: float) -> str:
    """Answer what Azure says of a quota that is used up."""
    return (
        f"Resource type '{_KIND}' container group quota '{what}' exceeded in region '{location}'. "
        f"Limit: '{limit:g}', Usage: '{used:g}' Requested: '{wanted:g}'."
    )


@dataclass
class Quota:
    """Decides whether one more group may be made. `clock` gives monotonic seconds, which `time_scale` multiplies."""

    limits: Limits
    clock: Callable[[], float]
    _creations: deque[float] = field(default_factory=deque)

    def admit(self, *, location: str, groups: int, cores: float, more_cores: float) -> None:
        """Count a creation beside `groups` that hold `cores`, or raise `NoRoom`, `QuotaReached` or `Throttled`."""
        if location.lower() in self.limits.full_regions:
            raise NoRoom(no_room(location))
        self._check("ContainerGroups", location, self.limits.groups, groups, 1)
        self._check("StandardCores", location, self.limits.cores, cores, more_cores)
        now = self.clock() * self.limits.time_scale
        while self._creations and self._creations[0] <= now - _HOUR:
            self._creations.popleft()
        self._check_rate(self.limits.creates_per_5_minutes, _FIVE_MINUTES, now)
        self._check_rate(self.limits.creates_per_hour, _HOUR, now)
        self._creations.append(now)

    def take_failure(self) -> FailCause | None:
        """Answer why the next group must fail to start, if it must; counts the wish down."""
        if self.limits.fail_starts == 0:
            return None
        self.limits = self.limits.model_copy(update={"fail_starts": self.limits.fail_starts - 1})
        return self.limits.fail_cause

    def _check(self, what: str, location: str, limit: float | None, used: float, wanted: float) -> None:
        if limit is not None and used + wanted > limit:
            raise QuotaReached(over_quota(what, location, limit, used, wanted))

    def _check_rate(self, limit: int | None, window: float, now: float) -> None:
        if limit is None:
            return
        recent = [made for made in self._creations if made > now - window]
        if len(recent) >= limit:
            oldest = recent[-limit] if limit else now
            raise Throttled(
                f"The limit of {limit} container group creations in {window / 60:g} minutes is reached.",
                retry_after=max(1, round(oldest + window - now)),
            )
