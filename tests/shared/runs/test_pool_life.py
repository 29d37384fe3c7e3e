"""Builders of agent pools on a real Azurite: they return, they are spent, machines come and go, nothing is lost."""

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from shared.access.builder_tokens import Bearer, TokenUse
from shared.access.callers import Caller
from shared.arm.names import parse_registry_id
from shared.errors import NotFound, Throttled, Unauthenticated, Unavailable
from shared.grant import Grant, Registration, Reuse
from shared.runs.agent_pools import PoolKeeper
from shared.runs.cancel import cancel
from shared.runs.claim import Gone, heartbeat, look_for_work, report
from shared.runs.cost import cost
from shared.runs.dispatch import dispatch
from shared.runs.holding import Superseded
from shared.runs.machines import TokenKeeper, depart, register
from shared.runs.model import Run, Status
from shared.runs.reconcile import reconcile
from shared.runs.store import Active
from shared.runs.upkeep import keep_warm, sweep_groups
from shared.triggers.explain import explain_run
from shared.triggers.timers.scheduler import open_scheduler

if TYPE_CHECKING:
    from tests.shared.runs.conftest import Hands

pytestmark = pytest.mark.slow
ME = Caller("me", "User", frozenset())
POOL = "mypool"


class Yard:
    """A pool, and what a test does with it."""

    def __init__(self, hands: "Hands", count: int = 1, **tags: str) -> None:
        privileged = hands.shop.settings.model_copy(update={"builder_privileged": True})
        hands.shop = replace(hands.shop, settings=privileged)
        self.hands, self.shop = hands, hands.shop
        self.keeper = PoolKeeper(hands.shop, parse_registry_id(hands.registry.id), "here", ME)
        self.keeper.put(POOL, {"properties": {"count": count}, "tags": tags})
        self.tokens = TokenKeeper(self.keeper, POOL)

    def queue(self, key: str, **changes: object) -> Run:
        return self.hands.submit(key, agentPoolName=POOL, **changes)

    def queue_steps(self, key: str) -> Run:
        changes = {"type": "EncodedTaskRunRequest", "sourceLocation": None, "encodedTaskContent": "c3RlcHM6IFtdCg=="}
        return self.queue(key, **changes)

    def status(self, run: Run) -> Status:
        return self.hands.get(run).status

    def claim(self, group: str) -> Grant | None:
        return look_for_work(self.shop, Bearer(self.hands.partition, group))

    def take(self, group: str) -> Grant:
        grant = self.claim(group) or self.claim(group)
        assert grant is not None
        return grant

    def succeed(self, grant: Grant) -> None:
        report(self.shop, self.hands.bearer(grant), self.hands.report(grant))

    def machine(self, token: str, *platforms: str, reuse: Reuse = Reuse.BUILDS) -> str:
        told = Registration(machine="rack", platforms=platforms or ("linux/amd64",), reuse=reuse)
        made = register(self.shop, self.hands.partition, POOL, f"Bearer {token}", told)
        bearer = self.shop.tokens.check(TokenUse.GROUP, f"Bearer {made.token}")
        assert bearer.group == made.group
        return made.group

    @property
    def active(self) -> list[Active]:
        return list(self.shop.store.active(self.hands.partition))


def test_a_group_of_a_pool_executes_run_after_run(hands: "Hands") -> None:
    yard = Yard(hands)
    runs = [yard.queue(f"k{number}") for number in range(3)]
    (group,) = hands.groups.started
    for run in runs:
        grant = yard.take(group)
        assert (grant.run_id, grant.claims_again) == (run.id, True)
        hands.later(seconds=20)
        yard.succeed(grant)
        assert hands.get(run).released is None
        hands.later(seconds=5)
    assert yard.claim(group) is None
    shares = [round(cost(hands.get(run), hands.shop.settings, hands.shop.clock()).cpu_seconds) for run in runs]
    assert shares == [50, 50, 50], "each until the builder is clean"
    assert [yard.status(run) for run in runs] == [Status.SUCCEEDED] * 3
    assert hands.groups.started == [group]
    assert list(hands.groups.running) == [group]
    assert yard.active == []


