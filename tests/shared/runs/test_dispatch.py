"""Runs that wait: who is started next, what their logs tell, and how little of a long line is read."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pytest

from shared.container_groups.agent_pools import AgentPool
from shared.container_groups.service import NO_ROOM
from shared.errors import Throttled
from shared.runs.cancel import cancel
from shared.runs.dispatch import dispatch
from shared.runs.ids import run_id
from shared.runs.logs import create_log
from shared.runs.model import Run, Status
from shared.runs.reconcile import reconcile
from shared.runs.store import FRONT, RunStore
from shared.storage import Change, Queue, Row
from shared.triggers.explain import explain_run
from shared.triggers.timers.scheduler import open_scheduler
from tests.shared.triggers.conftest import MemoryTable

if TYPE_CHECKING:
    from tests.shared.runs.conftest import Hands

pytestmark = pytest.mark.slow


@dataclass
class Counted:
    """What was asked of a table: requests, and rows that they answered."""

    requests: int = 0
    rows: int = 0


class CountingTable(MemoryTable):
    """A table that counts what is asked of it."""

    def __init__(self) -> None:
        super().__init__()
        self.counted = Counted()

    def find(self, partition: str, key: str) -> Row | None:
        self.counted.requests += 1
        return super().find(partition, key)

    def query(self, partition: str, first: str, end: str) -> Iterator[Row]:
        self.counted.requests += 1
        for row in super().query(partition, first, end):
            self.counted.rows += 1
            yield row

    def first(self, partition: str, first: str, end: str, most: int) -> list[Row]:
        self.counted.requests += 1
        found = super().first(partition, first, end, most)
        self.counted.rows += len(found)
        return found

    def transaction(self, changes: Sequence[Change]) -> None:
        requests = self.counted.requests
        super().transaction(changes)
        self.counted.requests = requests + 1


@dataclass
class Crowd:
    """A registry whose two places are taken and in which many more runs wait."""

    hands: "Hands"
    table: CountingTable
    running: list[Run] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, hands: "Hands", size: int) -> "Crowd":
        table = CountingTable()
        hands.shop = replace(hands.shop, store=RunStore(table), storage=replace(hands.shop.storage, runs=table))
        crowd = cls(hands, table)
        crowd.running = [hands.submit(f"k{number}") for number in range(2)]
        template = hands.get(crowd.running[0])
        crowd.waiting = [run_id(hands.shop.clock(), number) for number in range(1, size + 1)]
        for name in crowd.waiting:
            queued = {"id": name, "status": Status.QUEUED, "group": None, "attempt": 0}
            hands.shop.store.insert(template.model_copy(update=queued), name)
        for name in crowd.waiting[:FRONT]:
            create_log(hands.shop, hands.partition, name)
        return crowd

    def dispatch(self) -> Counted:
        self.table.counted = Counted()
        dispatch(self.hands.shop, self.hands.partition)
        return self.table.counted


@pytest.mark.parametrize("size", [10, 5000])
def test_a_dispatch_without_a_place_costs_two_requests_however_many_wait(hands: "Hands", size: int) -> None:
    crowd = Crowd.of(hands, size)
    for _ in range(FRONT // 50):
        crowd.dispatch()
    counted = crowd.dispatch()
    assert counted.requests == 2
    assert counted.rows == 2 + min(size, FRONT)


def test_five_thousand_that_wait_make_a_start_no_dearer(hands: "Hands") -> None:
    crowd = Crowd.of(hands, 5000)
    for _ in range(FRONT // 50):
        crowd.dispatch()
    cancel(hands.shop, hands.partition, crowd.running[0].id)
    assert hands.shop.store.get(hands.partition, crowd.waiting[0]).status is Status.STARTED
    hands.later(minutes=5)
    crowd.table.counted = Counted()
    reconcile(hands.shop, hands.partition)
    assert crowd.table.counted.requests <= 150
    last = hands.submit("the last one")
    assert "At least 50 runs come before it." in hands.log(last)
    facts = explain_run(hands.shop, open_scheduler(hands.shop), last)
    assert facts.queue is not None
    assert facts.queue.position == 5000


def test_each_of_several_lines_has_a_front_of_its_own(hands: "Hands") -> None:
    crowd = Crowd.of(hands, 300)
    template = hands.shop.store.get(hands.partition, crowd.waiting[0])
    for number in range(1000, 1500):
        name, pool = run_id(hands.shop.clock(), number), f"pool{number % 2}"
        hands.shop.store.insert(template.model_copy(update={"id": name, "agent_pool": pool}), name)
    fronts = hands.shop.store.fronts(hands.partition)
    assert {lane: len(front) for lane, front in fronts.items()} == {"": FRONT, "pool0": FRONT, "pool1": FRONT}
    assert [active.run_id for active in fronts[""]] == crowd.waiting[:FRONT]


def test_runs_of_a_pool_that_is_gone_end_and_hold_up_nobody(hands: "Hands") -> None:
    pool = _pool(hands)
    hands.shop.agent_pools.change(hands.partition, "fast", lambda _: pool)
    hands.groups.fault = Throttled("full", retry_after=1)
    pooled, plain = hands.submit("k1", agentPoolName="fast"), hands.submit("k2")
    hands.shop.agent_pools.remove(pool)
    hands.groups.fault = None
    hands.later(seconds=5)
    dispatch(hands.shop, hands.partition)
    assert hands.get(pooled).status is Status.ERROR
    assert "does not exist any more" in hands.log(pooled)
    assert hands.get(plain).status is Status.STARTED


def _pool(hands: "Hands") -> AgentPool:
    now = hands.shop.clock()
    data = {"createdBy": "me", "createdByType": "User", "createdAt": now, "lastModifiedAt": now}
    return AgentPool.model_validate({"registry": hands.partition, "name": "fast", "spec": {}, "system_data": data})


def test_what_azure_refuses_is_told_once_with_the_place_and_asked_once(hands: "Hands") -> None:
    reason = "Azure has no room for more container groups in local."
    hands.groups.fault = Throttled(reason, retry_after=60, code=NO_ROOM)
    runs = [hands.submit(f"k{number}") for number in range(3)]
    assert len(hands.groups.started) == 0
    for position, run in enumerate(runs, 1):
        assert hands.get(run).status is Status.QUEUED
        assert f"Position in the queue: {position}." in hands.log(run)
        assert hands.log(run).count("Waiting for a builder: Azure has no room") == 1
    facts = explain_run(hands.shop, open_scheduler(hands.shop), runs[1])
    assert facts.queue is not None
    assert (facts.queue.position, facts.queue.waits_for) == (2, reason)
    hands.groups.fault = None
    hands.later(seconds=30)
    dispatch(hands.shop, hands.partition)
    assert hands.get(runs[0]).status is Status.QUEUED
    hands.later(seconds=31)
    reconcile(hands.shop, hands.partition)
    assert [hands.get(run).status for run in runs] == [Status.STARTED, Status.STARTED, Status.QUEUED]
    assert all(hands.log(run).count("Azure has no room") == 1 for run in runs)


def test_a_refusal_sends_one_message_and_the_rest_after_it_none(hands: "Hands") -> None:
    hands.shop.settings.__dict__["run_concurrency"] = 10
    hands.groups.fault = Throttled("Azure asks for a pause.", retry_after=60)
    for number in range(8):
        hands.submit(f"k{number}")
    messages = Messages()
    shop = replace(hands.shop, storage=replace(hands.shop.storage, dispatch=messages))
    hands.later(seconds=61)
    dispatch(shop, hands.partition)
    dispatch(shop, hands.partition)
    assert messages.delays == [60]


class Messages(Queue):
    """A queue that remembers when its messages come."""

    def __init__(self) -> None:
        self.delays: list[int] = []

    def send(self, message: Mapping[str, str], *, delay_seconds: int = 0) -> None:
        assert message
        self.delays.append(delay_seconds)


def test_a_crash_between_place_and_start_is_made_good(hands: "Hands") -> None:
    hands.groups.fault = Throttled("full", retry_after=1)
    run = hands.submit("k1")
    waiting = hands.shop.store.find_waiting(run)
    assert waiting is not None
    assert hands.shop.store.take_slot(waiting, set(), 2, hands.now[0]) is not None
    hands.groups.fault = None
    hands.later(seconds=15)
    reconcile(hands.shop, hands.partition)
    assert hands.get(run).status is Status.QUEUED
    hands.later(seconds=15)
    reconcile(hands.shop, hands.partition)
    assert hands.get(run).status is Status.STARTED


def test_two_dispatchers_never_give_the_same_place_twice(hands: "Hands") -> None:
    hands.groups.fault = Throttled("full", retry_after=1)
    runs = [hands.submit(f"k{number}") for number in range(3)]
    store = hands.shop.store
    first, second, third = (store.find_waiting(run) for run in runs)
    assert first
    assert second
    assert third
    mine, others = set[int](), set[int]()
    assert store.take_slot(first, mine, 2, hands.now[0])
    assert store.take_slot(first, others, 2, hands.now[0]) is None
    assert store.take_slot(second, others, 2, hands.now[0])
    assert store.take_slot(third, mine, 2, hands.now[0]) is None
    assert mine == {0, 1}
    assert sorted(active.slot for active in store.placed(hands.partition)) == [0, 1]


def test_the_next_attempt_is_made_in_another_region(hands: "Hands") -> None:
    hands.shop.settings.__dict__["builder_locations"] = ("West Europe", "local")
    run = hands.submit("k1")
    assert hands.groups.places[-1] == "local"
    hands.groups.running.clear()
    hands.later(minutes=1)
    reconcile(hands.shop, hands.partition)
    assert hands.get(run).attempt == 2
    assert hands.groups.places == ["local", "westeurope"]
