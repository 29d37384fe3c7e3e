from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devstack.functions_host.ncrontab import BadSchedule, Schedule

NOON = datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC)
"""A Friday."""


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("* * * * * *", "2026-11-20 12:00:01"),
        ("0 * * * * *", "2026-11-20 12:01:00"),
        ("* * * * *", "2026-11-20 12:01:00"),
        ("*/20 * * * * *", "2026-11-20 12:00:20"),
        ("0 */5 * * * *", "2026-11-20 12:05:00"),
        ("0 0 * * * *", "2026-11-20 13:00:00"),
        ("0 30 9 * * *", "2026-11-21 09:30:00"),
        ("0 30 9 * * 1-5", "2026-11-23 09:30:00"),
        ("0 0 9 * * mon", "2026-11-23 09:00:00"),
        ("0 0 9 * * Sunday", "2026-11-22 09:00:00"),
        ("0 0 0 1 jan *", "2027-01-01 00:00:00"),
        ("0 0 0 1 J *", "2027-01-01 00:00:00"),
        ("0 0 0 29 2 *", "2028-02-29 00:00:00"),
        ("0 0 0 31 * *", "2026-12-31 00:00:00"),
        ("0 0 0 13 * 5", "2027-08-13 00:00:00"),
        ("0 50/5 12 * * *", "2026-11-20 12:50:00"),
        ("0 10-20/7 12 * * *", "2026-11-20 12:10:00"),
        ("0 0 17-13 * * *", "2026-11-20 13:00:00"),
        ("5,35 0 12 * * *", "2026-11-20 12:00:05"),
        ("0 0 12 * * *", "2026-11-21 12:00:00"),
    ],
)
def test_the_next_occurrence_follows_ncrontab(expression: str, expected: str) -> None:
    assert Schedule.parse(expression).after(NOON) == datetime.fromisoformat(expected).replace(tzinfo=UTC)


def test_a_fraction_of_a_second_past_an_occurrence_waits_for_the_next() -> None:
    assert Schedule.parse("0 0 12 * * *").after(NOON + timedelta(microseconds=1)) == NOON + timedelta(days=1)


def test_a_fraction_of_a_second_before_an_occurrence_finds_it() -> None:
    assert Schedule.parse("0 0 12 * * *").after(NOON - timedelta(microseconds=1)) == NOON


def test_day_and_weekday_must_both_match() -> None:
    fridays_13 = list(islice(Schedule.parse("0 0 0 13 * fri").occurrences(NOON), 3))
    assert [day.strftime("%a %d") for day in fridays_13] == ["Fri 13"] * 3


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "*",
        "* * * *",
        "* * * * * * *",
        "60 * * * * *",
        "* 60 * * * *",
        "* * 24 * * *",
        "* * * 0 * *",
        "* * * * 13 *",
        "* * * * * 7",
        "*/0 * * * * *",
        "*/x * * * * *",
        "1- * * * * *",
        "-1 * * * * *",
        "a * * * * *",
        "* * * * foo *",
        "1,, * * * * *",
        "0 0 0 31 2 *",
        "0 0 0 30 feb *",
        "² * * * * *",
    ],
)
def test_what_is_not_ncrontab_is_refused(expression: str) -> None:
    with pytest.raises(BadSchedule):
        Schedule.parse(expression)


@pytest.mark.parametrize(
    ("expression", "frequent"),
    [("*/30 * * * * *", True), ("5,10 * * * * *", True), ("0 * * * * *", False), ("0 */5 * * * *", False)],
)
def test_frequent_means_more_than_once_a_minute(expression: str, frequent: object) -> None:
    assert Schedule.parse(expression).is_frequent(NOON + timedelta(seconds=1)) is frequent


_minute = st.integers(0, 59)


@settings(deadline=None, max_examples=50)
@given(
    st.lists(_minute, min_size=1, max_size=3),
    st.lists(st.integers(0, 23), min_size=1, max_size=2),
    st.lists(st.integers(0, 6), min_size=1, max_size=3),
    st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1)),  # noqa: DTZ001 - hypothesis wants naive bounds
)
def test_no_occurrence_is_skipped(minutes: list[int], hours: list[int], days: list[int], start: datetime) -> None:
    """Stepping minute by minute over a week finds nothing earlier."""
    text = [",".join(str(value) for value in field) for field in (minutes, hours, days)]
    start = start.replace(tzinfo=UTC)
    found = Schedule.parse(f"0 {text[0]} {text[1]} * * {text[2]}").after(start)
    assert found > start
    assert (found.second, found.microsecond) == (0, 0)
    assert found.minute in minutes
    assert found.hour in hours
    assert found.isoweekday() % 7 in days
    probe = (start + timedelta(minutes=1)).replace(second=0, microsecond=0)
    while probe < found:
        assert not (probe.minute in minutes and probe.hour in hours and probe.isoweekday() % 7 in days)
        probe += timedelta(minutes=1)
