"""Every call to storage and to Azure may fail, before or after it took effect: each run still ends once."""

import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from shared.access.builder_tokens import Bearer
from shared.container_groups.pool import GroupPool
from shared.errors import SlipwayError, Unavailable
from shared.grant import Outcome
from shared.runs.cancel import cancel
from shared.runs.claim import Gone, heartbeat, look_for_work, report
from shared.runs.model import Run
from shared.runs.reconcile import reconcile
from shared.runs.store import RunStore
from shared.runs.upkeep import sweep_groups

if TYPE_CHECKING:
    from tests.shared.runs.conftest import Hands

pytestmark = pytest.mark.slow
RUNS = 12
ROUNDS = 40


class Faulty:
    """Another object whose methods fail now and then, before or after they did their work."""

    def __init__(self, inner: object, dice: random.Random, chance: float) -> None:
        self._inner, self._dice, self._chance = inner, dice, chance

    def __getattr__(self, name: str) -> Any:
        member = getattr(self._inner, name)
        return self._failing(member) if callable(member) else member

    def _failing(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            if self._dice.random() < self._chance:
                raise Unavailable("cut off before")
            result = method(*arguments, **options)
            if self._dice.random() < self._chance:
                raise Unavailable("cut off after")
            return result

        return call


def make_faulty(hands: "Hands", dice: random.Random, chance: float) -> None:
    """Put faults between the use cases and everything they touch."""
    shop = hands.shop
    doubled: dict[str, Any] = {
        name: Faulty(getattr(shop.storage, name), dice, chance) for name in ("runs", "blobs", "dispatch")
    }
    storage = replace(shop.storage, **doubled)
    groups: Any = Faulty(hands.groups, dice, chance)
    pool = GroupPool(shop.pool._table, groups, shop.tokens, shop.clock)
    hands.shop = replace(shop, storage=storage, store=RunStore(storage.runs), pool=pool)


def act_as_builder(hands: "Hands", dice: random.Random, name: str) -> None:
    """Do what a builder in this group would do next; now and then die instead."""
    with suppress(Gone, SlipwayError):
        grant = look_for_work(hands.shop, Bearer(hands.partition, name))
        if grant is None:
            return
        fate = dice.random()
        if fate < 0.2:
            hands.groups.running.pop(name, None)
            return
        heartbeat(hands.shop, hands.bearer(grant))
        told = hands.report(grant, Outcome.SUCCEEDED if fate < 0.8 else Outcome.FAILED)
        result = f"{hands.partition}/{grant.run_id}/{grant.epoch}.json"
        hands.shop.storage.blobs.put("results", result, told.model_dump_json().encode())
        if fate > 0.9:
            hands.groups.running.pop(name, None)
            return
        report(hands.shop, hands.bearer(grant), told)


@pytest.mark.parametrize("seed", range(3))
def test_every_run_ends_once(hands: "Hands", seed: int) -> None:
    calm, dice = hands.shop, random.Random(seed)
    make_faulty(hands, dice, chance=0.04)
    for number in range(RUNS):
        for _ in range(4):
            with suppress(SlipwayError):
                hands.submit(f"k{number}")
                break
    runs = list(calm.store.newest(hands.partition))
    for _ in range(ROUNDS):
        for name in list(hands.groups.running):
            act_as_builder(hands, dice, name)
        if dice.random() < 0.1:
            with suppress(SlipwayError):
                cancel(hands.shop, hands.partition, dice.choice(runs).id)
        hands.later(seconds=dice.choice([1, 10, 25]))
        with suppress(SlipwayError):
            reconcile(hands.shop, hands.partition)
    hands.shop = calm
    settle(hands)
    for run in runs:
        check_ended(hands, run)
    assert hands.groups.running == {}
    assert list(calm.storage.runs.query(hands.partition, "a", "b")) == []
    assert list(calm.storage.runs.query(hands.partition, "s", "t")) == []
    assert list(calm.storage.runs.query(hands.partition, "w", "x")) == []


def settle(hands: "Hands") -> None:
    """Let time pass without faults, until nothing is active."""
    dice = random.Random(0)
    for _ in range(RUNS * 4):
        if not list(hands.shop.store.active(hands.partition)):
            break
        for name in list(hands.groups.running):
            act_as_builder(hands, dice, name)
        hands.later(seconds=25)
        reconcile(hands.shop, hands.partition)
    sweep_groups(hands.shop)


def check_ended(hands: "Hands", run: Run) -> None:
    """Hold one run against what must be true at the end."""
    ended = hands.get(run)
    assert ended.is_terminal
    assert hands.log(run).count(f"Run ID: {run.id}") == 1
    assert hands.complete(run) is not None
