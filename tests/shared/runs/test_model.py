"""A run never leaves a terminal state and never goes back but to wait for another builder."""

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from shared.runs.model import TERMINAL, Requester, Run, Status, may_move
from shared.runs.trailer import complete_value, go_duration, trailer

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def make(status: Status = Status.QUEUED, **changes: object) -> Run:
    values: dict[str, object] = {
        "id": "c0000001",
        "registry": "localreg",
        "status": status,
        "created": NOW,
        "updated": NOW,
        "timeout_seconds": 3600,
        "requester": Requester(name="me", kind="User"),
    }
    return Run.model_validate(values | changes)


@pytest.mark.parametrize("status", sorted(TERMINAL))
@pytest.mark.parametrize("following", list(Status))
def test_a_terminal_state_is_never_left(status: Status, following: Status) -> None:
    assert not may_move(status, following)


@pytest.mark.parametrize("status", [Status.QUEUED, Status.STARTED, Status.RUNNING])
@pytest.mark.parametrize("following", sorted(TERMINAL))
def test_every_state_can_end(status: Status, following: Status) -> None:
    assert may_move(status, following)


def test_a_running_run_is_queued_again_only_to_be_handed_over() -> None:
    moves = {(a, b) for a, b in product(Status, Status) if may_move(a, b) and b not in TERMINAL}
    assert moves == {
        (Status.QUEUED, Status.STARTED),
        (Status.QUEUED, Status.RUNNING),
        (Status.STARTED, Status.QUEUED),
        (Status.STARTED, Status.RUNNING),
        (Status.RUNNING, Status.QUEUED),
    }


def test_an_illegal_move_is_refused() -> None:
    with pytest.raises(ValueError, match="from Succeeded to Running"):
        make(Status.SUCCEEDED).moved(Status.RUNNING, NOW)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (0.4, "0s"), (27, "27s"), (72, "1m12s"), (180, "3m0s"), (7200, "2h0m0s"), (-3, "0s")],
)
def test_durations_are_printed_as_go_does(seconds: float, text: str) -> None:
    assert go_duration(timedelta(seconds=seconds)) == text


def test_the_trailer_of_a_success() -> None:
    run = make(Status.SUCCEEDED, started=NOW, finished=NOW + timedelta(seconds=5))
    assert trailer(run) == "\r\nRun ID: c0000001 was successful after 5s\r\n"
    assert complete_value(run.status) == "successful"


def test_the_trailer_of_a_failure_says_why() -> None:
    run = make(
        Status.FAILED, started=NOW, finished=NOW + timedelta(seconds=9), error="failed during run, err: exit status 1"
    )
    assert trailer(run) == "\r\nRun ID: c0000001 failed after 9s. Error: failed during run, err: exit status 1\r\n"


def test_a_run_canceled_in_the_queue_counts_from_its_creation() -> None:
    run = make(Status.CANCELED, finished=NOW + timedelta(seconds=61))
    assert trailer(run) == "\r\nRun ID: c0000001 was canceled after 1m1s\r\n"
