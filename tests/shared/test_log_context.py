"""Whatever a timer or a queue works on, a line that is logged meanwhile names it: in threads of their own, too."""

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import azure.functions as func
import pytest

from functions import _sweeps, git_hosts, git_webhooks, notifications, provenance, registry_events
from functions._logs import install
from shared.errors import Unavailable
from shared.runs import dispatch, reconcile
from shared.triggers.base_images import serving
from shared.triggers.git import looking, starting
from shared.triggers.timers import tick

NOW = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
DOORS = (git_hosts, git_webhooks, notifications, provenance, _sweeps)
type Named = Callable[[str], dict[str, str]]


def clock() -> datetime:
    return NOW


def work(*_: object, **__: object) -> None:
    logging.getLogger("room").warning("at work")
    raise Unavailable("storage is away")


def note(*_: object, **__: object) -> None:
    logging.getLogger("room").warning("at work")


@pytest.fixture
def named(caplog: pytest.LogCaptureFixture) -> Iterator[Named]:
    """Answer what the records with a text are about; the others of the same work must be about it, too."""
    before = logging.getLogRecordFactory()
    install()

    def find(text: str) -> dict[str, str]:
        (record,) = [one for one in caplog.records if text in str(one.msg)]
        names: dict[str, str] = record.__dict__["slipway"]
        assert all(f"{name}={value}" in record.getMessage() for name, value in names.items())
        return dict(names)

    yield find
    logging.setLogRecordFactory(before)


def test_a_timer_of_a_task(monkeypatch: pytest.MonkeyPatch, named: Named) -> None:
    timer = SimpleNamespace(registry="reg", task="nightly", name="t1")
    monkeypatch.setattr(tick._Look, "_due", lambda *_: [SimpleNamespace(timer=timer)])
    monkeypatch.setattr(tick._Look, "_standing_of", work)
    monkeypatch.setattr(tick._Look, "_claimed", lambda *_: [])
    monkeypatch.setattr(tick._Look, "_settle", lambda *_: None)
    hint = SimpleNamespace(registry="reg", task="nightly", timer="nightly|t1")
    scheduler: Any = SimpleNamespace(clock=clock, timers=SimpleNamespace(due=lambda _: [hint]))
    tick.tick(scheduler)
    assert named("at work") == named("looked at again") == {"registry": "reg", "task": "nightly"}


def test_a_rebuild(monkeypatch: pytest.MonkeyPatch, named: Named) -> None:
    monkeypatch.setattr(serving, "serve_task", work)
    monkeypatch.setattr(serving, "_lost", lambda *_: [])
    row = SimpleNamespace(task=SimpleNamespace(task="app"))
    pending = SimpleNamespace(live=lambda *_: [row])
    watch: Any = SimpleNamespace(clock=clock, room=lambda _: 5, pending=pending)
    serving.serve(watch, "reg")
    assert named("at work") == named("looked at again") == {"registry": "reg", "task": "app"}


def test_a_look_at_a_repository(monkeypatch: pytest.MonkeyPatch, named: Named) -> None:
    monkeypatch.setattr(looking, "look_at", work)
    watch = SimpleNamespace(task="vessel", looked="", fault="")
    watches = SimpleNamespace(of_registry=lambda _: [watch])
    lookout: Any = SimpleNamespace(shop=SimpleNamespace(clock=clock), watches=watches)
    looking.look_around(lookout, "reg", 5)
    assert named("at work") == named("looked at again") == {"registry": "reg", "task": "vessel"}


def test_an_event_of_a_git_host(monkeypatch: pytest.MonkeyPatch, named: Named) -> None:
    monkeypatch.setattr(starting.Starter, "_judge", work)
    monkeypatch.setattr(starting, "DecisionStore", lambda _: None)
    monkeypatch.setattr(starting, "repository_key", lambda _: "key")
    monkeypatch.setattr(starting, "watched", lambda *_: [SimpleNamespace(repository="key")])
    watches = SimpleNamespace(of_repository=lambda *_: [SimpleNamespace(task="vessel")])
    monkeypatch.setattr(starting, "WatchStore", lambda _: watches)
    task = SimpleNamespace(name="vessel", properties=None)
    shop: Any = SimpleNamespace(
        storage=SimpleNamespace(watches=None, decisions=None),
        settings=SimpleNamespace(git_hosts={}),
        tasks=SimpleNamespace(find=lambda *_: task),
    )
    hook: Any = SimpleNamespace(repository_url="", host="github")
    event: Any = SimpleNamespace()
    with pytest.raises(Unavailable):
        starting.Starter(shop).on_event("reg", hook, event, "k")
    assert named("at work") == named("comes again") == {"registry": "reg", "task": "vessel"}


