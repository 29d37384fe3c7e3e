"""What a due timer comes to, by values."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.schedule_language import parse
from shared.triggers.timers.schedules import occurrence_key, spread, take_turn

HOURS = timedelta(hours=12)


def moment(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%d %H:%M").replace(tzinfo=UTC)


def test_a_punctual_look_starts_the_one_occurrence_and_waits_for_the_next() -> None:
    first = moment("2026-11-21 10:00")
    turn = take_turn(parse("0 * * * *"), first, first + timedelta(seconds=3), HOURS)
    assert (turn.occurrence, turn.passed, turn.following) == (first, 1, moment("2026-11-21 11:00"))


def test_an_outage_of_an_hour_comes_to_one_run_of_the_latest() -> None:
    first = moment("2026-11-21 10:00")
    turn = take_turn(parse("* * * * *"), first, moment("2026-11-21 10:59"), HOURS)
    assert (turn.occurrence, turn.passed, turn.following) == (
        moment("2026-11-21 10:59"),
        60,
        moment("2026-11-21 11:00"),
    )


def test_what_is_older_than_the_patience_is_not_made_up_for() -> None:
    turn = take_turn(parse("0 0 * * *"), moment("2026-11-01 00:00"), moment("2026-11-03 18:00"), HOURS)
    assert (turn.occurrence, turn.passed, turn.following) == (None, 3, moment("2026-11-04 00:00"))
    turn = take_turn(parse("0 0 * * *"), moment("2026-11-01 00:00"), moment("2026-11-03 12:00"), HOURS)
    assert (turn.occurrence, turn.passed) == (moment("2026-11-03 00:00"), 3)


def test_a_year_of_minutes_is_not_counted_one_by_one() -> None:
    turn = take_turn(parse("* * * * *"), moment("2025-11-21 10:00"), moment("2026-11-21 10:00"), HOURS)
    assert turn.occurrence == moment("2026-11-21 10:00")
    assert turn.passed < 2000


def test_a_schedule_that_never_comes_again_is_over() -> None:
    first = moment("9999-12-31 23:00")
    turn = take_turn(parse("0 23 31 12 *"), first, first, HOURS)
    assert (turn.occurrence, turn.following) == (first, None)


@given(
    st.sampled_from(["* * * * *", "*/7 * * * *", "0 */5 * * *", "13 3 * * *", "0 0 * * mon", "0 0 1 * *"]),
    st.integers(0, 60 * 24 * 40),
)
def test_every_occurrence_is_counted_once(schedule: str, minutes: int) -> None:
    known = parse(schedule)
    first = known.next_after(moment("2026-01-01 00:00"))
    assert first is not None
    now = first + timedelta(minutes=minutes)
    turn = take_turn(known, first, now, HOURS)
    expected, one = 0, first
    while one <= now and expected <= 1000:
        expected += 1
        one = known.next_after(one) or now + timedelta(days=1)
    assert turn.passed == expected or expected > 1000
    assert turn.following is not None
    assert turn.following > now
    if turn.occurrence is not None:
        assert now - HOURS <= turn.occurrence <= now
        assert known.next_after(turn.occurrence) == turn.following


def test_an_occurrence_has_one_key_in_whatever_spelling_its_task_comes() -> None:
    at = moment("2026-11-21 10:00")
    key = occurrence_key("Reg", "Nightly", "t1", at)
    assert key == occurrence_key("reg", "nightly", "t1", at)
    others = {
        occurrence_key("reg", "nightly", "T1", at),
        occurrence_key("reg", "nightly2", "t1", at),
        occurrence_key("reg2", "nightly", "t1", at),
        occurrence_key("reg", "nightly", "t1", at + timedelta(minutes=1)),
    }
    assert key not in others
    assert len(others) == 4


@pytest.mark.parametrize("minutes", [0, 1, 5, 30])
def test_timers_are_spread_over_whole_minutes(minutes: int) -> None:
    most = timedelta(minutes=minutes)
    found = {spread("reg", f"task{number}", "t1", most) for number in range(500)}
    assert found == {timedelta(minutes=minute) for minute in range(minutes + 1)}
    assert spread("reg", "task1", "t1", most) == spread("reg", "task1", "t1", most)
