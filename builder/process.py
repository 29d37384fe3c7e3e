"""Run one program of ours and stream what it prints."""

import asyncio
import contextlib
import ctypes
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

_PIECE = 64 * 1024
_PR_SET_DUMPABLE = 4


async def run(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    output: Callable[[bytes], None],
    errors: Callable[[bytes], None] | None = None,
    cwd: Path | None = None,
) -> int:
    """Return the exit status of `argv` (negative: killed by that signal); both its outputs go to `output`.

    `env` is the whole environment. With `errors`, the standard error goes there. On cancellation, and when
    one of the two raises, the program and all that it started are killed.
    """
    process = await asyncio.create_subprocess_exec(
        *argv,
        env=dict(env),
        cwd=cwd,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE if errors else asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    pumps = [asyncio.create_task(_pump(process.stdout, output))]
    if errors:
        pumps.append(asyncio.create_task(_pump(process.stderr, errors)))
    try:
        await asyncio.gather(*pumps)
        return await process.wait()
    finally:
        await _end(process)
        for pump in pumps:
            pump.cancel()


def hide_memory() -> None:
    """Keep our memory and environment from other processes of our user that may not trace everything."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


async def _pump(stream: asyncio.StreamReader | None, sink: Callable[[bytes], None]) -> None:
    while stream and (data := await stream.read(_PIECE)):
        sink(data)


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        _kill_session(process.pid)
        await process.wait()


def _kill_session(leader: int) -> None:
    """Kill what a program has put into process groups of their own, as kaniko does with each RUN."""
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            if entry.name.isdecimal() and os.getsid(int(entry.name)) == leader:
                os.kill(int(entry.name), signal.SIGKILL)
