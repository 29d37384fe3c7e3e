"""One step's container: launched, repeated, retried, all within the step's time, in the log's exact words."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from builder.engine.protocol import Write
from builder.faults import StepFailed, reason
from builder.log import RunLog

type Launch = Callable[[Write], Awaitable[int]]
"""Starts a container, or what stands for one, and returns its exit status."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempts:
    """How often to try. `delay` is in seconds; with `only_on`, output without any of these texts ends the trying."""

    retries: int = 0
    delay: int = 0
    only_on: Sequence[str] = ()
    repeat: int = 0


async def attempt_all(log: RunLog, name: str, launch: Launch, attempts: Attempts, deadline: float | None) -> None:
    """Launch once and `repeat` times more, each with its own retries; `deadline`, a time of the loop, covers all.

    Raises StepFailed with the reasons of all failures, when everything has been tried.
    """
    failures = []
    for _ in range(attempts.repeat + 1):
        try:
            await _with_retries(log, name, launch, attempts, deadline)
        except StepFailed as fault:
            failures.append(reason(fault))
    if failures:
        raise StepFailed(", ".join(failures))


async def _with_retries(log: RunLog, name: str, launch: Launch, attempts: Attempts, deadline: float | None) -> None:
    for left in range(attempts.retries, -1, -1):
        log.line(f"Launching container with name: {name}")
        watch = _Watch(attempts.only_on)
        failure = await _once(log, launch, watch, deadline)
        if failure is None:
            log.line(f"Successfully executed container: {name}")
            return
        if not left or not watch.found:
            log.line(f"Container failed during run: {name}. No retries remaining.")
            raise StepFailed(failure)
        log.line(f"Container failed during run: {name}, waiting {attempts.delay} seconds before retrying...")
        await asyncio.sleep(attempts.delay)


async def _once(log: RunLog, launch: Launch, watch: "_Watch", deadline: float | None) -> str | None:
    """Launch and return why it failed, None when it did not."""
    if deadline is not None and asyncio.get_running_loop().time() >= deadline:
        return "timed out"
    try:
        async with asyncio.timeout_at(deadline):
            with log.output() as output:
                status = await launch(watch.beside(output))
    except TimeoutError:
        return "timed out"
    except StepFailed as fault:
        return reason(fault)
    return _failure(status)


def _failure(status: int) -> str | None:
    if status < 0:
        return f"signal: {-status}"
    return f"exit status {status}" if status else None


class _Watch:
    """Looks for texts in output, cut anywhere. Without texts they count as found."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._wanted = tuple(text.encode() for text in texts)
        self._tail = b""
        self.found = not self._wanted

    def beside(self, write: Write) -> Write:
        """Pass output on to `write` and look at it."""

        def both(data: bytes) -> None:
            write(data)
            if not self.found:
                self._look(data)

        return both

    def _look(self, data: bytes) -> None:
        seen = self._tail + data
        self.found = any(text in seen for text in self._wanted)
        self._tail = seen[-max(map(len, self._wanted)) :]
