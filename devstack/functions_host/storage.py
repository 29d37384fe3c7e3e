"""The storage account of the app: queues that trigger functions, and the host's own blobs.

The SDK's blocking clients run on a pool of threads of their own, so that storage that hangs never takes a
thread from the app. Nothing is retried here: those who poll know better how long to wait.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Protocol

from azure.core.exceptions import AzureError, HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.storage.blob import BlobClient, BlobLeaseClient, BlobServiceClient
from azure.storage.queue import QueueClient, QueueMessage, QueueServiceClient

from devstack.functions_host.errors import SettingsError

HOST_CONTAINER = "azure-webjobs-hosts"
_THREADS = 16
_CONFLICT = 409
_PRECONDITION = 412
_GONE = {"MessageNotFound", "PopReceiptMismatch", "QueueNotFound", "QueueBeingDeleted"}
_UNKNOWN = datetime.fromtimestamp(0, UTC)


class StorageAway(Exception):
    """Storage did not answer, or not as it should; the message names the kind of failure only."""


class MessageGone(Exception):
    """The message was deleted, or another reader holds it now."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message taken from a queue; `text` as stored, still encoded."""

    id: str
    text: str
    receipt: str
    dequeue_count: int
    inserted: datetime
    expires: datetime
    next_visible: datetime


class Queue(Protocol):
    """A queue and its poison queue. Every call may raise StorageAway; calls are safe to repeat."""

    name: str

    async def take(self, count: int, hidden_seconds: float) -> list[Message]:
        """Take up to `count` messages and hide them; none if the queue does not exist."""

    async def hide(self, message: Message, seconds: float) -> Message:
        """Hide the message for `seconds` from now and return it with its new receipt; raises MessageGone."""

    async def delete(self, message: Message) -> None:
        """Delete the message; raises MessageGone."""

    async def poison(self, message: Message) -> None:
        """Copy the message to `<queue>-poison`, which is made on demand."""


class Threads:
    """Runs blocking storage calls; azure-core's errors become StorageAway."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="storage")

    async def call[T](self, function: Callable[[], T]) -> T:
        """Run `function` on a thread and return what it returns."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, function)
        except AzureError as error:
            code = getattr(error, "error_code", None) or type(error).__name__
            raise StorageAway(str(code)) from error

    def close(self) -> None:
        """Let the threads end; calls under way finish."""
        self._pool.shutdown(wait=False, cancel_futures=True)


class AzureQueue:
    """A Queue of a storage account."""

    def __init__(self, threads: Threads, connection: str, name: str) -> None:
        self.name = name
        self._threads = threads
        service = _client(QueueServiceClient, connection)
        self._queue: QueueClient = service.get_queue_client(name)
        self._poison: QueueClient = service.get_queue_client(f"{name}-poison")

    async def take(self, count: int, hidden_seconds: float) -> list[Message]:
        """Take messages with one request."""

        def take() -> list[Message]:
            pages = self._queue.receive_messages(
                messages_per_page=count, visibility_timeout=int(hidden_seconds)
            ).by_page()
            try:
                return [_message(found) for found in next(pages, ())]
            except ResourceNotFoundError:
                return []

        return await self._threads.call(take)

    async def hide(self, message: Message, seconds: float) -> Message:
        """Renew or end the time for which a message is hidden."""

        def hide() -> Message:
            with _gone():
                changed = self._queue.update_message(message.id, message.receipt, visibility_timeout=int(seconds))
            return replace(message, receipt=str(changed.pop_receipt))

        return await self._threads.call(hide)

    async def delete(self, message: Message) -> None:
        """Delete a message that was dealt with."""

        def delete() -> None:
            with _gone():
                self._queue.delete_message(message.id, message.receipt)

        await self._threads.call(delete)

    async def poison(self, message: Message) -> None:
        """Copy a message that cannot be dealt with."""

        def put() -> None:
            try:
                self._poison.send_message(message.text)
            except ResourceNotFoundError:
                self._create_poison_queue()
                self._poison.send_message(message.text)

        await self._threads.call(put)

    def _create_poison_queue(self) -> None:
        try:
            self._poison.create_queue()
        except ResourceExistsError:
            return


