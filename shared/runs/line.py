"""The line in which queued runs wait for a place. Pure.

Somebody at a terminal comes before a commit, a commit before a new base image, and that before a timer. Each class
below the first counts as having come fifteen minutes later, so that nothing starves: whoever comes after a run's
turn stands behind it, and a turn never changes. So the line is an order of keys, and its front is read alone.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from shared.runs.causes import CauseKind
from shared.runs.ids import moment_of, run_id

RANKS: Final[Mapping[CauseKind, int]] = {
    CauseKind.MANUAL: 0,
    CauseKind.COMMIT: 1,
    CauseKind.PULL_REQUEST: 1,
    CauseKind.IMAGE_UPDATE: 2,
    CauseKind.TIMER: 3,
}
HANDICAP: Final = timedelta(minutes=15)
"""How much later than it came a run takes its turn, for each class before its own."""
_NEAR: Final = 5


def turn(identifier: str, cause: CauseKind) -> str:
    """Answer what the line is sorted by; different for every run of a registry."""
    return run_id(moment_of(identifier) + RANKS[cause] * HANDICAP) + identifier


def run_of(word: str) -> str:
    """Answer the run of a turn."""
    return word[len(word) // 2 :]


def is_news(told: int, position: int) -> bool:
    """Whether a run's log tells its place: at first, near the front at each step, and otherwise when it has halved.

    `told` is the place that it told last, 0 for none. So a long line costs few lines of log.
    """
    return told == 0 or (position != told and (position <= _NEAR or position * 2 <= told))
