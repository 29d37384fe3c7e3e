"""What a run has used."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.runs.cost import cost
from shared.runs.model import Requester, Run, Status
from shared.settings import Settings

T0 = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)


def a_run(**moments: int | None) -> Run:
    run = Run(
        id="c1", registry="r", created=T0, updated=T0, timeout_seconds=60, requester=Requester(name="me", kind="User")
    )
    return run.model_copy(
        update={name: None if at is None else T0 + timedelta(seconds=at) for name, at in moments.items()}
    )


def settings(**values: Any) -> Settings:
    return Settings.model_construct(builder_cpu=2.0, builder_memory=4.0, **values)


@pytest.mark.parametrize(
    ("moments", "cpu", "memory"),
    [
        ({"placed": 10, "started": 20, "finished": 70}, 120, 240),
        ({"placed": None, "started": 20, "finished": 70}, 100, 200),
        ({"placed": 10, "started": None, "finished": None}, 180, 360),
        ({"placed": None, "started": None, "finished": 70}, 0, 0),
    ],
)
def test_a_group_counts_from_when_it_was_asked_for(moments: dict[str, int | None], cpu: float, memory: float) -> None:
    used = cost(a_run(**moments), settings(), T0 + timedelta(seconds=100))

    assert (used.cpu_seconds, used.memory_gb_seconds, used.amount) == (cpu, memory, None)


@pytest.mark.parametrize(
    ("moments", "seconds"),
    [
        ({"placed": 10, "finished": 70, "released": 85}, 75),
        ({"placed": 10, "finished": 70, "released": None}, 90),
        ({"placed": 10, "finished": 70, "released": 40}, 30),
    ],
)
def test_a_group_counts_until_it_is_deleted(moments: dict[str, int | None], seconds: float) -> None:
    run = a_run(**moments).model_copy(update={"group": "g"})
    assert cost(run, settings(), T0 + timedelta(seconds=100)).cpu_seconds == seconds * 2
    assert cost(run, settings(), T0 + timedelta(hours=3)).cpu_seconds == (
        360 if moments["released"] is None else seconds * 2
    )


def test_groups_that_were_lost_count_until_then() -> None:
    run = a_run(placed=10).model_copy(update={"status": Status.STARTED})
    waiting = run.moved(Status.QUEUED, T0 + timedelta(seconds=30))
    assert cost(waiting, settings(), T0 + timedelta(hours=1)).cpu_seconds == 40
    again = waiting.model_copy(update={"placed": T0 + timedelta(seconds=100)})
    assert cost(again, settings(), T0 + timedelta(seconds=101)).cpu_seconds == 42


def test_prices_make_an_amount() -> None:
    used = cost(a_run(placed=0, finished=100), settings(price_cpu=0.001, price_memory=0.0001), T0)

    assert used.amount == pytest.approx(0.24)
