"""Rows: insert-if-absent, ETags and transactions, against a real Azurite."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import pytest
from azure.data.tables import TableServiceClient

from shared.errors import Conflict, InvalidRequest, NotFound, PreconditionFailed, TooLarge
from shared.storage import Delete, Insert, Replace, Table

pytestmark = pytest.mark.slow


class Connected(Protocol):
    @property
    def connection(self) -> str: ...


@dataclass
class Names:
    count: int = 0


NAMES = Names()


@pytest.fixture
def table(azurite: Connected) -> Iterator[Table]:
    NAMES.count += 1
    client = TableServiceClient.from_connection_string(azurite.connection).create_table(f"table{NAMES.count}")
    yield Table(client)
    client.close()


def test_a_row_is_read_as_it_was_written(table: Table) -> None:
    table.insert("p", "k", {"text": "ä", "number": 7, "share": 0.5, "flag": True})
    row = table.get("p", "k")
    assert dict(row.values) == {"text": "ä", "number": 7, "share": 0.5, "flag": True}
    assert table.find("p", "other") is None
    with pytest.raises(NotFound):
        table.get("p", "other")


def test_a_key_is_inserted_once(table: Table) -> None:
    table.insert("p", "k", {})
    with pytest.raises(Conflict):
        table.insert("p", "k", {})


def test_a_row_that_changed_meanwhile_is_not_replaced(table: Table) -> None:
    table.insert("p", "k", {"n": 1})
    first = table.get("p", "k")
    table.replace(first, {"n": 2})
    with pytest.raises(PreconditionFailed):
        table.replace(first, {"n": 3})
    assert table.get("p", "k").values["n"] == 2


def test_a_transaction_makes_all_changes_or_none(table: Table) -> None:
    table.insert("p", "a", {"n": 1})
    row = table.get("p", "a")
    with pytest.raises(Conflict):
        table.transaction([Insert("p", "b", {}), Insert("p", "a", {})])
    assert table.find("p", "b") is None
    table.transaction([Insert("p", "b", {}), Replace(row, {"n": 2})])
    with pytest.raises(PreconditionFailed):
        table.transaction([Delete("p", "b"), Replace(row, {"n": 3})])
    assert table.find("p", "b") is not None
    with pytest.raises(NotFound):
        table.transaction([Delete("p", "missing")])
    with pytest.raises(PreconditionFailed):
        table.transaction([Delete("p", "a", row.etag)])


def test_a_range_is_read_in_key_order(table: Table) -> None:
    for key in ("r3", "r1", "a9", "s0", "r2"):
        table.insert("p", key, {})
    assert [row.key for row in table.query("p", "r", "s")] == ["r1", "r2", "r3"]


def test_rows_of_many_partitions_are_read_in_order(table: Table) -> None:
    for partition, key in (("p2", "a"), ("p1", "b"), ("p3", "a"), ("p1", "a"), ("p1", "x")):
        table.insert(partition, key, {})
    assert [(row.partition, row.key) for row in table.across("p1", "p3", "a", "c")] == [
        ("p1", "a"),
        ("p1", "b"),
        ("p2", "a"),
    ]


def test_a_replaced_row_is_answered_with_its_new_etag(table: Table) -> None:
    table.insert("p", "k", {"n": 1})
    changed = table.replace(table.get("p", "k"), {"n": 2})
    assert changed == table.get("p", "k")
    assert dict(table.replace(changed, {"n": 3}).values) == {"n": 3}


@pytest.mark.parametrize("key", ["a/b", "a\\b", "a#b", "a?b", "\0", "a\x7f", "\ud800"])
def test_a_key_that_cannot_be_one_is_refused(table: Table, key: str) -> None:
    with pytest.raises(InvalidRequest):
        table.get("p", key)


def test_a_value_that_no_row_takes_is_told_as_too_large(table: Table) -> None:
    with pytest.raises(TooLarge):
        table.insert("p", "k", {"text": "x" * 40_000})
