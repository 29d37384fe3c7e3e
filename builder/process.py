"""Run one program of ours and stream what it prints."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

_PIECE = 64 * 1024


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


async def _pump(stream: asyncio.StreamReader | None, sink: Callable[[bytes], None]) -> None:
    while stream and (data := await stream.read(_PIECE)):
        sink(data)


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
