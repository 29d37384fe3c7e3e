"""Runs whose container group Azure let fall: they wait again, are executed once more, or end with the reason."""

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from shared.container_groups.loss import Loss, LossKind, evicted
from shared.container_groups.service import GroupState
from shared.grant import LoginRequest, Outcome, StepContainer
from shared.runs.builder_logins import login
from shared.runs.claim import Gone, heartbeat, report
from shared.runs.dispatch import dispatch
from shared.runs.holding import Superseded
from shared.runs.model import Run, Status
from shared.runs.reconcile import reconcile
from shared.runs.setbacks import KEPT, Setback
from shared.runs.upkeep import keep_warm
from shared.settings import BuilderKind
from shared.triggers.explain import explain_run
from shared.triggers.timers.scheduler import open_scheduler
from tests.shared.container_groups.cloud import Cloud, client_of

if TYPE_CHECKING:
    from tests.shared.runs.conftest import Hands

pytestmark = pytest.mark.slow
REASON = "Azure had no room for its container group in local (InsufficientCapacity)."
FULL = Loss(LossKind.NO_ROOM, "local", REASON, is_spot=True)
FULL_REGULAR = Loss(LossKind.NO_ROOM, "local", REASON)
NO_IMAGE = Loss(LossKind.IMAGE, "local", "Azure could not pull the image b:1 in local.", image="b:1")
TASK = {
    "type": "EncodedTaskRunRequest",
    "encodedTaskContent": base64.b64encode(b"version: v1.1.0\nsteps:\n  - cmd: busybox\n").decode(),
}


@pytest.fixture
def spot(hands: "Hands") -> "Hands":
    """Answer hands whose groups are confined Spot ones in two regions."""
    changes = {"builder_spot": True, "builder_kinds": (BuilderKind.CONFINED,), "builder_locations": ("local", "other")}
    hands.shop = replace(hands.shop, settings=hands.shop.settings.model_copy(update=changes))
    return hands


def fall(hands: "Hands", run: Run, loss: Loss, *, minutes: float = 0.5) -> Run:
    """Let the run's group fall, and answer the run as it is when that was found."""
    group = hands.get(run).group or ""
    hands.groups.running[group] = GroupState.ENDED
    hands.groups.losses[group] = loss
    hands.later(minutes=minutes)
    reconcile(hands.shop, hands.partition)
    return hands.get(run)


def test_want_of_room_is_no_attempt_and_the_next_region_is_asked(spot: "Hands") -> None:
    run = spot.submit("k1")
    first = spot.get(run).group or ""
    again = fall(spot, run, FULL)
    assert (again.status, again.attempt, again.let_down) == (Status.STARTED, 2, 1)
    assert spot.groups.places == ["local", "other"]
    assert first not in spot.groups.running
    assert spot.log(run).count("InsufficientCapacity). The run waits for another builder; this counts as no att") == 1


def test_where_no_region_has_room_the_run_waits_with_its_place_and_the_reason(hands: "Hands") -> None:
    first = hands.submit("k1")
    for _ in range(2):
        assert fall(hands, first, FULL_REGULAR).status is Status.QUEUED
        asked = len(hands.groups.started)
        reconcile(hands.shop, hands.partition)
        assert len(hands.groups.started) == asked, "the region is left alone"
        facts = explain_run(hands.shop, open_scheduler(hands.shop), hands.get(first))
        assert facts.queue is not None
        assert (facts.queue.position, facts.queue.waits_for) == (1, FULL_REGULAR.reason)
        assert facts.cost is None, "what never ran costs nothing"
        assert [one.reason for one in facts.setbacks][-1] == FULL_REGULAR.reason
        hands.later(minutes=16)
        reconcile(hands.shop, hands.partition)
        assert hands.get(first).status is Status.STARTED
    assert hands.claim(first).epoch == 1
    assert "Position in the queue: 1." in hands.log(first)


