"""The line in which queued runs wait for a place. Pure.

Somebody at a terminal comes before a commit, a commit before a new base image, and that before a timer. Waiting moves a
run up by a class every fifteen minutes, so that nothing starves; inside a class the older run comes first.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final

from shared.runs.causes import CauseKind
from shared.runs.ids import moment_of
from shared.runs.store import Active

RANKS: Final[Mapping[CauseKind, int]] = {
    CauseKind.MANUAL: 0,
    CauseKind.COMMIT: 1,
    CauseKind.PULL_REQUEST: 1,
    CauseKind.IMAGE_UPDATE: 2,
    CauseKind.TIMER: 3,
}
RISE: Final = timedelta(minutes=15)
"""Time after which a waiting run counts as one of the class before its own."""
_NEAR: Final = 5


def lines(actives: Iterable[Active], now: datetime) -> dict[str, list[Active]]:
    """Answer who waits for a place, by lane, whoever is next first."""
    found: dict[str, list[Active]] = {}
    for active in actives:
        if not active.has_slot:
            found.setdefault(active.lane, []).append(active)
    for line in found.values():
        line.sort(key=lambda active: (_rank(active, now), active.run_id))
    return found


def _rank(active: Active, now: datetime) -> int:
    return max(0, active.rank - int((now - moment_of(active.run_id)) / RISE))


def is_news(told: int, position: int) -> bool:
    """Whether a run's log tells its place: at first, near the front at each step, and otherwise when it has halved.

    `told` is the place that it told last, 0 for none. So a long line costs few lines of log.
    """
    return told == 0 or (position != told and (position <= _NEAR or position * 2 <= told))
