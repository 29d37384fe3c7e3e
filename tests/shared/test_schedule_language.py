"""Schedules: NCrontab's meaning by cases, and against croniter by thousands of expressions that both accept."""

import random
from datetime import UTC, datetime, timedelta, timezone

import pytest
from croniter import CroniterBadDateError, croniter
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import LanguageError
from shared.schedule_language import MAX_LENGTH, parse

EXPRESSIONS = 4000
STEPS_EACH = 3


def moment(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%d %H:%M").replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("schedule", "base", "expected"),
    [
        ("* * * * *", "2026-12-31 23:59", "2027-01-01 00:00"),
        ("0 21 * * *", "2026-06-01 21:00", "2026-06-02 21:00"),
        ("*/15 * * * *", "2026-06-01 10:14", "2026-06-01 10:15"),
        ("7/20 * * * *", "2026-06-01 10:28", "2026-06-01 10:47"),
        ("40 14/1 * * *", "2026-06-01 23:40", "2026-06-02 14:40"),
        ("5,50-52 3 * * *", "2026-06-01 03:50", "2026-06-01 03:51"),
        (" *   3  *  * * ", "2026-06-01 00:30", "2026-06-01 03:00"),
        ("0 0 31 * *", "2026-01-31 00:00", "2026-03-31 00:00"),
        ("0 0 15,30,31 * *", "2027-02-15 00:00", "2027-03-15 00:00"),
        ("1 12 29 2 *", "2028-02-29 12:01", "2032-02-29 12:01"),
        ("0 0 29 2 *", "2096-03-01 00:00", "2104-02-29 00:00"),
        ("45 16 1 * Mon", "2003-01-01 12:00", "2003-09-01 16:45"),
        ("0 0 29 2 Mon", "2024-03-01 00:00", "2044-02-29 00:00"),
        ("0 12 * * 0", "2026-11-20 00:00", "2026-11-22 12:00"),
        ("0 12 * * 6", "2026-11-20 00:00", "2026-11-21 12:00"),
        ("10 0 * February,aPr-JUNE *", "2026-07-01 00:00", "2027-02-01 00:10"),
        ("0 0 1 j *", "2026-02-01 00:00", "2027-01-01 00:00"),
        ("0 0 1 m *", "2026-01-01 00:00", "2026-03-01 00:00"),
        ("0 0 * * s", "2026-11-20 00:00", "2026-11-22 00:00"),
        ("0 0 * * t", "2026-11-20 00:00", "2026-11-24 00:00"),
        ("0 0 * * fri-mon", "2026-11-20 01:00", "2026-11-23 00:00"),
        ("0 22-2 * * *", "2026-11-20 23:00", "2026-11-21 02:00"),
        ("*/0 * * * *", "2026-11-20 10:00", "2026-11-20 10:01"),
        ("*/-3 * * * *", "2026-11-20 10:00", "2026-11-20 10:01"),
        ("9/0 * * * *", "2026-11-20 10:00", "2026-11-20 10:09"),
        ("*/100 * * * *", "2026-11-20 10:00", "2026-11-20 11:00"),
        ("10-20/90 * * * *", "2026-11-20 10:10", "2026-11-20 11:10"),
        ("*/+20 * * * *", "2026-11-20 10:00", "2026-11-20 10:20"),
    ],
)
def test_the_next_moment(schedule: str, base: str, expected: str) -> None:
    assert parse(schedule).next_after(moment(base)) == moment(expected)


@pytest.mark.parametrize("schedule", ["0 0 31 2 *", "0 0 30 feb *", "* * 31 2,4,6,9,11 *", "0 0 31 4 mon"])
def test_a_date_that_no_calendar_has_never_comes(schedule: str) -> None:
    assert parse(schedule).next_after(moment("2026-01-01 00:00")) is None


def test_seconds_are_cut_off_and_the_base_is_exclusive() -> None:
    every_minute = parse("* * * * *")
    assert every_minute.next_after(moment("2026-01-01 10:00")) == moment("2026-01-01 10:01")
    assert every_minute.next_after(moment("2026-01-01 10:00") + timedelta(seconds=59.9)) == moment("2026-01-01 10:01")


def test_a_moment_of_another_zone_is_the_same_moment() -> None:
    there = datetime(2026, 1, 1, 1, 30, tzinfo=timezone(timedelta(hours=2)))
    assert parse("45 23 * * *").next_after(there) == moment("2025-12-31 23:45")