def test_a_builder_gets_no_run_before_it_has_claimed_again(hands: "Hands") -> None:
    yard = Yard(hands)
    first, second = yard.queue("k1"), yard.queue("k2")
    (group,) = hands.groups.started
    grant = yard.take(group)
    yard.succeed(grant)
    dispatch(hands.shop, hands.partition)
    keep_warm(hands.shop, hands.registry)
    sweep_groups(hands.shop)
    assert (yard.status(first), yard.status(second)) == (Status.SUCCEEDED, Status.QUEUED)
    assert yard.take(group).run_id == second.id
    with pytest.raises(Superseded):
        heartbeat(hands.shop, hands.bearer(grant))


def test_what_ends_a_run_twice_leaves_the_next_run_its_builder(hands: "Hands") -> None:
    yard = Yard(hands)
    first, second = yard.queue("k1"), yard.queue("k2")
    (group,) = hands.groups.started
    old = yard.take(group)
    yard.succeed(old)
    new = yard.take(group)
    yard.succeed(old)
    cancel(hands.shop, hands.partition, first.id)
    reconcile(hands.shop, hands.partition)
    sweep_groups(hands.shop)
    assert new.run_id == second.id
    assert heartbeat(hands.shop, hands.bearer(new)).epoch == new.epoch
    assert list(hands.groups.running) == [group]


def test_a_run_of_steps_ends_its_group(hands: "Hands") -> None:
    yard = Yard(hands)
    run, after = yard.queue_steps("k1"), yard.queue("k2")
    (group,) = hands.groups.started
    grant = yard.take(group)
    assert (grant.run_id, grant.claims_again) == (run.id, False)
    yard.succeed(grant)
    with pytest.raises(Gone):
        yard.claim(group)
    assert hands.get(after).group == hands.groups.started[1]
    assert list(hands.groups.running) == [hands.groups.started[1]]


def test_a_stranger_gets_a_group_of_its_own(hands: "Hands") -> None:
    yard = Yard(hands)
    trusted = yard.queue("k1")
    (group,) = hands.groups.started
    yard.succeed(yard.take(group))
    assert yard.claim(group) is None
    waits = trusted.model_copy(update={"id": f"{trusted.id[:-1]}z", "is_untrusted": True, "status": Status.QUEUED})
    hands.shop.store.insert(waits, "k2")
    dispatch(hands.shop, hands.partition)
    dispatch(hands.shop, hands.partition)
    fresh = hands.get(waits).group
    assert fresh == hands.groups.started[1]
    assert list(hands.groups.running) == [fresh]
    with pytest.raises(Gone):
        yard.claim(group)


def test_a_canceled_run_that_was_never_claimed_leaves_its_builder_to_the_next(hands: "Hands") -> None:
    yard = Yard(hands)
    first, second = yard.queue("k1"), yard.queue("k2")
    (group,) = hands.groups.started
    cancel(hands.shop, hands.partition, first.id)
    assert yard.take(group).run_id == second.id


def test_a_builder_lost_in_a_later_run_is_found(hands: "Hands") -> None:
    yard = Yard(hands)
    runs = [yard.queue(f"k{number}") for number in range(3)]
    (group,) = hands.groups.started
    yard.succeed(yard.take(group))
    yard.take(group)
    hands.groups.running.clear()
    hands.later(seconds=30)
    reconcile(hands.shop, hands.partition)
    assert [yard.status(run) for run in runs] == [Status.SUCCEEDED, Status.ERROR, Status.STARTED]
    assert "the builder was lost" in hands.log(runs[1])
    assert hands.get(runs[2]).group != group
    assert len(hands.groups.running) == 1


def test_a_builder_that_does_not_come_back_is_deleted(hands: "Hands") -> None:
    yard = Yard(hands)
    yard.succeed(yard.take(hands.get(yard.queue("k1")).group or ""))
    hands.later(minutes=1)
    sweep_groups(hands.shop)
    assert len(hands.groups.running) == 1
    hands.later(minutes=2)
    sweep_groups(hands.shop)
    assert hands.groups.running == {}
    run = yard.queue("k2")
    assert yard.status(run) is Status.STARTED


