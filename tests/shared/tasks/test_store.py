"""Tasks on a real Azurite: kept whole, secrets sealed, no change lost."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, Protocol

import pytest
from azure.data.tables import TableClient, TableServiceClient

from shared.access.callers import Caller
from shared.access.keys import Keys
from shared.arm.names import RegistryId
from shared.arm.wire import BaseImage
from shared.errors import InvalidRequest, NotFound, SlipwayError, TooLarge
from shared.storage import Table
from shared.tasks.changes import Setting, list_tasks, patch_task, put_task, record_dependencies
from shared.tasks.store import TaskStore

pytestmark = pytest.mark.slow
NOW = datetime(2026, 1, 2, tzinfo=UTC)
_TABLES = count(1)


class Connected(Protocol):
    @property
    def connection(self) -> str: ...


@pytest.fixture
def table(azurite: Connected) -> Iterator[TableClient]:
    service = TableServiceClient.from_connection_string(azurite.connection)
    yield service.create_table(f"taskstore{next(_TABLES)}")
    service.close()


@pytest.fixture
def store(table: TableClient) -> TaskStore:
    return TaskStore(Table(table), Keys(bytes(32)))


def setting(later: int = 0, who: str = "me") -> Setting:
    caller = Caller(who, "User", frozenset())
    return Setting(RegistryId("s", "g", "Reg"), "here", "tenant", caller, NOW + timedelta(minutes=later))


def body(value: str = "hush", **properties: object) -> dict[str, Any]:
    values = [{"name": "x", "value": value, "isSecret": True}]
    step = {"type": "EncodedTask", "encodedTaskContent": "c3RlcHM6IFtdCg==", "values": values}
    return {"properties": {"step": step, **properties}}


def test_a_task_is_read_as_it_was_put(store: TaskStore) -> None:
    made = put_task(store, setting(), "MyTask", body())
    assert store.get("reg", "mytask") == made
    assert made.spec.location == "here"
    content = store.read("reg", "MYTASK")
    assert content.full.json_object()["properties"]["step"]["values"][0]["value"] == "hush"


def test_no_secret_lies_in_clear(store: TaskStore, table: TableClient) -> None:
    put_task(store, setting(), "mytask", body("hunter2"))
    (row,) = table.list_entities()
    assert "hunter2" not in str(dict(row))


def test_a_sealed_task_opens_only_as_itself(store: TaskStore, table: TableClient) -> None:
    put_task(store, setting(), "mytask", body())
    put_task(store, setting(), "other", body("other"))
    rows = {row["RowKey"]: row for row in table.list_entities()}
    table.update_entity(rows["mytask"] | {"sealed00": rows["other"]["sealed00"]})
    with pytest.raises(SlipwayError, match="does not open"):
        store.read("reg", "mytask")


def test_put_replaces_and_keeps_when_and_by_whom_it_was_made(store: TaskStore) -> None:
    first = put_task(store, setting(), "mytask", body(timeout=600))
    second = put_task(store, setting(5, "you"), "mytask", body())
    assert second.properties.timeout == 3600
    assert (second.created, second.system_data.created_by) == (first.created, "me")
    assert (second.system_data.last_modified_by, second.system_data.last_modified_at) == ("you", setting(5).now)


def test_patch_keeps_secrets_and_refuses_what_put_refuses(store: TaskStore) -> None:
    put_task(store, setting(), "mytask", body())
    patched = patch_task(store, setting(1), "mytask", {"properties": {"status": "Disabled", "step": {}}})
    assert not patched.is_enabled
    assert store.read("reg", "mytask").full.json_object()["properties"]["step"]["values"][0]["value"] == "hush"
    with pytest.raises(InvalidRequest):
        patch_task(store, setting(2), "mytask", {"properties": {"timeout": 1}})
    assert store.get("reg", "mytask") == patched
    with pytest.raises(NotFound):
        patch_task(store, setting(), "nothere", {})


def test_lists_are_oldest_first_and_of_one_registry(store: TaskStore) -> None:
    for later, name in ((2, "atask"), (0, "ztask"), (1, "mtask")):
        put_task(store, setting(later), name, body())
    assert [task.name for task in list_tasks(store, "reg")] == ["ztask", "mtask", "atask"]
    assert list_tasks(store, "other") == []


def test_delete(store: TaskStore) -> None:
    put_task(store, setting(), "mytask", body())
    assert store.delete("reg", "MyTask")
    assert not store.delete("reg", "MyTask")
    assert store.find("reg", "mytask") is None


def test_a_long_task_is_kept_and_one_too_long_is_refused(store: TaskStore) -> None:
    values = [{"name": f"v{number}", "value": "ä" * 1500} for number in range(100)]
    step = {"type": "EncodedTask", "encodedTaskContent": "c3RlcHM6IFtdCg==", "values": values}
    made = put_task(store, setting(), "mytask", {"properties": {"step": step}})
    assert store.get("reg", "mytask") == made
    values = [{"name": f"v{number}", "value": "x" * 5000} for number in range(100)]
    with pytest.raises(TooLarge):
        put_task(store, setting(), "mytask", {"properties": {"step": step | {"values": values}}})
    assert store.get("reg", "mytask") == made


def test_no_change_is_lost_when_many_write(store: TaskStore) -> None:
    put_task(store, setting(), "mytask", body())

    def add(number: int) -> None:
        timer = {"name": f"t{number}", "schedule": "0 1 * * *"}
        patch_task(store, setting(), "mytask", {"properties": {"trigger": {"timerTriggers": [timer]}}})

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(add, range(6)))
    timers = store.get("reg", "mytask").properties.trigger.timer_triggers
    assert sorted(timer.name for timer in timers) == [f"t{number}" for number in range(6)]


def test_dependencies_are_those_of_the_latest_run(store: TaskStore) -> None:
    def image(tag: str) -> BaseImage:
        return BaseImage(type="Runtime", registry="r", repository="base", tag=tag)

    put_task(store, setting(), "mytask", body())
    assert record_dependencies(store, "reg", "mytask", "c2", [image("2")])
    assert record_dependencies(store, "reg", "mytask", "c2", [image("2")]) is None
    assert record_dependencies(store, "reg", "mytask", "c1", [image("1")]) is None
    assert record_dependencies(store, "reg", "gone", "c3", [image("3")]) is None
    patch_task(store, setting(1), "mytask", {"properties": {"timeout": 600}})
    task = put_task(store, setting(2), "mytask", body())
    assert task.base_images == (image("2"),)
    assert store.read("reg", "mytask").full.json_object()["properties"]["step"]["values"][0]["value"] == "hush"
