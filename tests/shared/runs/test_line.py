"""Who comes first, and when a log tells it."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from shared.runs.causes import CauseKind
from shared.runs.ids import moment_of, run_id
from shared.runs.line import HANDICAP, RANKS, is_news, run_of, turn

NOW = datetime(2026, 5, 6, 12, tzinfo=UTC)
MINUTES = st.floats(0, 600)


def waiting(kind: CauseKind, minutes: float = 0) -> str:
    """Answer the turn of a run that was queued so many minutes ago."""
    return turn(run_id(NOW - timedelta(minutes=minutes)), kind)


def test_an_id_tells_its_moment() -> None:
    assert NOW - moment_of(run_id(NOW)) < timedelta(seconds=1 / 32)


def test_every_cause_has_a_class() -> None:
    assert set(RANKS) == set(CauseKind)


def test_people_come_before_commits_before_base_images_before_timers() -> None:
    timer, image = waiting(CauseKind.TIMER, 5), waiting(CauseKind.IMAGE_UPDATE, 4)
    commit, manual = waiting(CauseKind.COMMIT, 3), waiting(CauseKind.MANUAL, 2)
    pull_request = waiting(CauseKind.PULL_REQUEST, 1)
    assert sorted([timer, image, pull_request, commit, manual]) == [manual, commit, pull_request, image, timer]


@given(st.sampled_from(CauseKind), MINUTES, st.floats(0.01, 600))
def test_inside_a_class_the_older_one_comes_first(kind: CauseKind, minutes: float, older: float) -> None:
    assert waiting(kind, minutes + older) < waiting(kind, minutes)


@given(st.sampled_from(CauseKind), st.sampled_from(CauseKind), MINUTES, MINUTES)
def test_nobody_is_overtaken_by_what_comes_much_later(
    old: CauseKind, new: CauseKind, minutes: float, later: float
) -> None:
    longest = max(RANKS.values()) * HANDICAP + timedelta(seconds=1)
    first = longest.total_seconds() / 60 + later
    assert waiting(old, minutes + first) < waiting(new, minutes)


@given(st.sampled_from(CauseKind), MINUTES)
def test_a_turn_names_its_run(kind: CauseKind, minutes: float) -> None:
    identifier = run_id(NOW - timedelta(minutes=minutes))
    assert run_of(turn(identifier, kind)) == identifier


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
