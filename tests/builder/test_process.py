"""A program runs with exactly what it is given, and dies with whoever waits for it."""

import asyncio
import os
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from builder.process import run

CHILD = """
import os, subprocess, sys
child = subprocess.Popen(["sleep", "600"])
print(child.pid, flush=True)
child.wait()
"""


def test_both_outputs_and_the_status_come_through() -> None:
    out = bytearray()
    status = asyncio.run(run(["sh", "-c", "echo a; echo b >&2; exit 37"], env=dict(os.environ), output=out.extend))
    assert (status, bytes(out)) == (37, b"a\nb\n")


def test_the_environment_is_the_given_one_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLIPWAY_GROUP_TOKEN", "not for children")
    out = bytearray()
    asyncio.run(run(["/usr/bin/env"], env={"ONLY": "this"}, output=out.extend))
    assert bytes(out) == b"ONLY=this\n"


def test_cancelling_kills_the_program_and_its_children() -> None:
    async def scenario() -> int:
        said: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(run([sys.executable, "-c", CHILD], env=dict(os.environ), output=said.set_result))
        child = int(await said)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        return child

    child = asyncio.run(asyncio.wait_for(scenario(), 10))
    assert not Path(f"/proc/{child}/cmdline").exists() or not Path(f"/proc/{child}/cmdline").read_bytes()
