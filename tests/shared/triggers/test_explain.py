"""Stored tasks, real runs: what a timer starts, and what is told about it."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from shared.runs.causes import CauseKind
from shared.runs.finish import Ending, finish
from shared.runs.model import Status
from shared.runs.of_tasks import Order, run_task
from shared.triggers.decisions import Verdict
from shared.triggers.explain import explain_run, explain_task

if TYPE_CHECKING:
    from tests.shared.triggers.conftest import App

pytestmark = pytest.mark.slow


def test_a_timer_starts_a_run_that_says_so(app: "App") -> None:
    app.put("Nightly", daily="0 11 * * *")
    app.later(hours=1)
    (run,) = app.tick()
    assert (run.task, run.cause.kind, run.run_type, run.status) == (
        "Nightly",
        CauseKind.TIMER,
        "AutoRun",
        Status.QUEUED,
    )
    assert run.cause.timer_trigger is not None
    assert run.cause.timer_trigger.json_object() == {
        "timerTriggerName": "daily",
        "scheduleOccurrence": "2026-11-21T11:00:00.0000000+00:00",
    }
    assert app.tick() == [run]


def test_a_task_is_explained(app: "App") -> None:
    task = app.put("nightly", daily="0 11 * * *", weekly="0 11 * * 6", never=None)
    app.later(hours=1)
    (run,) = app.tick()
    told = explain_task(app.shop, app.scheduler, task).json_object()
    assert told["task"] == "nightly"
    assert told["status"] == "Enabled"
    assert told["timers"] == [
        {"name": "daily", "schedule": "0 11 * * *", "status": "Enabled", "next": "2026-11-22T11:00:00.0000000+00:00"},
        {"name": "weekly", "schedule": "0 11 * * 6", "status": "Enabled", "next": "2026-11-28T11:00:00.0000000+00:00"},
        {"name": "never", "schedule": "* * * * *", "status": "Disabled"},
    ]
    assert told["queue"].items() >= {"runId": run.id, "position": 1, "underWay": 0}.items()
    facts = {one["verdict"]: one for one in told["decisions"]}
    assert set(facts) == {"started", "joined"}
    assert facts["started"]["runId"] == facts["joined"]["runId"] == run.id
    assert {facts["started"]["trigger"], facts["joined"]["trigger"]} == {"daily", "weekly"}
    assert facts["started"]["subject"] == "2026-11-21T11:00Z"
    assert facts["started"]["cause"] == "Timer"
    assert run.id in facts["joined"]["reason"]


def test_a_run_is_explained(app: "App") -> None:
    app.put("first1", daily="0 11 * * *")
    app.put("second", daily="0 11 * * *")
    app.later(hours=1)
    newer, older = app.tick()
    told = explain_run(app.shop, app.scheduler, newer).json_object()
    assert (told["cause"], told["status"]) == ("Timer", "Queued")
    assert told["reason"] == "The timer's time came."
    assert told["queue"].items() >= {"runId": newer.id, "position": 2, "underWay": 0}.items()
    assert [one["verdict"] for one in told["decisions"]] == ["started"]
    finish(app.shop, app.partition, older.id, Ending(Status.CANCELED))
    ended = explain_run(app.shop, app.scheduler, app.shop.store.get(app.partition, older.id)).json_object()
    assert "queue" not in ended
    moved = explain_run(app.shop, app.scheduler, newer).json_object()
    assert moved["queue"]["position"] == 1


def test_a_run_that_somebody_asked_for_is_explained_by_that(app: "App") -> None:
    app.put("nightly")
    run = run_task(app.shop, app.registry, "nightly", Order(), "key")
    told = explain_run(app.shop, app.scheduler, run).json_object()
    assert (told["cause"], told["reason"], told["decisions"]) == ("Manual", "Slipway asked for it.", [])


def test_an_outage_is_told(app: "App") -> None:
    task = app.put("nightly", often="*/10 * * * *")
    app.later(hours=2)
    app.tick()
    (told,) = explain_task(app.shop, app.scheduler, task).decisions
    assert (told.verdict, told.stands_for, told.subject) == ("started", 12, "2026-11-21T12:00Z")
    assert "12 times from 2026-11-21T10:10Z on" in told.reason
    app.later(days=3)
    (run,) = app.shop.store.newest(app.partition)
    finish(app.shop, app.partition, run.id, Ending(Status.SUCCEEDED))
    app.tick()
    assert explain_task(app.shop, app.scheduler, task).decisions[0].stands_for > 400


def test_what_came_too_long_ago_is_told_too(app: "App") -> None:
    task = app.put("nightly", weekly="0 11 * * 6")
    app.later(hours=14)
    assert app.tick() == []
    (told,) = explain_task(app.shop, app.scheduler, task).decisions
    assert told.verdict == "suppressed"
    assert "12 hours" in told.reason


def test_a_deleted_task_starts_nothing(app: "App") -> None:
    app.put("nightly", t1="* * * * *")
    app.shop.tasks.delete(app.partition, "nightly")
    app.later(minutes=2)
    assert app.tick() == []
    assert list(app.scheduler.timers.of_registry(app.partition)) == []


def test_decisions_past_the_retention_are_deleted(app: "App") -> None:
    app.put("nightly", t1="*/5 * * * *")
    for _ in range(3):
        app.later(minutes=5)
        (run, *_) = app.tick()
        finish(app.shop, app.partition, run.id, Ending(Status.SUCCEEDED))
    decisions = app.scheduler.decisions
    taken = [one.at for one in decisions.newest(app.partition, "nightly")]
    assert taken == sorted(taken, reverse=True)
    assert len(taken) == 3
    decisions.purge("other", datetime.now(UTC) + timedelta(days=1))
    assert len(decisions.newest(app.partition, "nightly")) == 3
    decisions.purge(app.partition, taken[0])
    assert [one.at for one in decisions.newest(app.partition, "nightly")] == taken[:1]
    assert decisions.newest(app.partition, "nightly")[0].verdict is Verdict.STARTED