def test_an_image_that_can_never_be_pulled_ends_the_run_at_last(hands: "Hands") -> None:
    run = hands.submit("k1")
    known = (Setback.of(NO_IMAGE, hands.shop.clock()),) * (KEPT - 2)
    hands.shop.store.change(run.registry, run.id, lambda run: run.model_copy(update={"setbacks": known}))
    assert fall(hands, run, NO_IMAGE).status is Status.QUEUED
    hands.later(minutes=16)
    reconcile(hands.shop, hands.partition)
    ended = fall(hands, run, NO_IMAGE)
    assert (ended.status, hands.log(run).count("Run ID:")) == (Status.ERROR, 1)
    assert ended.error == "no builder could be started: Azure could not pull the image b:1 in local."
    assert hands.groups.running == {}


def test_the_image_of_a_step_is_the_runs_own_affair(hands: "Hands") -> None:
    run = hands.submit("k1")
    steps = (StepContainer(step="a", image="b:1"),)
    hands.shop.store.change(run.registry, run.id, lambda known: known.model_copy(update={"steps": steps}))
    for _ in range(2):
        assert fall(hands, run, NO_IMAGE).let_down == 0
    assert fall(hands, run, NO_IMAGE).error == f"no builder came up in 3 attempts: {NO_IMAGE.reason}"


def test_after_two_spot_groups_a_regular_one_is_asked_for(spot: "Hands") -> None:
    run = spot.submit("k1")
    for _ in range(3):
        fall(spot, run, evicted("local"))
    assert [request.is_spot for request in spot.groups.requests] == [True, True, False, False]
    assert spot.get(run).status is Status.STARTED


def test_a_build_whose_spot_group_is_taken_away_is_executed_once_more(spot: "Hands") -> None:
    run = spot.submit("k1")
    first = spot.claim(run)
    again = fall(spot, run, evicted("local"))
    assert (again.status, again.epoch) == (Status.STARTED, 1)
    assert [request.is_spot for request in spot.groups.requests] == [True, False]
    second = spot.claim(run)
    assert second.epoch == 2
    assert second.log_position == len(spot.log(run))
    assert spot.log(run).count("local away. Nothing had been pushed: the run is executed once more") == 1
    with pytest.raises(Superseded):
        login(spot.shop, spot.bearer(first), LoginRequest(push=("hello",)))
    report(spot.shop, spot.bearer(second), spot.report(second))
    assert (spot.get(run).status, spot.log(run).count("Run ID:")) == (Status.SUCCEEDED, 1)


def test_a_build_is_not_executed_a_third_time(spot: "Hands") -> None:
    run = spot.submit("k1")
    spot.claim(run)
    fall(spot, run, evicted("local"))
    spot.claim(run)
    ended = fall(spot, run, evicted("local"))
    assert ended.status is Status.ERROR
    assert "It was executed once more already." in spot.log(run)
    assert spot.groups.running == {}


def test_a_build_that_may_have_pushed_is_not_executed_again(spot: "Hands") -> None:
    run = spot.submit("k1")
    grant = spot.claim(run)
    login(spot.shop, spot.bearer(grant), LoginRequest(pull=("base",)))
    assert not spot.get(run).may_have_pushed
    login(spot.shop, spot.bearer(grant), LoginRequest(push=("hello",)))
    ended = fall(spot, run, evicted("local"))
    assert ended.status is Status.ERROR
    assert "It may have pushed already" in spot.log(run)
    assert spot.log(run).count("Run ID:") == 1


@pytest.mark.parametrize("is_allowed", [False, True])
def test_a_task_with_steps_is_executed_again_only_by_setting(spot: "Hands", *, is_allowed: bool) -> None:
    settings = spot.shop.settings.model_copy(update={"repeats_tasks": is_allowed})
    spot.shop = replace(spot.shop, settings=settings)
    run = spot.submit("k1", **TASK)
    spot.claim(run)
    again = fall(spot, run, evicted("local"))
    assert again.status is (Status.STARTED if is_allowed else Status.ERROR)
    assert ("Its steps may have had effects" in spot.log(run)) is not is_allowed


def test_a_regular_group_that_is_lost_ends_its_run_as_before(hands: "Hands") -> None:
    run = hands.submit("k1")
    hands.claim(run)
    assert fall(hands, run, FULL_REGULAR).status is Status.ERROR
    assert "the builder was lost before it could report" in hands.log(run)