def test_a_pool_never_has_more_groups_than_seats(hands: "Hands") -> None:
    yard = Yard(hands, count=2)
    keep_warm(hands.shop, hands.registry)
    keep_warm(hands.shop, hands.registry)
    for number in range(4):
        yard.queue(f"k{number}")
    assert len(hands.groups.running) == 2
    yard.keeper.patch(POOL, {"properties": {"count": 3}})
    dispatch(hands.shop, hands.partition)
    assert len(hands.groups.running) == 3


def test_idle_groups_go_down_to_the_minimum(hands: "Hands") -> None:
    yard = Yard(hands, 3, **{"slipway-minimum": "1"})
    runs = [yard.queue(f"k{number}") for number in range(3)]
    for run in runs:
        yard.succeed(yard.take(hands.get(run).group or ""))
    for group in list(hands.groups.running):
        assert yard.claim(group) is None
    hands.later(minutes=9)
    keep_warm(hands.shop, hands.registry)
    assert len(hands.groups.running) == 3
    hands.later(minutes=2)
    keep_warm(hands.shop, hands.registry)
    assert len(hands.groups.running) == 1
    hands.later(minutes=20)
    keep_warm(hands.shop, hands.registry)
    assert len(hands.groups.running) == 1


def test_a_pool_whose_groups_azure_refuses_goes_on_with_what_it_has(hands: "Hands") -> None:
    yard = Yard(hands, count=2)
    first = yard.queue("k1")
    hands.groups.fault = Throttled("full", retry_after=60)
    second, third = yard.queue("k2"), yard.queue("k3")
    group = hands.get(first).group or ""
    for run in (first, second, third):
        grant = yard.take(group)
        assert grant.run_id == run.id
        yard.succeed(grant)


def test_a_machine_executes_runs_of_its_pool_and_no_others(hands: "Hands") -> None:
    yard = Yard(hands, count=0)
    run, other = yard.queue("k1"), hands.submit("k2")
    machine = yard.machine(yard.tokens.issue()[1])
    assert hands.get(run).group == machine
    assert hands.get(other).group != machine
    yard.succeed(yard.take(machine))
    assert yard.claim(machine) is None
    assert machine not in hands.groups.started


def test_machines_take_what_they_run_natively(hands: "Hands") -> None:
    yard = Yard(hands, count=0)
    intel = yard.queue("k1")
    arm = yard.queue("k2", platform={"os": "linux", "architecture": "arm64"})
    machine = yard.machine(yard.tokens.issue()[1], "linux/arm64")
    assert (yard.status(intel), hands.get(arm).group) == (Status.QUEUED, machine)


def test_no_other_token_lets_a_machine_in(hands: "Hands") -> None:
    yard = Yard(hands, count=0)
    token, text = yard.tokens.issue()
    told = Registration(machine="rack", platforms=("linux/amd64",))
    foreign = [f"{token.id}.x", "", "x", text + "x"]
    for wrong in foreign:
        with pytest.raises(Unauthenticated):
            register(hands.shop, hands.partition, POOL, f"Bearer {wrong}", told)
    for registry, pool in ((hands.partition, "otherpool"), ("nowhere", POOL), (hands.partition, "x")):
        with pytest.raises(Unauthenticated):
            register(hands.shop, registry, pool, f"Bearer {text}", told)
    with pytest.raises(Unauthenticated):
        register(hands.shop, hands.partition, POOL, None, told)


def test_a_revoked_token_ends_its_machines_and_their_runs(hands: "Hands") -> None:
    yard = Yard(hands, count=0)
    (token, text), (_, lasting) = yard.tokens.issue(), yard.tokens.issue()
    first, second, third = (yard.queue(f"k{number}") for number in range(3))
    busy, given, safe = yard.machine(text), yard.machine(text), yard.machine(lasting)
    grant, kept = yard.take(busy), yard.take(safe)
    assert hands.get(second).group == given
    yard.tokens.revoke(token.id)
    assert yard.status(first) is Status.ERROR
    assert "its token was revoked" in hands.log(first)
    assert yard.status(second) is Status.QUEUED
    for machine in (busy, given):
        with pytest.raises(Gone):
            yard.claim(machine)
    with pytest.raises(Superseded):
        heartbeat(hands.shop, hands.bearer(grant))
    assert (kept.run_id, heartbeat(hands.shop, hands.bearer(kept)).epoch) == (third.id, 1)
    with pytest.raises(Unauthenticated):
        yard.machine(text)
    with pytest.raises(NotFound):
        yard.tokens.revoke(token.id)


