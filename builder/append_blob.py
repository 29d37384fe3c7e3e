"""Write one append blob, once and in order, whatever the network does.

Azure's rules (Append Block): at most 4 MiB a block here, at most 50,000 blocks a blob, and an append
that names its position fails with 412 when the blob is not exactly that long.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

import httpx

_log = logging.getLogger("slipway.builder")
_VERSION = "2021-12-02"


@dataclass(frozen=True, slots=True)
class Pace:
    """How often to append. Sizes in bytes, times in seconds; `seconds` is how long the run may take.

    After a pause the first append goes out at once; then at most one per `interval`. Once fewer than
    `reserve` appends are left, they are spread over the time that the run may still take.
    """

    seconds: float
    interval: float = 0.1
    appends: int = 45_000
    reserve: int = 15_000
    block: int = 4 * 1024**2
    buffer: int = 64 * 1024**2

    def wait(self, used: int, left: float) -> float:
        """Return the seconds between two appends after `used` of them, `left` seconds before the deadline."""
        rest = self.appends - used
        if rest > self.reserve:
            return self.interval
        return max(self.interval, left / max(rest, 1))


class _Answer(Enum):
    WRITTEN = auto()
    MOVED = auto()  # 412: the blob is not as long as we think
    REFUSED = auto()
    UNKNOWN = auto()  # it may or may not have been written
    AWAY = auto()  # it was certainly not written


_RETRY_FIRST, _RETRY_MOST = 0.1, 2.0


class AppendBlob:
    """The only writer of one append blob; `write` never blocks, `run` is its task.

    Storage that is away loses nothing until the buffer is full; what is dropped then leaves a visible
    line. `on_closed` is called when somebody else has appended: the run is no longer ours. A blob that
    refuses us for another reason (an expired signature, say) only ends the log, never the run.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        url: str,
        *,
        pace: Pace,
        on_closed: Callable[[], None],
        position: int = 0,
    ) -> None:
        self._http = http
        self._url = httpx.URL(url).copy_merge_params({"comp": "appendblock"})
        self._on_closed = on_closed
        self._position = position
        self._pace = pace
        self._used = 0
        self._waiting: deque[bytes] = deque()
        self._size = 0
        self._dropped = 0
        self._closed = False
        self._news = asyncio.Event()
        self._ending = asyncio.Event()
        self._clock = asyncio.get_running_loop().time
        self._deadline = self._clock() + pace.seconds
        self._give_up = float("inf")

    def write(self, data: bytes) -> None:
        """Queue `data`; when storage has been away for too long it is counted and dropped."""
        if self._closed or not data:
            return
        if self._size + len(data) > self._pace.buffer:
            self._dropped += len(data)
            return
        if self._dropped:
            notice = f"\r\n[{self._dropped} bytes of output were lost: storage did not answer]\r\n".encode()
            self._dropped = 0
            self._queue(notice)
        self._queue(data)

    def _queue(self, data: bytes) -> None:
        self._waiting.append(data)
        self._size += len(data)
        self._news.set()

    def finish(self, grace: float) -> None:
        """Let `run` return once all is written, at the latest after `grace` seconds."""
        self._give_up = self._clock() + grace
        self._ending.set()
        self._news.set()

    async def run(self) -> None:
        """Append until `finish`; returns early when the blob is closed to us."""
        last = float("-inf")
        while not self._closed:
            await self._news.wait()
            if not self._waiting:
                if self._ending.is_set():
                    return
                self._news.clear()
                continue
            await self._rest(last + self._pace.wait(self._used, self._deadline - self._clock()))
            last = self._clock()
            await self._append(self._take())

    async def _rest(self, until: float) -> None:
        """Wait, unless the end of the run or a full block comes first."""
        delay = until - self._clock()
        if delay <= 0 or self._size >= self._pace.block:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(delay):
                await self._ending.wait()

    def _take(self) -> bytes:
        parts: list[bytes] = []
        room = self._pace.block
        while self._waiting and room:
            part = self._waiting.popleft()
            if len(part) > room:
                self._waiting.appendleft(part[room:])
                part = part[:room]
            parts.append(part)
            room -= len(part)
        block = b"".join(parts)
        self._size -= len(block)
        return block

    async def _append(self, block: bytes) -> None:
        """Append one block exactly once.

        After an attempt of unknown outcome, 412 means that this attempt was the one that landed: nobody
        else can have made the blob longer without the next append failing as well.
        """
        delay, unsure = _RETRY_FIRST, False
        while True:
            answer = await self._put(block)
            self._used += 1
            if answer is _Answer.WRITTEN or (answer is _Answer.MOVED and unsure):
                self._position += len(block)
                return
            if answer in {_Answer.MOVED, _Answer.REFUSED} or self._clock() > self._give_up:
                self._close(answer)
                return
            unsure = unsure or answer is _Answer.UNKNOWN
            await asyncio.sleep(delay)
            delay = min(delay * 2, _RETRY_MOST)

    def _close(self, answer: _Answer) -> None:
        self._closed = True
        self._waiting.clear()
        _log.warning("the log takes no more lines (%s)", answer.name.lower())
        if answer is _Answer.MOVED:
            self._on_closed()

    async def _put(self, block: bytes) -> _Answer:
        headers = {"x-ms-version": _VERSION, "x-ms-blob-condition-appendpos": str(self._position)}
        try:
            answer = await self._http.put(self._url, content=block, headers=headers, timeout=10)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout):
            return _Answer.AWAY
        except httpx.HTTPError:
            return _Answer.UNKNOWN
        if answer.is_success:
            return _Answer.WRITTEN
        if answer.status_code == httpx.codes.PRECONDITION_FAILED:
            return _Answer.MOVED
        if answer.status_code in {408, 429} or answer.is_server_error:
            return _Answer.UNKNOWN
        return _Answer.REFUSED
