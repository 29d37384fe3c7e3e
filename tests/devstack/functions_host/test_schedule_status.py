import json
from datetime import UTC, datetime, timedelta

import pytest

from devstack.functions_host.ncrontab import Schedule
from devstack.functions_host.schedule_status import NEVER, ScheduleStatus, after_run, on_start

EVERY_MINUTE = Schedule.parse("0 * * * * *")
NOW = datetime(2026, 11, 20, 12, 0, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
NEXT = NOW + timedelta(seconds=30)


def test_a_new_timer_waits_for_its_first_occurrence() -> None:
    assert on_start(EVERY_MINUTE, None, NOW) == (ScheduleStatus(NEVER, NEXT, NOW), False)


def test_any_number_of_missed_runs_is_one_past_due_run() -> None:
    last = NEXT - 10 * MINUTE
    recorded = ScheduleStatus(last, last + MINUTE, last)
    assert on_start(EVERY_MINUTE, recorded, NOW) == (recorded, True)


def test_a_timer_that_never_ran_can_be_past_due() -> None:
    recorded = ScheduleStatus(NEVER, NEXT - 5 * MINUTE, NOW - 5 * MINUTE)
    assert on_start(EVERY_MINUTE, recorded, NOW)[1] is True


def test_a_timer_on_schedule_is_not_past_due() -> None:
    last = NEXT - MINUTE
    recorded = ScheduleStatus(last, NEXT, last)
    assert on_start(EVERY_MINUTE, recorded, NOW) == (recorded, False)


def test_a_changed_schedule_starts_afresh() -> None:
    last = NEXT - 90 * MINUTE
    recorded = ScheduleStatus(last, last + timedelta(hours=1), last)
    status, past_due = on_start(EVERY_MINUTE, recorded, NOW)
    assert (status, past_due) == (ScheduleStatus(NEVER, NEXT, NOW), False)


def test_a_changed_schedule_that_is_not_due_yet_keeps_its_basis() -> None:
    last = NEXT - MINUTE
    recorded = ScheduleStatus(last, last + timedelta(hours=1), last)
    status, past_due = on_start(EVERY_MINUTE, recorded, NOW)
    assert (status, past_due) == (ScheduleStatus(NEVER, NEXT, last), False)


def test_a_run_a_moment_early_does_not_repeat_its_occurrence() -> None:
    before = ScheduleStatus(NEVER, NEXT, NOW)
    after = after_run(EVERY_MINUTE, before, NEXT - timedelta(milliseconds=5), on_time=True)
    assert after == ScheduleStatus(NEXT, NEXT + MINUTE, NEXT)


def test_a_run_at_start_does_not_swallow_the_next_occurrence() -> None:
    before = ScheduleStatus(NEVER, NEXT, NOW)
    assert after_run(EVERY_MINUTE, before, NOW, on_time=False).due == NEXT


@pytest.mark.parametrize(
    ("never", "due", "updated"),
    [
        ("0001-01-01T00:00:00", "2026-11-20T12:01:00+00:00", "2026-11-20T12:00:30.1234567Z"),
        ("0001-01-01T00:00:00+00:00", "2026-11-20T14:01:00+02:00", "2026-11-20T12:00:30.123456Z"),
    ],
)
def test_the_timer_extensions_own_blob_is_understood(never: str, due: str, updated: str) -> None:
    text = json.dumps({"Last": never, "Next": due, "LastUpdated": updated})
    assert ScheduleStatus.from_json(text) == ScheduleStatus(NEVER, NEXT, NOW.replace(microsecond=123456))


@pytest.mark.parametrize("text", ["", "null", "[]", "{}", '{"Last": 1, "Next": 2, "LastUpdated": 3}', "\x00"])
def test_a_blob_that_is_no_status_counts_as_none(text: str) -> None:
    assert ScheduleStatus.from_json(text) is None


def test_a_status_survives_its_blob() -> None:
    status = ScheduleStatus(NEVER, NEXT, NOW)
    assert ScheduleStatus.from_json(status.to_json()) == status
