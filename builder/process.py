"""Run one program of ours and stream what it prints."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

_PIECE = 64 * 1024


async def run(
    argv: Sequence[str], *, env: Mapping[str, str], output: Callable[[bytes], None], cwd: Path | None = None
) -> int:
    """Return the exit status of `argv` (negative: killed by that signal); both its outputs go to `output`.

    `env` is the whole environment. On cancellation the program and all that it started are killed.
    """
    process = await asyncio.create_subprocess_exec(
        *argv,
        env=dict(env),
        cwd=cwd,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        if process.stdout:
            while data := await process.stdout.read(_PIECE):
                output(data)
        return await process.wait()
    finally:
        await _end(process)


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