class HostBlobs:
    """The host's own container: locks and the status of timers. Every call may raise StorageAway."""

    def __init__(self, threads: Threads, connection: str) -> None:
        self._threads = threads
        self._container = _client(BlobServiceClient, connection).get_container_client(HOST_CONTAINER)

    async def read(self, name: str) -> bytes | None:
        """Return a blob's content, None when there is no such blob."""

        def read() -> bytes | None:
            try:
                return self._container.download_blob(name).readall()
            except ResourceNotFoundError:
                return None

        return await self._threads.call(read)

    async def write(self, name: str, content: str) -> None:
        """Write a whole blob; the container is made on demand."""

        def write() -> None:
            try:
                self._container.upload_blob(name, content, overwrite=True)
            except ResourceNotFoundError:
                self._create_container()
                self._container.upload_blob(name, content, overwrite=True)

        await self._threads.call(write)

    async def acquire(self, name: str, seconds: int, owner: str) -> str | None:
        """Lease a blob, made on demand, and write its owner on it; None when it is leased by another."""

        def acquire() -> str | None:
            blob = self._container.get_blob_client(name)
            self._ensure(blob)
            lease = BlobLeaseClient(blob)
            try:
                lease.acquire(lease_duration=seconds)
            except ResourceExistsError:
                return None
            blob.set_blob_metadata({"owner": owner}, lease=lease)
            return lease.id

        return await self._threads.call(acquire)

    async def owner(self, name: str) -> str:
        """Return who wrote its name on a lock last, an empty text when nobody did."""

        def owner() -> str:
            return str(self._container.get_blob_client(name).get_blob_properties().metadata.get("owner", ""))

        return await self._threads.call(owner)

    async def break_lease(self, name: str) -> None:
        """End a lease at once, whoever holds it."""
        blob = self._container.get_blob_client(name)
        await self._threads.call(lambda: BlobLeaseClient(blob).break_lease(lease_break_period=0))

    async def renew(self, name: str, lease: str) -> bool:
        """Renew a lease; False when it is no longer ours."""

        def renew() -> bool:
            try:
                BlobLeaseClient(self._container.get_blob_client(name), lease_id=lease).renew()
            except HttpResponseError as error:
                if error.status_code in {_CONFLICT, _PRECONDITION}:
                    return False
                raise
            return True

        return await self._threads.call(renew)

    async def release(self, name: str, lease: str) -> None:
        """Give a lease back."""
        blob = self._container.get_blob_client(name)
        await self._threads.call(lambda: BlobLeaseClient(blob, lease_id=lease).release())

    def _ensure(self, blob: BlobClient) -> None:
        if blob.exists():
            return
        self._create_container()
        try:
            blob.upload_blob(b"", overwrite=False)
        except ResourceExistsError:
            return

    def _create_container(self) -> None:
        try:
            self._container.create_container()
        except ResourceExistsError:
            return


def _client[C: (QueueServiceClient, BlobServiceClient)](kind: type[C], connection: str) -> C:
    """Make a client that never retries and notices a dead endpoint within seconds; raises SettingsError."""
    try:
        return kind.from_connection_string(connection, retry_total=0, connection_timeout=5, read_timeout=30)
    except ValueError:
        # Without its cause, whose text may hold the key.
        raise SettingsError("A storage connection string of the app settings is malformed.") from None


@contextlib.contextmanager
def _gone() -> Iterator[None]:
    """Turn "no such message" and "stale receipt" into MessageGone."""
    try:
        yield
    except HttpResponseError as error:
        if getattr(error, "error_code", "") in _GONE:
            raise MessageGone from error
        raise


def _message(found: QueueMessage) -> Message:
    return Message(
        id=str(found.id),
        text=str(found.content),
        receipt=str(found.pop_receipt),
        dequeue_count=int(found.dequeue_count or 0),
        inserted=found.inserted_on or _UNKNOWN,
        expires=found.expires_on or _UNKNOWN,
        next_visible=found.next_visible_on or _UNKNOWN,
    )