def test_a_spot_group_that_starts_again_by_itself_executes_a_build_once_more(spot: "Hands") -> None:
    run = spot.submit("k1")
    first = spot.claim(run)
    lost_answer = spot.claim(run)
    assert (lost_answer.epoch, spot.get(run).setbacks) == (2, ())
    spot.later(seconds=10)
    heartbeat(spot.shop, spot.bearer(lost_answer))
    again = spot.claim(run)
    assert (again.epoch, again.group) == (3, first.group)
    assert spot.log(run).count("the run is executed once more.") == 1
    login(spot.shop, spot.bearer(again), LoginRequest(push=("hello",)))
    spot.later(seconds=10)
    heartbeat(spot.shop, spot.bearer(again))
    with pytest.raises(Gone):
        spot.claim(run)
    assert (spot.get(run).status, spot.log(run).count("Run ID:")) == (Status.ERROR, 1)


def test_a_warm_group_that_falls_is_replaced_at_once_in_another_region(spot: "Hands") -> None:
    registry = spot.registry.model_copy(update={"warm_builders": 1})
    keep_warm(spot.shop, registry)
    (first,) = spot.groups.started
    spot.groups.running[first] = GroupState.ENDED
    spot.groups.losses[first] = FULL
    spot.later(seconds=15)
    keep_warm(spot.shop, registry)
    assert [(asked.location, asked.is_spot) for asked in spot.groups.requests] == [("local", True), ("other", True)]
    assert first not in spot.groups.running


@pytest.mark.parametrize(
    ("status", "code", "told", "seconds"),
    [
        (429, "TooManyRequests", "Azure asks for a pause", 45),
        (409, "ContainerGroupQuotaReached", "no room for more container groups in local (ContainerGroupQuotaR", 60),
        (409, "ServiceUnavailable", "no room for more container groups in local (ServiceUnavailable)", 60),
    ],
)
def test_what_azure_answers_becomes_a_place_in_the_queue(
    hands: "Hands", status: int, code: str, told: str, seconds: int
) -> None:
    answers = [status]
    body = json.dumps({"error": {"code": code, "message": "No."}}).encode()
    headers = {"Retry-After": "45"} if status == 429 else {}
    hands.reach(client_of(lambda *_: (answers[0], headers, body if answers[0] == status else b"{}")))
    run = hands.submit("k1")
    facts = explain_run(hands.shop, open_scheduler(hands.shop), hands.get(run))
    assert facts.queue is not None
    assert facts.queue.position == 1
    assert told in facts.queue.waits_for
    assert told in hands.log(run)
    assert "Position in the queue: 1." in hands.log(run)
    answers[0] = 201
    for later, status_then in ((seconds - 1, Status.QUEUED), (2, Status.STARTED)):
        hands.later(seconds=later)
        dispatch(hands.shop, hands.partition)
        assert hands.get(run).status is status_then


@pytest.fixture
def cloud(spot: "Hands", tmp_path: Path) -> Iterator[Cloud]:
    """Answer a service that obeys Azure's rules, in place of the double."""
    with Cloud(tmp_path) as made:
        spot.reach(made.client)
        yield made


def test_all_of_it_against_the_service_itself(spot: "Hands", cloud: Cloud) -> None:
    """The first group falls for want of room, the second is evicted, the third, a regular one, ends the run."""
    cloud.ask("PUT", "/devstack/limits", fail_starts=1, fail_cause="capacity")
    run = spot.submit("k1")
    cloud.settle()
    spot.later(seconds=30)
    reconcile(spot.shop, spot.partition)
    cloud.settle()
    second = spot.claim(run)
    assert cloud.ask("POST", "/devstack/evictions", group=second.group).status_code == 204
    spot.later(seconds=30)
    reconcile(spot.shop, spot.partition)
    cloud.settle()
    third = spot.claim(run)
    report(spot.shop, spot.bearer(third), spot.report(third, Outcome.SUCCEEDED))
    done = spot.get(run)
    assert (done.status, done.attempt, done.let_down, done.epoch) == (Status.SUCCEEDED, 3, 2, 2)
    assert [(one.kind, one.region) for one in done.setbacks] == [("noRoom", "local"), ("evicted", "other")]
    assert spot.log(run).count("Run ID:") == 1
    assert cloud.client.names() == []
