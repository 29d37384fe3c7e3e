"""The queue trigger's rules on a queue of the test's own."""

import asyncio
import base64
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from devstack.functions_host.host_json import QueueOptions
from devstack.functions_host.invoker import Outcome
from devstack.functions_host.queue_listener import QueueListener, decode
from devstack.functions_host.storage import Message, MessageGone, StorageAway
from devstack.functions_host.triggers import Function, QueueTrigger
from devstack.functions_host.worker import Invocation

FUNCTION = Function("f", "id", "m", QueueTrigger("work", ""), ())
NOW = datetime(2026, 11, 20, tzinfo=UTC)
DONE = Outcome(succeeded=True)
FAILED = Outcome(succeeded=False, error="no")


def _message(text: str = "hello", dequeue_count: int = 1, number: int = 1) -> Message:
    encoded = base64.b64encode(text.encode()).decode()
    return Message(str(number), encoded, "r0", dequeue_count, NOW, NOW, NOW)


class RecordingQueue:
    """Gives out its messages once, in batches, and records what is done to them."""

    name = "work"

    def __init__(self, *messages: Message) -> None:
        self.waiting = list(messages)
        self.taken: list[int] = []
        self.done: list[tuple[str, str, str]] = []
        self.hidden: list[float] = []
        self.faults: dict[str, int] = {}
        self.settled = asyncio.Event()
        self.polled = asyncio.Event()

    async def take(self, count: int, hidden_seconds: float) -> list[Message]:
        self.polled.set()
        self._fault("take")
        assert hidden_seconds > 0
        batch, self.waiting = self.waiting[:count], self.waiting[count:]
        self.taken.append(len(batch))
        return batch

    async def hide(self, message: Message, seconds: float) -> Message:
        self._fault("hide")
        self.hidden.append(seconds)
        self._note("hide", message)
        return replace(message, receipt=f"r{len(self.hidden)}")

    async def delete(self, message: Message) -> None:
        self._fault("delete")
        self._note("delete", message)

    async def poison(self, message: Message) -> None:
        self._fault("poison")
        self._note("poison", message)

    def _note(self, what: str, message: Message) -> None:
        self.done.append((what, message.id, message.receipt))
        self.settled.set()

    def _fault(self, what: str) -> None:
        if self.faults.get(what, 0) > 0:
            self.faults[what] -= 1
            raise StorageAway("AzureError")


Run = Callable[[Function, Invocation], Awaitable[Outcome]]


async def _always(outcome: Outcome) -> Outcome:
    return outcome


def _run_until_settled(queue: RecordingQueue, run: Run, options: QueueOptions | None = None, count: int = 1) -> None:
    async def scenario() -> None:
        stopping = asyncio.Event()
        listening = asyncio.create_task(QueueListener(FUNCTION, queue, options or QueueOptions(), run).listen(stopping))
        async with asyncio.timeout(20):
            while len(queue.done) < count:
                queue.settled.clear()
                await queue.settled.wait()
            stopping.set()
            await listening

    asyncio.run(scenario())


def _outcomes(queue: RecordingQueue) -> list[str]:
    return [what for what, _, _ in queue.done]


def test_success_deletes_the_message() -> None:
    queue = RecordingQueue(_message())
    _run_until_settled(queue, lambda _f, _c: _always(DONE))
    assert queue.done == [("delete", "1", "r0")]


def test_the_function_sees_text_and_metadata() -> None:
    seen: list[Invocation] = []

    async def run(_function: Function, call: Invocation) -> Outcome:
        seen.append(call)
        return DONE

    _run_until_settled(RecordingQueue(_message("hällo", dequeue_count=2)), run)
    assert seen[0].data.string == "hällo"
    assert seen[0].metadata["DequeueCount"].json == "2"
    assert seen[0].metadata["InsertionTime"].string == "2026-11-20T00:00:00+00:00"


def test_a_failure_shows_the_message_again_after_the_visibility_timeout() -> None:
    queue = RecordingQueue(_message(dequeue_count=4))
    options = QueueOptions(visibility_timeout=timedelta(seconds=30))
    _run_until_settled(queue, lambda _f, _c: _always(FAILED), options)
    assert (_outcomes(queue), queue.hidden) == (["hide"], [30])


def test_the_last_failure_moves_the_message_to_the_poison_queue() -> None:
    queue = RecordingQueue(_message(dequeue_count=5))
    _run_until_settled(queue, lambda _f, _c: _always(FAILED), count=2)
    assert _outcomes(queue) == ["poison", "delete"]