def test_a_run_that_is_looked_after(monkeypatch: pytest.MonkeyPatch, named: Named) -> None:
    monkeypatch.setattr(reconcile, "_settle", work)
    monkeypatch.setattr(reconcile, "dispatch", lambda *_: None)
    store = SimpleNamespace(placed=lambda _: [SimpleNamespace(run_id="c123")], waiting=lambda _: [])
    shop: Any = SimpleNamespace(store=store)
    reconcile.reconcile(shop, "reg")
    assert named("at work") == named("could not be reconciled") == {"registry": "reg", "run": "c123"}


def test_runs_that_are_started_together(
    monkeypatch: pytest.MonkeyPatch, named: Named, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(dispatch, "start", note)
    runs: Any = [(SimpleNamespace(registry="reg", task=task, id=f"c{task}"), None) for task in ("", "web")]
    shop: Any = None
    dispatch._start_together(shop, runs)
    assert sorted(str(one.__dict__["slipway"]) for one in caplog.records) == [
        "{'registry': 'reg', 'run': 'c'}",
        "{'registry': 'reg', 'task': 'web', 'run': 'cweb'}",
    ]
    del named


def test_a_sweep_goes_on_with_the_next_registry(
    monkeypatch: pytest.MonkeyPatch, named: Named, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(_sweeps, "registry_keys", lambda: ["one", "two"])
    _sweeps.each_registry(work, "to be done later")
    found = [one.__dict__["slipway"] for one in caplog.records]
    assert found == [{"registry": "one"}, {"registry": "one"}, {"registry": "two"}, {"registry": "two"}]
    del named


@pytest.mark.parametrize(
    ("door", "message", "about"),
    [
        (git_webhooks.git_deliveries_queue, {"registry": "reg"}, {"registry": "reg"}),
        (
            git_hosts.git_statuses_queue,
            {"registry": "reg", "run": "c123", "attempt": "10"},
            {"registry": "reg", "run": "c123"},
        ),
        (registry_events.base_images_queue, {"ended": "c123", "registry": "reg"}, {"registry": "reg", "run": "c123"}),
        (registry_events.base_images_queue, {"serve": "reg", "shards": "", "token": "hunter2"}, {"registry": "reg"}),
        (notifications.notifications_queue, {"registry": "reg", "run": "c123"}, {"registry": "reg", "run": "c123"}),
        (
            provenance.provenance_queue,
            {"registry": "reg", "run": "c123", "attempt": "8"},
            {"registry": "reg", "run": "c123"},
        ),
    ],
)
def test_a_message_of_a_queue(
    monkeypatch: pytest.MonkeyPatch, named: Named, door: Any, message: dict[str, str], about: dict[str, str]
) -> None:
    for module in DOORS:
        monkeypatch.setattr(module, "registry_keys", lambda: ["reg"])
    worker = SimpleNamespace(run=work, tell=work, work=work, plan=work, attest=work)
    monkeypatch.setattr(git_webhooks, "_drain", lambda: worker)
    monkeypatch.setattr(git_hosts, "status_teller", lambda: worker)
    monkeypatch.setattr(git_hosts, "services", lambda: SimpleNamespace(shop=worker))
    monkeypatch.setattr(registry_events, "_doors", lambda: worker)
    monkeypatch.setattr(notifications, "_teller", lambda: worker)
    monkeypatch.setattr(provenance, "_attestor", lambda: worker)
    queues = SimpleNamespace(git_statuses=None, provenance=None)
    worker.storage, worker.shop = queues, SimpleNamespace(storage=queues)

    comes_again = (git_hosts.git_statuses_queue, provenance.provenance_queue)
    with nullcontext() if door in comes_again else pytest.raises(Unavailable):
        door.build(func.AuthLevel.ANONYMOUS).get_user_function()(func.QueueMessage(body=json.dumps(message).encode()))
    assert named("at work") == about
