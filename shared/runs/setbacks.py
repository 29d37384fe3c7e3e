"""Builders that a run was promised and that Azure let fall: what that counts for, and what comes next. Pure.

They are no attempts of the run's own: the run goes back to the line, another region is asked, and one that lost Spot
groups gets a regular one. Only an image that cannot be pulled ends it, once it has been tried for about two hours.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from pydantic import BaseModel, ConfigDict

from shared.container_groups.loss import Loss, LossKind

KEPT: Final = 10
"""Setbacks that a run remembers, the latest; so many images that could not be pulled end it."""
_FIRST_PAUSE: Final = timedelta(minutes=1)
_LONGEST_PAUSE: Final = timedelta(minutes=15)


class Setback(BaseModel):
    """A builder that was lost by no fault of the run."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    at: datetime
    kind: LossKind
    region: str
    reason: str
    """One sentence."""
    is_spot: bool = False
    had_begun: bool = False
    """Whether the builder had begun to execute the run."""

    @classmethod
    def of(cls, loss: Loss, at: datetime, *, had_begun: bool = False) -> "Setback":
        """Answer the setback that a loss is for the run that waited for the group, or was executed in it."""
        return cls(
            at=at, kind=loss.kind, region=loss.region, reason=loss.reason, is_spot=loss.is_spot, had_begun=had_begun
        )


def pause(setbacks: Sequence[Setback]) -> timedelta:
    """Answer how long no group is asked for where the latest of them was lost; twice as long each time."""
    latest = setbacks[-1]
    if latest.kind is LossKind.EVICTED:
        return timedelta(0)
    times = sum((one.kind, one.region) == (latest.kind, latest.region) for one in setbacks)
    longest: timedelta = min(_FIRST_PAUSE * 2 ** (times - 1), _LONGEST_PAUSE)
    return longest


def is_hopeless(setbacks: Sequence[Setback]) -> bool:
    """Whether there is no use in a further group."""
    return sum(one.kind is LossKind.IMAGE for one in setbacks) >= KEPT


def wants_regular(setbacks: Sequence[Setback], most: int) -> bool:
    """Whether the next group is to be a regular one: after so many Spot groups, or one that had begun."""
    spot = [one for one in setbacks if one.is_spot and one.kind is not LossKind.IMAGE]
    return len(spot) >= most or any(one.had_begun for one in spot)
