"""The wire form of container groups, as Azure Container Instances answers it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from devstack.container_groups.orders import Document, Exit, Started

_TIMEOUT_SECONDS = 1800


@dataclass(frozen=True)
class Record(Document):
    """A group as its owner asked for it. `body` holds no secure value; `fingerprint` covers them.

    `id` is the ARM resource id as first written; `created` is ISO 8601, UTC. `images` are those of all containers by
    name, `container` the first of them, and `before` those that run before.
    """

    id: str
    location: str
    container: str
    images: dict[str, str]
    before: list[str]
    cpu: float
    body: dict[str, Any]
    fingerprint: str
    created: str
    stopped: bool = False
    evicted: bool = False

    @property
    def name(self) -> str:
        """The group's name."""
        return self.id.rpartition("/")[2]

    @property
    def beside(self) -> list[str]:
        """The names of all containers but the first."""
        return [name for name in self.images if name != self.container]


@dataclass(frozen=True)
class Status:
    """What is known of a group's first container: neither member set means that it is being started.

    `beside` is the same of the others by name, where it was asked for.
    """

    started: Started | None
    exit: Exit | None
    beside: Mapping[str, "Status"] = field(default_factory=dict)

    @property
    def ran(self) -> bool:
        """Whether the container's first process ever started."""
        return self.started is not None or (self.exit is not None and self.exit.started is not None)


def group_view(record: Record, status: Status, *, instance_view: bool) -> dict[str, Any]:
    """Return the resource; lists leave the instance view out, as Azure does."""
    properties: dict[str, Any] = {
        "sku": "Standard",
        **record.body["properties"],
        "provisioningState": provisioning_state(status),
        "provisioningTimeoutInSeconds": _TIMEOUT_SECONDS,
        "initContainers": record.body["properties"].get("initContainers") or [],
    }
    if instance_view:
        for kind in ("initContainers", "containers"):
            properties[kind] = [_with_view(container, status) for container in properties[kind]]
        properties["instanceView"] = {"events": _group_events(record, status), "state": group_state(record, status)}
    top = {name: record.body[name] for name in ("tags", "zones") if record.body.get(name) is not None}
    kind = "Microsoft.ContainerInstance/containerGroups"
    return {
        "id": record.id, "name": record.name, "type": kind, "location": record.location, **top,
        "properties": properties,
    }  # fmt: skip


def _with_view(container: dict[str, Any], status: Status) -> dict[str, Any]:
    own = status.beside.get(container["name"], status)
    return {**container, "properties": {**container["properties"], "instanceView": _container_view(own)}}


def provisioning_state(status: Status) -> str:
    """Return where the group's creation stands."""
    if status.ran:
        return "Succeeded"
    return "Failed" if status.exit is not None else "Creating"


def group_state(record: Record, status: Status) -> str:
    """Return the state of the whole group: it runs for as long as one of its containers does."""
    together = [status, *(each for name, each in status.beside.items() if name not in record.before)]
    ends = [each.exit for each in together]
    if status.exit is not None and status.exit.started is None:
        return "Failed"
    if None in ends:
        return "Running" if status.ran else "Pending"
    if record.stopped:
        return "Stopped"
    return "Succeeded" if all(end is not None and end.exit_code == 0 for end in ends) else "Failed"


def operation_view(identifier: str, name: str, status: str) -> dict[str, Any]:
    """Return an operation's result; `status` is InProgress, Succeeded or Failed."""
    view: dict[str, Any] = {"id": identifier, "name": name, "status": status}
    if status == "Failed":
        view["error"] = {"code": "ContainerGroupFailed", "message": "The container group did not start."}
    return view


def _container_view(status: Status) -> dict[str, Any]:
    return {"restartCount": 0, "currentState": _container_state(status), "events": _events(status)}


def _container_state(status: Status) -> dict[str, Any]:
    if status.exit is None:
        if status.started is None:
            return {"state": "Waiting", "detailStatus": "Creating"}
        return {"state": "Running", "startTime": status.started.time, "detailStatus": ""}
    state: dict[str, Any] = {
        "state": "Terminated", "exitCode": status.exit.exit_code, "finishTime": status.exit.finished,
        "detailStatus": status.exit.reason,
    }  # fmt: skip
    if status.exit.started is not None:
        state["startTime"] = status.exit.started
    return state


def _group_events(record: Record, status: Status) -> list[dict[str, Any]]:
    """Return what happened to the group as a whole. Azure does not publish what it calls an eviction."""
    ended = status.exit
    if ended is not None and ended.event:
        return [_event(ended.event, ended.message, ended.finished, "Warning")]
    if ended is not None and record.evicted:
        return [_event("Preempted", "The container group was evicted.", ended.finished, "Warning")]
    return []


def _events(status: Status) -> list[dict[str, Any]]:
    events = []
    started = status.started.time if status.started else status.exit.started if status.exit else None
    if started is not None:
        events.append(_event("Started", "Started container", started, "Normal"))
    if status.exit is not None and status.exit.message and not status.exit.event:
        events.append(_event("Failed", status.exit.message, status.exit.finished, "Warning"))
    return events


def _event(name: str, message: str, time: str, kind: str) -> dict[str, Any]:
    return {
        "count": 1, "firstTimestamp": time, "lastTimestamp": time, "name": name, "message": message, "type": kind,
    }  # fmt: skip
