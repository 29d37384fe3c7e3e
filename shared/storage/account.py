"""The storage account of one functions app, opened from its settings."""

from dataclasses import dataclass
from typing import Any

from azure.data.tables import TableServiceClient
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueServiceClient, TextBase64EncodePolicy

from shared.identity import app_identity
from shared.settings import Settings
from shared.storage._faults import create_once
from shared.storage.blobs import Blobs
from shared.storage.queues import Queue
from shared.storage.tables import Table

TABLES = (
    "runs",
    "groups",
    "tasks",
    "taskruns",
    "pools",
    "hooks",
    "deliveries",
    "timers",
    "due",
    "decisions",
    "bases",
    "deps",
    "taskdeps",
    "pending",
    "watches",
    "layers",
    "notifications",
)
CONTAINERS = ("sources", "logs", "requests", "results", "signing-keys")
QUEUES = (
    "dispatch",
    "git-deliveries",
    "git-statuses",
    "registry-events",
    "base-images",
    "provenance",
    "notifications",
    "telemetry",
)


@dataclass(frozen=True)
class Storage:
    """Everything Slipway keeps."""

    runs: Table
    groups: Table
    tasks: Table
    task_runs: Table
    agent_pools: Table
    hooks: Table
    deliveries: Table
    timers: Table
    due: Table
    decisions: Table
    bases: Table
    dependents: Table
    dependencies: Table
    pending: Table
    watches: Table
    layers: Table
    notifications: Table
    blobs: Blobs
    dispatch: Queue
    git_deliveries: Queue
    git_statuses: Queue
    registry_events: Queue
    base_images: Queue
    provenance: Queue
    notices: Queue
    telemetry: Queue


def open_storage(settings: Settings) -> Storage:
    """Open the account and create what is missing in it. Raises Unavailable when it does not answer."""
    tables, blobs, queues = _services(settings)
    for name in TABLES:
        create_once(tables.get_table_client(name).create_table, f"Table {name}")
    for name in QUEUES:
        create_once(queues.get_queue_client(name).create_queue, f"Queue {name}")
    account_key = getattr(blobs.credential, "account_key", None)
    room = Blobs(blobs, account_key)
    room.ensure(CONTAINERS)
    return Storage(
        runs=Table(tables.get_table_client("runs")),
        groups=Table(tables.get_table_client("groups")),
        tasks=Table(tables.get_table_client("tasks")),
        task_runs=Table(tables.get_table_client("taskruns")),
        agent_pools=Table(tables.get_table_client("pools")),
        hooks=Table(tables.get_table_client("hooks")),
        deliveries=Table(tables.get_table_client("deliveries")),
        timers=Table(tables.get_table_client("timers")),
        due=Table(tables.get_table_client("due")),
        decisions=Table(tables.get_table_client("decisions")),
        bases=Table(tables.get_table_client("bases")),
        dependents=Table(tables.get_table_client("deps")),
        dependencies=Table(tables.get_table_client("taskdeps")),
        pending=Table(tables.get_table_client("pending")),
        watches=Table(tables.get_table_client("watches")),
        layers=Table(tables.get_table_client("layers")),
        notifications=Table(tables.get_table_client("notifications")),
        blobs=room,
        dispatch=_queue(queues, "dispatch"),
        git_deliveries=_queue(queues, "git-deliveries"),
        git_statuses=_queue(queues, "git-statuses"),
        registry_events=_queue(queues, "registry-events"),
        base_images=_queue(queues, "base-images"),
        provenance=_queue(queues, "provenance"),
        notices=_queue(queues, "notifications"),
        telemetry=_queue(queues, "telemetry"),
    )


def _queue(queues: QueueServiceClient, name: str) -> Queue:
    return Queue(queues.get_queue_client(name, message_encode_policy=TextBase64EncodePolicy()))


def _services(settings: Settings) -> tuple[TableServiceClient, BlobServiceClient, QueueServiceClient]:
    connection = settings.storage_connection
    if connection:
        return (
            TableServiceClient.from_connection_string(connection, **_RETRIES),
            BlobServiceClient.from_connection_string(connection, **_RETRIES),
            QueueServiceClient.from_connection_string(connection, **_RETRIES),
        )
    credential = app_identity(settings)
    return (
        TableServiceClient(settings.table_service, credential=credential, **_RETRIES),
        BlobServiceClient(settings.blob_service, credential=credential, **_RETRIES),
        QueueServiceClient(settings.queue_service, credential=credential, **_RETRIES),
    )


_RETRIES: dict[str, Any] = {"retry_total": 3, "connection_timeout": 5, "read_timeout": 30}
