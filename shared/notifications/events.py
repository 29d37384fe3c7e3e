"""Runs as cloud events, version 1.0. Pure.

What an event tells follows from the run's row alone, also later: a repetition has the same id and the same content, and
an event that a crash has swallowed is told with the run's next one. The source is the registry's resource id.
"""

import json
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

from shared.arm.names import RegistryId
from shared.arm.wire import arm_time
from shared.runs.model import Run, Status
from shared.runs.resource import run_resource
from shared.settings import Notice, Receiver

CONTENT_TYPE: Final = "application/cloudevents+json; charset=utf-8"
BATCH_TYPE: Final = "application/cloudevents-batch+json; charset=utf-8"
"""That of a list of events, which is what a topic of Event Grid is sent."""
_TYPE: Final = "dev.slipway.run"
_ENDS: Final = {
    Status.SUCCEEDED: Notice.SUCCEEDED,
    Status.FAILED: Notice.FAILED,
    Status.CANCELED: Notice.CANCELED,
    Status.ERROR: Notice.ERROR,
    Status.TIMEOUT: Notice.TIMEOUT,
}


def notices(run: Run) -> dict[Notice, datetime]:
    """Answer what there is to tell of a run by now, and when each happened."""
    told = {Notice.QUEUED: run.created}
    if run.started:
        told[Notice.STARTED] = run.started
    if run.status in _ENDS:
        told[_ENDS[run.status]] = run.finished or run.updated
    return told


def wants(receiver: Receiver, run: Run, notice: Notice) -> bool:
    """Whether a receiver is to be told of this."""
    if receiver.events and notice not in receiver.events:
        return False
    if receiver.registries and run.registry not in {name.lower() for name in receiver.registries}:
        return False
    task = (run.task or "").lower()
    return not receiver.tasks or (bool(task) and any(fnmatchcase(task, name.lower()) for name in receiver.tasks))


def cloud_event(registry: RegistryId, run: Run, notice: Notice) -> bytes:
    """Answer the event as JSON. Its data is the run as `GET` answered it at that moment, without anything secret."""
    time = notices(run)[notice]
    event: dict[str, Any] = {
        "specversion": "1.0",
        "id": f"{run.id}-{notice}",
        "source": str(registry),
        "type": f"{_TYPE}.{notice}",
        "subject": f"runs/{run.id}",
        "time": arm_time(time),
        "datacontenttype": "application/json",
        "data": run_resource(registry, _at(run, notice, time)).json_object(),
    }
    return json.dumps(event).encode()


def _at(run: Run, notice: Notice, time: datetime) -> Run:
    """Answer the run as it was when something happened, without what only its owner is to see."""
    then: dict[str, object] = {"updated": time, "update_trigger_token": None, "cause": _without_logins(run)}
    if notice in (Notice.QUEUED, Notice.STARTED):
        then |= {"finished": None, "output_images": (), "base_images": (), "error": None, "status": Status.RUNNING}
    if notice is Notice.QUEUED:
        then |= {"started": None, "status": Status.QUEUED}
    return run.model_copy(update=then)


def _without_logins(run: Run) -> object:
    """Answer the cause with a repository's address that holds no user, password or query."""
    source = run.cause.source_trigger
    if source is None or not source.repository_url:
        return run.cause
    parts = urlsplit(source.repository_url)
    address = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
    return run.cause.model_copy(update={"source_trigger": source.model_copy(update={"repository_url": address})})
