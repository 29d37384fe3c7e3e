"""A private dockerd: one per builder, reachable by nobody else."""

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import httpx

from builder.faults import EngineUnavailable

_POLL: Final = 0.01
_START_SECONDS: Final = 60
_STOP_SECONDS: Final = 3


class Daemon:
    """Starts dockerd with BuildKit, waits until it answers and ends it with all it runs.

    `home` is a private directory for socket, configuration and its log; `data` the image store, which must
    not lie on an overlay file system; `env` its whole environment. `enclosure` is the program, with its first
    words, that starts dockerd in namespaces of its own.
    """

    def __init__(self, home: Path, data: Path, env: dict[str, str], enclosure: Sequence[str] = ()) -> None:
        self._enclosure = tuple(enclosure)
        self._home = home
        self._data = data
        self._env = env
        self._process: asyncio.subprocess.Process | None = None
        self.socket = home / "docker.sock"

    async def start(self) -> None:
        """Return when the daemon answers. Raises EngineUnavailable with its last words when it ends or hangs."""
        self._home.mkdir(mode=0o700, parents=True, exist_ok=True)
        config = self._home / "daemon.json"
        config.write_text(json.dumps(self._settings()))
        with (self._home / "dockerd.log").open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._enclosure, "dockerd", "--config-file", str(config), "--pidfile", str(self._home / "dockerd.pid"),
                env=self._env, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        try:
            async with asyncio.timeout(_START_SECONDS):
                await self._answering(self._process)
        except TimeoutError:
            raise EngineUnavailable(f"dockerd did not answer within {_START_SECONDS} s: {self._last_words()}") from None

    def client(self) -> httpx.AsyncClient:
        """Open a client of the daemon's API; reads have no time limit, for a push may be silent for long."""
        transport = httpx.AsyncHTTPTransport(uds=str(self.socket))
        return httpx.AsyncClient(transport=transport, base_url="http://docker", timeout=httpx.Timeout(None, connect=5))

    async def stop(self) -> None:
        """Ask dockerd to end its containers and itself; kill it when it does not."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError, TimeoutError):
            os.killpg(process.pid, signal.SIGTERM)
            async with asyncio.timeout(_STOP_SECONDS):
                await process.wait()
                return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()

    def _settings(self) -> dict[str, object]:
        return {
            "hosts": [f"unix://{self.socket}"],
            "data-root": str(self._data),
            # The containerd store keeps manifests, so that a digest is known before the push.
            "features": {"containerd-snapshotter": True},
            "live-restore": False,
            "userland-proxy": False,
            "shutdown-timeout": 1,
            "log-level": "warn",
        }

    async def _answering(self, process: asyncio.subprocess.Process) -> None:
        async with self.client() as client:
            while process.returncode is None:
                with contextlib.suppress(httpx.TransportError):
                    if (await client.get("/_ping")).is_success:
                        return
                await asyncio.sleep(_POLL)
        raise EngineUnavailable(f"dockerd cannot run here: {self._last_words()}")

    def _last_words(self) -> str:
        lines = (self._home / "dockerd.log").read_text(errors="replace").strip().splitlines()
        return lines[-1][-500:] if lines else "it said nothing"
