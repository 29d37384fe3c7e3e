"""Which kind of builder a run gets: the cheapest that is allowed, a full one once it is known to need that. Pure."""

from collections.abc import Sequence

from shared.runs.model import Run
from shared.runs.setbacks import Setback, wants_regular
from shared.settings import BuilderKind, Settings


def needed_kind(run: Run) -> BuilderKind:
    """Answer the least that a run's builder must be able to do, as far as is known."""
    return BuilderKind.FULL if run.needs_full else BuilderKind.CONFINED


def started_kind(settings: Settings, lane: str, needed: BuilderKind = BuilderKind.CONFINED) -> BuilderKind:
    """Answer the kind of a group that is started. An agent pool's can do everything, wherever that is allowed."""
    if lane or needed is BuilderKind.FULL:
        needed = BuilderKind.FULL
    return needed if needed in settings.kinds else settings.kinds[0]


def is_spot(settings: Settings, kind: BuilderKind, setbacks: Sequence[Setback] = ()) -> bool:
    """Whether a group that is started is a Spot one: where the settings say so, until a run has lost too many."""
    return settings.builder_spot and kind is BuilderKind.CONFINED and not wants_regular(setbacks, settings.spot_losses)


def may_hand_over(settings: Settings, run: Run) -> bool:
    """Whether a confined builder may give the run back to be queued for a full one."""
    return BuilderKind.FULL in settings.kinds and not run.needs_full
