"""Real parts for tests: an Azurite of their own."""

import base64
import os
import secrets
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

_START_SECONDS = 30


@dataclass(frozen=True)
class Azurite:
    """A running Azurite with an account of its own."""

    connection: str
    process: subprocess.Popen[bytes]


@pytest.fixture(scope="session")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    """Start an Azurite in memory; AZURITE_JS names its azurite.js (`./dev test` sets it)."""
    program = os.environ.get("AZURITE_JS")
    if not program:
        pytest.fail("AZURITE_JS must name azurite.js; `./dev test` installs Azurite and sets it")
    ports = {name: _free_port() for name in ("blob", "queue", "table")}
    key = base64.b64encode(secrets.token_bytes(32)).decode()
    folder = tmp_path_factory.mktemp("azurite")
    process = _start(program, ports, key, folder)
    endpoints = "".join(f"{name.title()}Endpoint=http://127.0.0.1:{port}/slipway;" for name, port in ports.items())
    try:
        for port in ports.values():
            _wait_for(port, process)
        yield Azurite(f"DefaultEndpointsProtocol=http;AccountName=slipway;AccountKey={key};{endpoints}", process)
    finally:
        process.terminate()
        process.wait(timeout=20)


def _start(program: str, ports: dict[str, int], key: str, folder: Path) -> subprocess.Popen[bytes]:
    flags = [text for name, port in ports.items() for text in (f"--{name}Port", str(port))]
    return subprocess.Popen(
        ["node", program, "--silent", "--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry", *flags],
        env={**os.environ, "AZURITE_ACCOUNTS": f"slipway:{key}"},
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    pytest.fail(f"Azurite did not open port {port} within {_START_SECONDS} s")
