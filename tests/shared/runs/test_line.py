"""Who comes first, and when a log tells it."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from shared.runs.causes import CauseKind
from shared.runs.ids import moment_of, run_id
from shared.runs.line import RANKS, RISE, is_news, lines
from shared.runs.store import Active

NOW = datetime(2026, 5, 6, 12, tzinfo=UTC)


def waiting(kind: CauseKind, minutes: float = 0, lane: str = "", slot: int = -1) -> Active:
    """Answer a run that was queued so many minutes ago."""
    return Active("reg", run_id(NOW - timedelta(minutes=minutes)), lane, slot, rank=RANKS[kind])


def order(*actives: Active, lane: str = "") -> list[Active]:
    return lines(actives, NOW)[lane]


def test_an_id_tells_its_moment() -> None:
    assert NOW - moment_of(run_id(NOW)) < timedelta(seconds=1 / 32)


def test_every_cause_has_a_class() -> None:
    assert set(RANKS) == set(CauseKind)


def test_people_come_before_commits_before_base_images_before_timers() -> None:
    timer, image, commit, manual = (
        waiting(kind, minutes)
        for kind, minutes in (
            (CauseKind.TIMER, 5),
            (CauseKind.IMAGE_UPDATE, 4),
            (CauseKind.COMMIT, 3),
            (CauseKind.MANUAL, 2),
        )
    )
    pull_request = waiting(CauseKind.PULL_REQUEST, 1)
    assert order(timer, image, pull_request, commit, manual) == [manual, commit, pull_request, image, timer]


def test_inside_a_class_the_older_one_comes_first() -> None:
    younger, older = waiting(CauseKind.MANUAL, 1), waiting(CauseKind.MANUAL, 2)
    assert order(younger, older) == [older, younger]


def test_waiting_moves_up_until_nothing_overtakes() -> None:
    timer = waiting(CauseKind.TIMER, 3 * RISE.total_seconds() / 60 + 1)
    assert order(waiting(CauseKind.MANUAL), timer)[0] is timer
    nearly = waiting(CauseKind.TIMER, 3 * RISE.total_seconds() / 60 - 1)
    assert order(waiting(CauseKind.MANUAL), nearly)[1] is nearly


def test_each_pool_has_a_line_of_its_own_and_who_has_a_place_stands_in_none() -> None:
    here, there = waiting(CauseKind.TIMER), waiting(CauseKind.MANUAL, lane="pool")
    found = lines([here, there, waiting(CauseKind.MANUAL, slot=3)], NOW)
    assert found == {"": [here], "pool": [there]}


@given(st.integers(1, 100_000))
def test_a_run_from_the_end_of_a_long_line_tells_few_places(length: int) -> None:
    told, count = 0, 0
    for position in range(length, 0, -1):
        if is_news(told, position):
            told, count = position, count + 1
    assert told == 1
    assert count <= 6 + length.bit_length()


def test_a_place_is_not_told_twice() -> None:
    assert not any(is_news(position, position) for position in range(1, 100))
