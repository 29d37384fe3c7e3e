"""Rows with ETags, and transactions within one partition."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import batched, islice
from typing import Any

from azure.core import MatchConditions
from azure.data.tables import TableClient, TransactionOperation, UpdateMode

from shared.errors import InvalidRequest, NotFound
from shared.storage._faults import storage_faults

Scalar = str | int | float | bool
_FORBIDDEN = re.compile(r"[/\\#?\x00-\x1f\x7f-\x9f\ud800-\udfff]")
"""Source: Azure's rules for keys of tables; halves of UTF-16 pairs cannot be sent at all."""
_TRANSACTION = 100
_UPDATE: dict[str, Any] = {"mode": UpdateMode.REPLACE, "match_condition": MatchConditions.IfNotModified}


@dataclass(frozen=True)
class Row:
    """One entity. Values are strings, numbers and booleans; a string holds at most 32,768 characters."""

    partition: str
    key: str
    values: Mapping[str, Scalar]
    etag: str = ""


@dataclass(frozen=True)
class Insert:
    """Add a row that must not exist."""

    partition: str
    key: str
    values: Mapping[str, Scalar]


@dataclass(frozen=True)
class Replace:
    """Put `values` in place of a row that must not have changed since it was read."""

    row: Row
    values: Mapping[str, Scalar]


@dataclass(frozen=True)
class Delete:
    """Remove a row, which must exist; with an ETag only as it was read."""

    partition: str
    key: str
    etag: str = ""


Change = Insert | Replace | Delete


class Table:
    """One table. Safe to use from several threads."""

    def __init__(self, client: TableClient) -> None:
        self._client = client

    def get(self, partition: str, key: str) -> Row:
        """Read one row. Raises NotFound."""
        with storage_faults(f"Row {key}"):
            return _row(self._client.get_entity(_key(partition), _key(key)))

    def find(self, partition: str, key: str) -> Row | None:
        """Read one row, or None."""
        try:
            return self.get(partition, key)
        except NotFound:
            return None

    def insert(self, partition: str, key: str, values: Mapping[str, Scalar]) -> None:
        """Add a row. Raises Conflict when the key is taken."""
        with storage_faults(f"Row {key}"):
            self._client.create_entity(_entity(partition, key, values))

    def replace(self, row: Row, values: Mapping[str, Scalar]) -> Row:
        """Change a row that was read before and answer it as it is then.

        Raises PreconditionFailed or NotFound when it has changed or is gone.
        """
        with storage_faults(f"Row {row.key}"):
            done = self._client.update_entity(_entity(row.partition, row.key, values), etag=row.etag, **_UPDATE)
            return Row(row.partition, row.key, values, str(done["etag"]))

    def delete(self, partition: str, key: str) -> None:
        """Remove a row; one that is gone already is fine."""
        with storage_faults(f"Row {key}"):
            self._client.delete_entity(_key(partition), _key(key))

    def delete_all(self, partition: str, keys: Iterable[str]) -> None:
        """Remove rows of one partition, a hundred at a time; those that are gone already are fine."""
        for some in batched(keys, _TRANSACTION, strict=False):
            try:
                self.transaction([Delete(partition, key) for key in some])
            except NotFound:
                for key in some:
                    self.delete(partition, key)

    def query(self, partition: str, first: str, end: str) -> Iterator[Row]:
        """Read the rows of a partition with `first <= key < end`, in key order, page by page."""
        condition = "PartitionKey eq @partition and RowKey ge @first and RowKey lt @end"
        parameters = {"partition": partition, "first": first, "end": end}
        with storage_faults(f"Rows {first}"):
            for entity in self._client.query_entities(condition, parameters=parameters):
                yield _row(entity)

    def first(self, partition: str, first: str, end: str, most: int) -> list[Row]:
        """Read the first `most` (at most 1,000) rows of a partition with `first <= key < end`, in one request."""
        condition = "PartitionKey eq @partition and RowKey ge @first and RowKey lt @end"
        parameters = {"partition": partition, "first": first, "end": end}
        with storage_faults(f"Rows {first}"):
            entities = self._client.query_entities(condition, parameters=parameters, results_per_page=most)
            return list(map(_row, islice(entities, most)))

    def across(self, partition: str, partition_end: str, first: str, end: str) -> Iterator[Row]:
        """Read the rows with `first <= key < end` of many partitions, `partition <= p < partition_end`, in order."""
        condition = (
            "PartitionKey ge @partition and PartitionKey lt @partition_end and RowKey ge @first and RowKey lt @end"
        )
        parameters = {"partition": partition, "partition_end": partition_end, "first": first, "end": end}
        with storage_faults(f"Rows {first}"):
            for entity in self._client.query_entities(condition, parameters=parameters):
                yield _row(entity)

    def marked(self, partition: str, partition_end: str, column: str) -> Iterator[Row]:
        """Read the rows of many partitions, `partition <= p < partition_end`, whose boolean column is true."""
        condition = f"PartitionKey ge @partition and PartitionKey lt @partition_end and {column} eq true"
        parameters = {"partition": partition, "partition_end": partition_end}
        with storage_faults(f"Rows of {partition}"):
            for entity in self._client.query_entities(condition, parameters=parameters):
                yield _row(entity)

    def transaction(self, changes: Sequence[Change]) -> None:
        """Make up to 100 changes in one partition, all or none.

        Raises Conflict (a row to insert exists), NotFound (a row to change or delete is gone) or
        PreconditionFailed (a row has changed).
        """
        with storage_faults("The transaction"):
            self._client.submit_transaction([_operation(change) for change in changes])

    def replace_all(self, changes: Sequence[Replace]) -> list[Row]:
        """Change up to 100 rows of one partition, all or none, and answer them as they are then.

        Raises PreconditionFailed or NotFound when one of them has changed or is gone.
        """
        with storage_faults("The transaction"):
            done = self._client.submit_transaction([_operation(change) for change in changes])
            return [
                Row(change.row.partition, change.row.key, change.values, str(answer["etag"]))
                for change, answer in zip(changes, done, strict=True)
            ]


def _key(text: str) -> str:
    if _FORBIDDEN.search(text):
        raise InvalidRequest("A name holds a character that no name may hold.")
    return text


def _entity(partition: str, key: str, values: Mapping[str, Scalar]) -> dict[str, Any]:
    return {**values, "PartitionKey": _key(partition), "RowKey": _key(key)}


def _row(entity: Any) -> Row:  # noqa: ANN401 - the SDK's TableEntity is a dict with metadata
    values = {name: value for name, value in entity.items() if name not in {"PartitionKey", "RowKey"}}
    return Row(entity["PartitionKey"], entity["RowKey"], values, entity.metadata["etag"])


def _operation(change: Change) -> Any:  # noqa: ANN401 - the SDK's union of tuples
    match change:
        case Insert():
            return TransactionOperation.CREATE, _entity(change.partition, change.key, change.values)
        case Replace():
            entity = _entity(change.row.partition, change.row.key, change.values)
            return TransactionOperation.UPDATE, entity, {"etag": change.row.etag, **_UPDATE}
        case Delete():
            condition = {"etag": change.etag, "match_condition": MatchConditions.IfNotModified} if change.etag else {}
            return TransactionOperation.DELETE, _entity(change.partition, change.key, {}), condition


__all__ = ["Change", "Delete", "Insert", "Replace", "Row", "Scalar", "Table"]
