"""Run ids are short, sortable, and convert to row keys and back."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from shared.runs.ids import newest_first, run_id

MOMENTS = st.datetimes(datetime(2026, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


def test_an_id_is_eight_lower_case_letters_and_digits() -> None:
    assert run_id(datetime(2026, 11, 20, 12, tzinfo=UTC)) == "c0esidc0"


@given(MOMENTS, st.integers(1, 10**9))
def test_later_runs_have_greater_ids_and_smaller_keys(moment: datetime, later: int) -> None:
    first, second = run_id(moment), run_id(moment, later)
    assert first < second
    assert newest_first(first) > newest_first(second)
    assert len(first) == len(second) == 8


@given(MOMENTS)
def test_a_row_key_turned_twice_is_the_id(moment: datetime) -> None:
    assert newest_first(newest_first(run_id(moment))) == run_id(moment)


def test_two_runs_within_a_tick_share_an_id_and_the_next_tick_does_not() -> None:
    moment = datetime(2026, 5, 1, tzinfo=UTC)
    assert run_id(moment) == run_id(moment + timedelta(milliseconds=20))
    assert run_id(moment) != run_id(moment + timedelta(milliseconds=32))
