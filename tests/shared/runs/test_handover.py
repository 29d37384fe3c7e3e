"""A confined builder that cannot do what is asked gives the run back, and the next one can."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from shared.errors import Unavailable
from shared.grant import Grant, Outcome, StepContainer
from shared.runs.claim import heartbeat, report
from shared.runs.holding import Superseded
from shared.runs.kinds import started_kind
from shared.runs.model import Run, Status
from shared.runs.reconcile import reconcile
from shared.runs.results import result_url
from shared.settings import BuilderKind, Settings

if TYPE_CHECKING:
    from tests.shared.runs.conftest import Hands

BOTH = (BuilderKind.CONFINED, BuilderKind.FULL)


def allow(hands: "Hands", *kinds: BuilderKind) -> None:
    settings = hands.shop.settings.model_copy(update={"builder_kinds": kinds})
    hands.shop = replace(hands.shop, settings=settings)


def refused(hands: "Hands", run: Run) -> Grant:
    grant = hands.claim(run)
    report(hands.shop, hands.bearer(grant), hands.report(grant, Outcome.FAILED, error="why", needs_full=True))
    return grant


@pytest.mark.slow
def test_the_run_goes_to_a_full_group_and_keeps_its_place(hands: "Hands") -> None:
    allow(hands, *BOTH)
    run = hands.submit("k1")
    first = refused(hands, run)

    again = hands.get(run)
    assert first.may_hand_over
    assert (again.status, again.needs_full, again.attempt) == (Status.STARTED, True, 2)
    assert hands.groups.kinds == [BuilderKind.CONFINED, BuilderKind.FULL]
    assert list(hands.groups.running) == [again.group]
    second = hands.claim(run)
    assert (second.epoch, second.may_hand_over) == (2, False)
    report(hands.shop, hands.bearer(second), hands.report(second))
    assert hands.get(run).status is Status.SUCCEEDED


@pytest.mark.slow
def test_the_first_builder_is_fenced_from_then_on(hands: "Hands") -> None:
    allow(hands, *BOTH)
    run = hands.submit("k1")
    first = refused(hands, run)
    with pytest.raises(Superseded):
        heartbeat(hands.shop, hands.bearer(first))
    with pytest.raises(Superseded):
        report(hands.shop, hands.bearer(first), hands.report(first, Outcome.FAILED, needs_full=True))
    assert hands.groups.kinds == [BuilderKind.CONFINED, BuilderKind.FULL]


@pytest.mark.slow
def test_without_full_groups_the_run_ends_with_the_reason(hands: "Hands") -> None:
    allow(hands, BuilderKind.CONFINED)
    run = hands.submit("k1")
    grant = refused(hands, run)
    assert not grant.may_hand_over
    assert (hands.get(run).status, hands.get(run).error) == (Status.FAILED, "why")


@pytest.mark.slow
def test_a_full_builder_cannot_hand_over_for_ever(hands: "Hands") -> None:
    allow(hands, *BOTH)
    run = hands.submit("k1")
    refused(hands, run)
    refused(hands, run)
    assert hands.get(run).status is Status.FAILED


@pytest.mark.slow
def test_a_crash_between_the_state_and_the_new_group_is_found(hands: "Hands") -> None:
    allow(hands, *BOTH)
    run = hands.submit("k1")
    hands.groups.fault = Unavailable("nobody answers")
    refused(hands, run)
    assert hands.get(run).status is Status.QUEUED

    hands.groups.fault = None
    hands.later(seconds=30)
    reconcile(hands.shop, hands.partition)
    assert hands.get(run).status is Status.STARTED
    assert hands.groups.kinds[-1] is BuilderKind.FULL


@pytest.mark.slow
def test_a_report_that_got_lost_is_read_from_the_result(hands: "Hands") -> None:
    allow(hands, *BOTH)
    run = hands.submit("k1")
    grant = hands.claim(run)
    told = hands.report(grant, Outcome.FAILED, error="why", needs_full=True)
    assert result_url(hands.shop, hands.get(run))
    name = f"{run.registry}/{run.id}/{grant.epoch}.json"
    hands.shop.storage.blobs.put("results", name, told.model_dump_json(by_alias=True).encode())
    hands.later(seconds=30)
    reconcile(hands.shop, hands.partition)
    assert hands.get(run).needs_full


STEPS = (
    StepContainer(step="a", image="busybox"),
    StepContainer(step="b", image="{registry}/team/tests:1"),
)


@pytest.mark.slow
def test_a_task_with_steps_gets_a_group_with_a_container_for_each(hands: "Hands") -> None:
    allow(hands, BuilderKind.CONFINED)
    own = hands.registry.login_server
    steps = tuple(one.model_copy(update={"image": one.image.format(registry=own)}) for one in STEPS)
    run = hands.submit("k1")
    first = hands.claim(run)
    told = hands.report(first, Outcome.FAILED, error="why").model_copy(update={"steps": steps})
    report(hands.shop, hands.bearer(first), told)

    again, asked = hands.get(run), hands.groups.requests[-1]
    assert (again.status, again.needs_full, again.attempt) == (Status.STARTED, False, 2)
    assert (asked.kind, asked.steps) == (BuilderKind.CONFINED, steps)
    assert [(login.registry, login.token) for login in asked.logins] == [(own, "team/tests|")]
    second = hands.claim(run)
    assert (second.epoch, second.steps) == (2, steps)

    told = hands.report(second, Outcome.FAILED, error="why").model_copy(update={"steps": steps})
    report(hands.shop, hands.bearer(second), told)
    assert hands.get(run).status is Status.FAILED, "a group that has them is not asked for again"


def test_pools_and_known_needs_get_full_groups_where_they_are_allowed() -> None:
    known: list[dict[str, Any]] = [{"builder_kinds": kinds} for kinds in (BOTH, BOTH[:1])]
    both, confined = (Settings.model_construct(**values) for values in known)
    assert started_kind(both, "") is BuilderKind.CONFINED
    assert started_kind(both, "pool") is BuilderKind.FULL
    assert started_kind(both, "", BuilderKind.FULL) is BuilderKind.FULL
    assert started_kind(confined, "pool", BuilderKind.FULL) is BuilderKind.CONFINED