@pytest.mark.parametrize(
    ("schedule", "said"),
    [
        ("", "must contain 5 components"),
        ("* * * *", "must contain 5 components"),
        ("0 * * * * *", "must contain 5 components"),
        ("*\t* * * *", "must contain 5 components"),
        ("*\t*\t*\t*\t*", "must contain 5 components"),
        ("@daily", "must contain 5 components"),
        ("60 * * * *", r"60 is higher than the maximum allowable value for the \[Minute\] field"),
        ("0 24 * * *", r"between 0 and 23"),
        ("0 0 0 * *", r"0 is lower than the minimum allowable value for the \[Day\] field"),
        ("0 0 1 13 *", r"\[Month\]"),
        ("0 0 * * 7", r"7 is higher than the maximum allowable value for the \[DayOfWeek\] field"),
        ("0 0 * * 5-7", r"7 is higher"),
        ("0 0 L * *", r"'L' is not a valid \[Day\]"),
        ("0 0 15W * *", r"\[Day\]"),
        ("0 0 * * 5#1", r"\[DayOfWeek\]"),
        ("0 0 ? * *", r"\[Day\]"),
        ("H * * * *", r"\[Minute\]"),
        ("0 0 * * mondays", r"'mondays' is not one of its values"),
        ("0 0 mon * *", r"\[Day\]"),
        ("1,,2 * * * *", r"a value is missing"),
        ("1, * * * *", r"a value is missing"),
        (",1 * * * *", r"a value is missing"),
        ("1- * * * *", r"a value is missing"),
        ("-1 * * * *", r"a value is missing"),
        ("/5 * * * *", r"a value is missing"),
        ("1-5-9 * * * *", r"\[Minute\]"),
        ("1/2/3 * * * *", r"'2/3' is not a step"),
        ("*/ * * * *", r"'' is not a step"),
        ("*/x * * * *", r"'x' is not a step"),
        ("** * * * *", r"\[Minute\]"),
        ("*-5 * * * *", r"\[Minute\]"),
        ("٣ * * * *", r"\[Minute\]"),
        ("0 0 * \u017f *", r"\[Month\]"),
        ("1.5 * * * *", r"\[Minute\]"),
        ("99999999999 * * * *", r"\[Minute\]"),
    ],
)
def test_what_is_not_a_schedule_is_refused_with_a_sentence(schedule: str, said: str) -> None:
    with pytest.raises(LanguageError, match=said):
        parse(schedule)


def test_a_schedule_has_a_longest_form() -> None:
    with pytest.raises(LanguageError, match="at most"):
        parse("0," * MAX_LENGTH + "0 * * * *")


@given(st.text(max_size=60) | st.from_regex(r"\A[0-9*,/ a-z-]{1,40}\Z"))
def test_any_text_is_a_schedule_or_refused(text: str) -> None:
    try:
        schedule = parse(text)
    except LanguageError:
        return
    following = schedule.next_after(moment("2026-01-01 00:00"))
    assert following is None or following > moment("2026-01-01 00:00")


def _item(dice: random.Random, low: int, high: int, names: tuple[str, ...]) -> str:
    def value(number: int) -> str:
        return names[number - low] if names and dice.random() < 0.4 else str(number)

    start, end = sorted(dice.sample(range(low, high + 1), 2))
    form = dice.random()
    if form < 0.3:
        return value(start)
    if form < 0.6:
        return f"{value(start)}-{value(end)}"
    step = dice.randint(1, end - start)
    return f"{value(start)}-{value(end)}/{step}" if form < 0.8 else f"{start}/{dice.randint(1, high - start)}"


def _field(dice: random.Random, low: int, high: int, names: tuple[str, ...] = ()) -> str:
    form = dice.random()
    if form < 0.35:
        return "*"
    if form < 0.5:
        return f"*/{dice.randint(1, high - low)}"
    return ",".join(_item(dice, low, high, names) for _ in range(dice.randint(1, 3)))


def _told(oracle: croniter) -> datetime | None:
    try:
        told: datetime = oracle.get_next(datetime)
    except CroniterBadDateError:
        return None
    return told


def test_thousands_of_expressions_mean_what_croniter_says_with_both_day_fields() -> None:
    """On what both accept: no 7, no long names, no backward ranges, no oversize steps."""
    dice = random.Random(20261121)
    months = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
    days = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
    for _ in range(EXPRESSIONS):
        text = " ".join(
            (
                _field(dice, 0, 59), _field(dice, 0, 23), _field(dice, 1, 31),
                _field(dice, 1, 12, months), _field(dice, 0, 6, days),
            )
        )  # fmt: skip
        base = moment("2020-01-01 00:00") + timedelta(minutes=dice.randrange(60 * 24 * 365 * 30))
        oracle, ours = croniter(text, base, day_or=False, max_years_between_matches=100), base
        for _ in range(STEPS_EACH):
            following = parse(text).next_after(ours)
            assert following == _told(oracle), f"{text} after {ours}"
            if following is None:
                break
            ours = following
