"""A short-lived Azurite with an account of its own, for tests and benchmarks."""

import base64
import os
import secrets
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from devstack.errors import StackError
from devstack.setup import azurite
from devstack.stack.layout import cache

_PATIENCE = 30


@dataclass(frozen=True)
class AzuriteAccount:
    """A running Azurite: the connection string of its one account, and its process."""

    connection: str
    process: subprocess.Popen[bytes]


@contextmanager
def azurite_account(folder: Path | None = None) -> Iterator[AzuriteAccount]:
    """Run an Azurite that keeps its data in `folder`, and end it; raises StackError when it does not come up.

    Without a folder it keeps them in memory: on disk it writes its whole database anew every few seconds.
    The environment variable AZURITE_JS names its `azurite.js` where it is not the one of this machine's cache.
    """
    program = os.environ.get("AZURITE_JS") or str(azurite.ensure(cache()))
    ports = {name: _free_port() for name in ("blob", "queue", "table")}
    key = base64.b64encode(secrets.token_bytes(32)).decode()
    flags = [text for name, port in ports.items() for text in (f"--{name}Port", str(port))]
    flags += ["--location", str(folder)] if folder else ["--inMemoryPersistence"]
    process = subprocess.Popen(
        ["node", program, "--silent", "--disableTelemetry", "--skipApiVersionCheck", *flags],
        env={**os.environ, "AZURITE_ACCOUNTS": f"slipway:{key}"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    endpoints = "".join(f"{name.title()}Endpoint=http://127.0.0.1:{port}/slipway;" for name, port in ports.items())
    try:
        for port in ports.values():
            _wait_for(port, process)
        yield AzuriteAccount(f"DefaultEndpointsProtocol=http;AccountName=slipway;AccountKey={key};{endpoints}", process)
    finally:
        process.terminate()
        process.wait(timeout=20)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise StackError(f"Azurite did not open port {port} within {_PATIENCE} s.")
