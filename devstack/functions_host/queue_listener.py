"""The queue trigger: takes messages in batches, runs the function for each, settles each.

Messages stay hidden for ten minutes, renewed while the function runs. Success deletes; a failure shows the
message again after `visibilityTimeout`, or moves it to the poison queue once it was taken
`maxDequeueCount` times. A killed host leaves its messages hidden for up to those ten minutes.
"""

import asyncio
import base64
import binascii
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

from devstack.functions_host.backoff import Backoff
from devstack.functions_host.host_json import QueueOptions
from devstack.functions_host.invoker import Outcome, log
from devstack.functions_host.protos import TypedData
from devstack.functions_host.storage import Message, MessageGone, Queue, StorageAway
from devstack.functions_host.triggers import Function
from devstack.functions_host.waiting import pause
from devstack.functions_host.worker import Invocation

HIDDEN_SECONDS = 600
_MINIMUM_POLL_SECONDS = 0.1
_RENEWAL_RETRY_SECONDS = 60
_SETTLE_ATTEMPTS = 30
_SETTLE_PAUSE_SECONDS = 2

Run = Callable[[Function, Invocation], Awaitable[Outcome]]


@dataclass(slots=True)
class _Held:
    """A message under way; its receipt changes with every renewal."""

    message: Message


class QueueListener:
    """Polls one queue for one function. Lives on one event loop."""

    def __init__(
        self,
        function: Function,
        queue: Queue,
        options: QueueOptions,
        run: Run,
        *,
        hidden_seconds: float = HIDDEN_SECONDS,
    ) -> None:
        self._function = function
        self._queue = queue
        self._options = options
        self._run = run
        self._hidden_seconds = hidden_seconds
        self._running: set[asyncio.Task[None]] = set()
        self._fault = ""

    async def listen(self, stopping: asyncio.Event) -> None:
        """Poll until `stopping` is set, then wait for the messages under way."""
        ceiling = max(self._options.max_polling_interval.total_seconds(), _MINIMUM_POLL_SECONDS)
        backoff = Backoff(_MINIMUM_POLL_SECONDS, ceiling)
        found_since_pause = False
        while not stopping.is_set():
            messages = await self._take()
            if stopping.is_set():
                await self._give_back(messages)
                break
            for message in messages:
                self._start(message)
            if messages:
                found_since_pause = True
                await self._until_below_threshold(stopping)
            else:
                seconds = backoff.after_success() if found_since_pause else backoff.after_nothing()
                found_since_pause = False
                await pause(seconds, stopping)
        await asyncio.gather(*self._running)

    async def _take(self) -> list[Message]:
        try:
            messages = await self._queue.take(self._options.batch_size, self._hidden_seconds)
        except StorageAway as error:
            self._note(str(error))
            return []
        self._note("")
        return messages

    def _note(self, fault: str) -> None:
        """Log a fault once when it begins and once when it is over."""
        if fault and not self._fault:
            log.warning("queue %s cannot be read (%s); trying again", self._queue.name, fault)
        elif self._fault and not fault:
            log.info("queue %s can be read again", self._queue.name)
        self._fault = fault

    def _start(self, message: Message) -> None:
        task = asyncio.create_task(self._process(_Held(message)))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _until_below_threshold(self, stopping: asyncio.Event) -> None:
        stop = asyncio.create_task(stopping.wait())
        while len(self._running) > self._options.threshold and not stopping.is_set():
            await asyncio.wait({stop, *self._running}, return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()

    async def _give_back(self, messages: list[Message]) -> None:
        """Show messages again that arrived when no new work may begin."""
        for message in messages:
            with contextlib.suppress(StorageAway, MessageGone):
                await self._queue.hide(message, 0)

    async def _process(self, held: _Held) -> None:
        text = decode(held.message.text, self._options.message_encoding)
        if text is None or held.message.dequeue_count > self._options.max_dequeue_count:
            await self._settle(held, self._to_poison)
            return
        async with self._renewed(held):
            outcome = await self._run(self._function, invocation_of(held.message, text))
        if outcome.succeeded:
            await self._settle(held, self._delete)
        elif held.message.dequeue_count >= self._options.max_dequeue_count:
            await self._settle(held, self._to_poison)
        else:
            await self._settle(held, self._show_again)

    @contextlib.asynccontextmanager
    async def _renewed(self, held: _Held) -> AsyncIterator[None]:
        finished = asyncio.Event()
        renewing = asyncio.create_task(self._renew(held, finished))
        try:
            yield
        finally:
            # Not cancelled: a renewal cut off half way would leave a receipt that no longer holds.
            finished.set()
            await renewing

    async def _renew(self, held: _Held, finished: asyncio.Event) -> None:
        seconds = self._hidden_seconds / 2
        while not await pause(seconds, finished):
            try:
                held.message = await self._queue.hide(held.message, self._hidden_seconds)
                seconds = self._hidden_seconds / 2
            except StorageAway:
                seconds = min(_RENEWAL_RETRY_SECONDS, self._hidden_seconds / 4)
            except MessageGone:
                return

    async def _settle(self, held: _Held, step: Callable[[Message], Awaitable[None]]) -> None:
        """Do the last step, again while storage is away: an undeleted message would run a second time."""
        for _ in range(_SETTLE_ATTEMPTS):
            try:
                await step(held.message)
            except MessageGone:
                return
            except StorageAway:
                await asyncio.sleep(_SETTLE_PAUSE_SECONDS)
            else:
                return
        log.error("a message of queue %s could not be settled; it will come again", self._queue.name)

    async def _delete(self, message: Message) -> None:
        await self._queue.delete(message)

    async def _show_again(self, message: Message) -> None:
        await self._queue.hide(message, self._options.visibility_timeout.total_seconds())

    async def _to_poison(self, message: Message) -> None:
        await self._queue.poison(message)
        await self._queue.delete(message)
        log.warning("a message of queue %s was moved to %s-poison", self._queue.name, self._queue.name)


def decode(text: str, encoding: str) -> str | None:
    """Return a message's text by the queue's encoding, None when it is not encoded so."""
    if encoding.lower() == "none":
        return text
    try:
        return base64.b64decode(text, validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return None


def invocation_of(message: Message, text: str) -> Invocation:
    """Return the call of a function for a message."""
    metadata = {
        "QueueTrigger": TypedData(string=text),
        "Id": TypedData(string=message.id),
        "DequeueCount": TypedData(json=str(message.dequeue_count)),
        "PopReceipt": TypedData(string=message.receipt),
        "InsertionTime": TypedData(string=message.inserted.isoformat()),
        "ExpirationTime": TypedData(string=message.expires.isoformat()),
        "NextVisibleTime": TypedData(string=message.next_visible.isoformat()),
    }
    return Invocation(TypedData(string=text), metadata)