@pytest.mark.parametrize(
    "message",
    [_message(dequeue_count=6), replace(_message(), text="not base64!")],
    ids=["taken too often", "not base64"],
)
def test_a_hopeless_message_goes_to_the_poison_queue_unrun(message: Message) -> None:
    queue = RecordingQueue(message)

    async def run(_function: Function, _call: Invocation) -> Outcome:
        raise AssertionError("It must not run.")

    _run_until_settled(queue, run, count=2)
    assert _outcomes(queue) == ["poison", "delete"]


@pytest.mark.parametrize(
    ("text", "encoding", "expected"),
    [("aGk=", "base64", "hi"), ("aGk=", "none", "aGk="), ("aGk", "Base64", None), ("a b=", "base64", None)],
)
def test_messages_are_decoded_as_configured(text: str, encoding: str, expected: str | None) -> None:
    assert decode(text, encoding) == expected


def test_storage_that_is_away_is_asked_again() -> None:
    queue = RecordingQueue(_message())
    queue.faults["take"] = 3
    _run_until_settled(queue, lambda _f, _c: _always(DONE))
    assert _outcomes(queue) == ["delete"]


def test_a_message_is_settled_once_storage_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("devstack.functions_host.queue_listener._SETTLE_PAUSE_SECONDS", 0)
    queue = RecordingQueue(_message())
    queue.faults["delete"] = 3
    _run_until_settled(queue, lambda _f, _c: _always(DONE))
    assert _outcomes(queue) == ["delete"]


def test_a_message_that_another_reader_holds_is_left_alone() -> None:
    class Gone(RecordingQueue):
        async def delete(self, message: Message) -> None:
            self._note("refused", message)
            raise MessageGone

    queue = Gone(_message())
    _run_until_settled(queue, lambda _f, _c: _always(DONE))
    assert _outcomes(queue) == ["refused"]


def test_no_batch_is_fetched_while_more_than_the_threshold_run() -> None:
    queue = RecordingQueue(*(_message(number=number) for number in range(6)))
    running, most = 0, 0

    async def run(_function: Function, _call: Invocation) -> Outcome:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        running -= 1
        return DONE

    _run_until_settled(queue, run, QueueOptions(batch_size=2, new_batch_threshold=0), count=6)
    assert queue.taken[:3] == [2, 2, 2]
    assert most == 2


def test_a_long_run_renews_its_message_and_settles_with_the_new_receipt() -> None:
    queue = RecordingQueue(_message())
    queue.faults["hide"] = 1

    async def scenario() -> None:
        stopping = asyncio.Event()

        async def run(_function: Function, _call: Invocation) -> Outcome:
            while len(queue.hidden) < 2:
                queue.settled.clear()
                await queue.settled.wait()
            return DONE

        listener = QueueListener(FUNCTION, queue, QueueOptions(), run, hidden_seconds=0.02)
        listening = asyncio.create_task(listener.listen(stopping))
        async with asyncio.timeout(20):
            while "delete" not in _outcomes(queue):
                queue.settled.clear()
                await queue.settled.wait()
            stopping.set()
            await listening

    asyncio.run(scenario())
    assert queue.done[-1] == ("delete", "1", f"r{len(queue.hidden)}")


def test_stopping_waits_for_the_run_under_way_and_takes_nothing_new() -> None:
    queue = RecordingQueue(_message(number=1), _message(number=2))

    async def scenario() -> None:
        stopping, entered, release = asyncio.Event(), asyncio.Event(), asyncio.Event()

        async def run(_function: Function, _call: Invocation) -> Outcome:
            entered.set()
            await release.wait()
            return DONE

        options = QueueOptions(batch_size=1, new_batch_threshold=0)
        listening = asyncio.create_task(QueueListener(FUNCTION, queue, options, run).listen(stopping))
        async with asyncio.timeout(20):
            await entered.wait()
            stopping.set()
            release.set()
            await listening

    asyncio.run(scenario())
    assert queue.done == [("delete", "1", "r0")]
    assert len(queue.waiting) == 1


def test_messages_that_arrive_while_stopping_are_given_back() -> None:
    class Slow(RecordingQueue):
        async def take(self, count: int, hidden_seconds: float) -> list[Message]:
            batch = await super().take(count, hidden_seconds)
            await self.release.wait()
            return batch

        release = asyncio.Event()

    queue = Slow(_message())

    async def scenario() -> None:
        stopping = asyncio.Event()
        listening = asyncio.create_task(
            QueueListener(FUNCTION, queue, QueueOptions(), lambda _f, _c: _always(DONE)).listen(stopping)
        )
        async with asyncio.timeout(20):
            await queue.polled.wait()
            stopping.set()
            queue.release.set()
            await listening

    asyncio.run(scenario())
    assert (_outcomes(queue), queue.hidden) == (["hide"], [0])