def test_a_rotated_token_lets_its_machines_end_their_run(hands: "Hands") -> None:
    yard = Yard(hands, count=0)
    token, text = yard.tokens.issue()
    run, after = yard.queue("k1"), yard.queue("k2")
    machine = yard.machine(text)
    grant = yard.take(machine)
    _, new = yard.tokens.rotate(token.id)
    yard.succeed(grant)
    with pytest.raises(Gone):
        yard.claim(machine)
    assert (yard.status(run), yard.status(after)) == (Status.SUCCEEDED, Status.QUEUED)
    with pytest.raises(Unauthenticated):
        yard.machine(text)
    fresh = yard.machine(new)
    assert hands.get(after).group == fresh


def test_a_machine_that_leaves_hands_back_what_it_was_given(hands: "Hands") -> None:
    yard = Yard(hands, count=0)
    _, text = yard.tokens.issue()
    first, second = yard.machine(text), yard.machine(text)
    run = yard.queue("k1")
    group = hands.get(run).group or ""
    depart(hands.shop, Bearer(hands.partition, group))
    (other,) = {first, second} - {group}
    assert hands.get(run).group == other
    assert yard.take(other).run_id == run.id


def test_a_silent_machine_is_lost_but_not_while_the_app_was_away(hands: "Hands") -> None:
    yard = Yard(hands, count=0)
    _, text = yard.tokens.issue()
    run = yard.queue("k1")
    machine = yard.machine(text)
    yard.take(machine)
    keep_warm(hands.shop, hands.registry)
    hands.later(minutes=30)
    keep_warm(hands.shop, hands.registry)
    reconcile(hands.shop, hands.partition)
    assert yard.status(run) is Status.RUNNING
    for _ in range(5):
        hands.later(seconds=15)
        keep_warm(hands.shop, hands.registry)
        reconcile(hands.shop, hands.partition)
    assert yard.status(run) is Status.ERROR
    with pytest.raises(Gone):
        yard.claim(machine)


def test_the_operator_says_after_which_runs_a_machine_goes_on(hands: "Hands") -> None:
    yard = Yard(hands, count=0)
    _, text = yard.tokens.issue()
    yard.queue_steps("k1")
    machine = yard.machine(text, reuse=Reuse.TASKS)
    grant = yard.take(machine)
    assert grant.claims_again
    yard.succeed(grant)
    assert yard.claim(machine) is None


def test_a_builder_that_azure_did_not_delete_is_deleted_later(hands: "Hands", monkeypatch: pytest.MonkeyPatch) -> None:
    yard = Yard(hands)
    keep_warm(hands.shop, hands.registry)
    yard.keeper.patch(POOL, {"properties": {"count": 0}})

    def refuse(_name: str) -> None:
        raise Unavailable("away")

    with monkeypatch.context() as patch:
        patch.setattr(hands.groups, "delete", refuse)
        with pytest.raises(Unavailable):
            keep_warm(hands.shop, hands.registry)
    assert len(hands.groups.running) == 1
    sweep_groups(hands.shop)
    assert hands.groups.running == {}
    assert list(hands.shop.pool.groups(hands.partition)) == []


def test_explain_tells_what_of_its_pool_a_run_waits_for(hands: "Hands") -> None:
    yard = Yard(hands, count=0)
    yard.machine(yard.tokens.issue()[1], "linux/arm64")
    run = yard.queue("k1")

    def waits_for() -> str:
        queue = explain_run(hands.shop, open_scheduler(hands.shop), run).queue
        assert queue is not None
        return queue.waits_for

    assert waits_for() == (
        "It waits for a builder of the agent pool mypool that can run linux/amd64: none of its 1 machines does."
    )
    yard.queue("k2")
    yard.keeper.patch(POOL, {"properties": {"count": 1}})
    assert waits_for() == (
        "It waits for a builder of the agent pool mypool: 0 of 1 container groups are there, 1 machines serve it,"
        " 0 runs come before it."
    )
