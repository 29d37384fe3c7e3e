"""The log of a run: an append blob that exists before the run is answered and is marked `Complete` last.

The app writes while the run waits and after it has ended; in between only the builder does.
"""

from datetime import timedelta

from shared.errors import NotFound, PreconditionFailed
from shared.runs.context import Workshop
from shared.runs.model import Run
from shared.runs.trailer import complete_value, trailer, trailer_mark
from shared.storage import Permission

_CONTAINER = "logs"
_COMPLETE = "Complete"
_MARGIN = timedelta(hours=1)
QUEUE_PATIENCE = timedelta(hours=12)
_TAIL_BYTES = 4096
_APPEND_ATTEMPTS = 10


def log_name(registry: str, run_id: str) -> str:
    """Answer the blob's name."""
    return f"{registry}/{run_id}/rawtext.log"


def create_log(shop: Workshop, registry: str, run_id: str) -> None:
    """Create the empty log. Raises Conflict when the run id has been used before."""
    shop.storage.blobs.create_append(_CONTAINER, log_name(registry, run_id))


def say(shop: Workshop, run: Run, *lines: str) -> None:
    """Append dated lines while no builder writes."""
    text = "".join(f"{shop.clock():%Y/%m/%d %H:%M:%S} {line}\r\n" for line in lines)
    shop.storage.blobs.append(_CONTAINER, log_name(run.registry, run.id), text.encode())


def log_size(shop: Workshop, run: Run) -> int:
    """Answer how many bytes the log holds."""
    return shop.storage.blobs.state(_CONTAINER, log_name(run.registry, run.id)).size


def complete_log(shop: Workshop, run: Run) -> None:
    """Write the ended run's last line and then the mark. Calling again, or twice at once, changes nothing.

    Where a builder goes on writing with its SAS the line lands among what it writes, and the run ends all the same.
    """
    blobs, name = shop.storage.blobs, log_name(run.registry, run.id)
    for attempt in range(_APPEND_ATTEMPTS):
        is_last = attempt + 1 == _APPEND_ATTEMPTS
        try:
            state = blobs.state(_CONTAINER, name)
        except NotFound:
            return
        if any(key.lower() == _COMPLETE.lower() for key in state.metadata):
            return
        tail = (
            blobs.read(_CONTAINER, name, offset=max(0, state.size - _TAIL_BYTES), length=_TAIL_BYTES)
            if state.size
            else b""
        )
        try:
            if trailer_mark(run).encode() not in tail:
                blobs.append(_CONTAINER, name, trailer(run).encode(), position=None if is_last else state.size)
        except PreconditionFailed:
            continue
        blobs.set_metadata(_CONTAINER, name, {_COMPLETE: complete_value(run.status)})
        return


def reading_url(shop: Workshop, run: Run) -> str:
    """Answer a URL by which az reads the log for as long as the run can take, its wait in the queue included."""
    life = timedelta(seconds=run.timeout_seconds) + QUEUE_PATIENCE
    return shop.storage.blobs.sas_url(_CONTAINER, log_name(run.registry, run.id), Permission.READ, life)


def writing_url(shop: Workshop, run: Run) -> str:
    """Answer a URL by which the run's builder appends."""
    life = timedelta(seconds=run.timeout_seconds) + _MARGIN
    return shop.storage.blobs.sas_url(_CONTAINER, log_name(run.registry, run.id), Permission.APPEND, life)


def delete_log(shop: Workshop, run: Run) -> None:
    """Delete the log of a run that is purged."""
    shop.storage.blobs.delete(_CONTAINER, log_name(run.registry, run.id))
