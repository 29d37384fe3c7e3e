"""Container groups within what Azure allows: counted, refused for now, had elsewhere."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import Barrier, RLock, local
from typing import Protocol

import pytest
from azure.data.tables import TableServiceClient
from hypothesis import given
from hypothesis import strategies as st

from shared.container_groups.loss import Loss
from shared.container_groups.ration import Ration, RationedGroups
from shared.container_groups.service import NO_ROOM, GroupState
from shared.container_groups.spec import GroupRequest
from shared.errors import SlipwayError, Throttled, Unavailable
from shared.metrics import Metric
from shared.storage import Row, Table
from shared.storage.tables import Scalar
from tests.conftest import Counted
from tests.shared.triggers.conftest import MemoryTable

FULL = Throttled("No room in one region.", retry_after=60, code=NO_ROOM)


@dataclass
class Azure:
    """Container Instances that refuse what a test wants them to."""

    faults: dict[str, SlipwayError] = field(default_factory=dict)
    started: list[tuple[str, str]] = field(default_factory=list)
    asked: int = 0

    def start(self, request: GroupRequest) -> None:
        self.asked += 1
        if fault := self.faults.get(f"{request.location}+spot" if request.is_spot else request.location):
            raise fault
        self.started.append((request.name, request.location))

    def state(self, name: str) -> GroupState:
        return GroupState.RUNNING if name else GroupState.ABSENT

    def loss(self, name: str) -> Loss | None:
        assert name
        return None

    def delete(self, name: str) -> None:
        assert name

    def names(self) -> list[str]:
        return []


@dataclass
class Yard:
    """Two instances of the app on one table, and a clock."""

    ration: Ration = field(default_factory=lambda: Ration(3, 5))
    azure: Azure = field(default_factory=Azure)
    table: Table = field(default_factory=MemoryTable)
    now: datetime = datetime(2026, 5, 6, 12, tzinfo=UTC)
    numbers: Iterator[int] = field(default_factory=lambda: iter(range(10_000)))

    @property
    def instance(self) -> RationedGroups:
        return RationedGroups(self.azure, self.table, self.ration, lambda: self.now)

    def start(self, *regions: str) -> None:
        first, *others = regions or ("here",)
        self.instance.start(GroupRequest(f"g{next(self.numbers)}", first, "token", tuple(others)))

    def later(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


def test_what_all_instances_create_in_five_minutes_is_counted_together() -> None:
    yard = Yard()
    for _ in range(3):
        yard.start()
        yard.later(10)
    with pytest.raises(Throttled, match="The 3 container groups that may be created in 5 minutes") as refused:
        yard.start()
    assert refused.value.retry_after == 270
    assert yard.azure.asked == 3
    yard.later(refused.value.retry_after)
    yard.start()
    assert len(yard.azure.started) == 4


class Connected(Protocol):
    @property
    def connection(self) -> str: ...


class Contested(MemoryTable):
    """A table of several instances, the first reads of which all come before the first change."""

    def __init__(self, readers: int) -> None:
        super().__init__()
        self.lock, self.barrier, self.met = RLock(), Barrier(readers), local()

    def find(self, partition: str, key: str) -> Row | None:
        row = super().find(partition, key)
        if not hasattr(self.met, "once"):
            self.met.once = True
            self.barrier.wait(10)
        return row

    def insert(self, partition: str, key: str, values: Mapping[str, Scalar]) -> None:
        with self.lock:
            super().insert(partition, key, values)

    def replace(self, row: Row, values: Mapping[str, Scalar]) -> Row:
        with self.lock:
            return super().replace(row, values)

    def across(self, partition: str, partition_end: str, first: str, end: str) -> Iterator[Row]:
        with self.lock:
            return iter(list(super().across(partition, partition_end, first, end)))


@pytest.mark.parametrize(("ration", "allowed"), [(Ration(20, 300), 20), (Ration(100, 25), 25)])
def test_eight_instances_at_once_never_create_more_than_the_ration(ration: Ration, allowed: int) -> None:
    yard = Yard(ration, table=Contested(8))
    assert eight_insist(yard) == allowed
    assert len(yard.azure.started) == allowed
    rest = yard.instance.rest(["here"])
    assert rest is not None
    assert f"The {allowed} container groups" in rest.reason


@pytest.mark.slow
def test_eight_instances_at_once_keep_the_ration_in_a_real_table(azurite: Connected) -> None:
    service = TableServiceClient.from_connection_string(azurite.connection)
    with service, service.create_table_if_not_exists("ration") as client:
        yard = Yard(Ration(20, 300), table=Table(client))
        assert eight_insist(yard) == 20
        assert len(yard.azure.started) == 20


def eight_insist(yard: Yard) -> int:
    """Let eight instances ask for ten groups each, and answer how many they were given."""

    def insist(_instance: int) -> int:
        instance, started = yard.instance, 0
        for _ in range(10):
            try:
                instance.start(GroupRequest(f"g{next(yard.numbers)}", "here", "token"))
                started += 1
            except Throttled:
                return started
            except Unavailable:
                continue  # too many at this row; dispatch comes again
        return started

    with ThreadPoolExecutor(8) as pool:
        return sum(pool.map(insist, range(8)))


def test_the_hour_is_counted_too() -> None:
    yard = Yard(Ration(100, 5))
    for _ in range(5):
        yard.start()
        yard.later(600)
    with pytest.raises(Throttled, match="in an hour"):
        yard.start()
    yard.later(601)
    yard.start()


@given(st.lists(st.floats(0, 400), max_size=60))
def test_no_window_ever_holds_more_than_the_ration(pauses: list[float]) -> None:
    yard, made = Yard(), list[float]()
    for pause in pauses:
        yard.later(pause)
        try:
            yard.start()
        except Throttled:
            continue
        made.append(yard.now.timestamp())
    for moment in made:
        assert sum(moment - 300 < one <= moment for one in made) <= 3
        assert sum(moment - 3600 < one <= moment for one in made) <= 5


def test_a_rest_is_over_when_the_refusal_says_so() -> None:
    yard = Yard(Ration(100, 300))
    yard.azure.faults["here"] = Throttled("Azure asks for a pause.", retry_after=30)
    with pytest.raises(Throttled):
        yard.start("here", "there")
    assert yard.azure.asked == 1
    yard.azure.faults.clear()
    rest = yard.instance.rest(["here"])
    assert rest is not None
    assert rest.reason == "Azure asks for a pause."
    with pytest.raises(Throttled):
        yard.start("there")
    assert yard.azure.asked == 1
    yard.later(30)
    assert yard.instance.rest(["here"]) is None
    yard.start()


def test_a_full_region_is_left_for_the_next_one_and_asked_again_later() -> None:
    yard = Yard(Ration(100, 300))
    yard.azure.faults["here"] = FULL
    yard.start("here", "there")
    yard.start("here", "there")
    assert [place for _, place in yard.azure.started] == ["there", "there"]
    assert yard.azure.asked == 3
    assert yard.instance.rest(["here", "there"]) is None
    assert yard.instance.rest(["here"]) is not None
    yard.azure.faults.clear()
    yard.later(61)
    yard.start("here", "there")
    assert yard.azure.started[-1][1] == "here"


def test_where_no_region_has_a_spot_group_a_regular_one_is_taken() -> None:
    yard = Yard(Ration(100, 300))
    yard.azure.faults = {"here+spot": FULL, "there+spot": FULL}
    request = GroupRequest("g", "here", "token", ("there",), is_spot=True)
    taken = yard.instance.start(request)
    assert (taken.location, taken.is_spot, yard.azure.asked) == ("here", False, 3)
    assert yard.instance.start(request).is_spot is False
    assert yard.azure.asked == 4, "Spot groups rest"
    assert yard.instance.rest(["here", "there"]) is None
    yard.azure.faults.clear()
    yard.later(61)
    assert yard.instance.start(request).is_spot is True


def test_when_all_regions_are_full_all_reasons_are_told() -> None:
    yard = Yard(Ration(100, 300))
    yard.azure.faults = {"here": FULL, "there": Throttled("None there.", retry_after=20, code=NO_ROOM)}
    with pytest.raises(Throttled, match=r"No room in one region\. None there\.") as refused:
        yard.start("here", "there")
    assert refused.value.retry_after == 20
    yard.later(21)
    yard.azure.faults.clear()
    yard.start("here", "there")
    assert yard.azure.started[-1][1] == "there"


def test_what_azure_is_asked_for_is_counted_by_region_and_outcome(
    counted: Counted,
) -> None:
    yard = Yard(ration=Ration())
    yard.azure.faults = {"full": Throttled("no room", code=NO_ROOM), "away": Unavailable("away")}
    yard.start("full", "here")
    yard.start("here")
    with pytest.raises(Unavailable):
        yard.start("away")

    found = counted(Metric.CREATIONS)
    assert found == {("noRoom", "full"): 1, ("created", "here"): 2, ("failed", "away"): 1}
