"""Starts real hosts on small apps written for the test."""

import http.client
import os
import signal
import ssl
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

REPOSITORY = Path(__file__).parents[3]
_PROLOGUE = "import azure.functions as func\napp = func.FunctionApp(func.AuthLevel.ANONYMOUS)\n"
_HOST_JSON = '{"version": "2.0", "extensions": {"http": {"routePrefix": ""}}}'


@dataclass(frozen=True)
class Answer:
    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name.lower()]


class RunningHost:
    """A host process; requests go out exactly as given."""

    def __init__(self, process: subprocess.Popen[str], url: str, log: Path) -> None:
        self.process = process
        self.url = url
        self._log = log

    def log(self) -> str:
        return self._log.read_text()

    def request(
        self,
        method: str,
        target: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        *,
        chunked: bool = False,
    ) -> Answer:
        connection = self.connect()
        try:
            connection.request(method, target, body, dict(headers or {}), encode_chunked=chunked)
            response = connection.getresponse()
            return Answer(response.status, response.getheaders(), response.read())
        finally:
            connection.close()

    def get(self, target: str) -> Answer:
        return self.request("GET", target)

    def connect(self) -> http.client.HTTPConnection:
        parts = urlsplit(self.url)
        if parts.scheme == "https":
            context = ssl.create_default_context()
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            return http.client.HTTPSConnection(parts.hostname or "", parts.port, timeout=30, context=context)
        return http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(40)


StartHost = Callable[..., RunningHost]


@dataclass(frozen=True)
class Workshop:
    """Writes apps and runs hosts on them."""

    folder: Path

    def write(self, code: str, host_json: str = _HOST_JSON) -> Path:
        root = self.folder / "app"
        root.mkdir(exist_ok=True)
        (root / "host.json").write_text(host_json)
        (root / "function_app.py").write_text(_PROLOGUE + textwrap.dedent(code))
        return root

    def command(self, root: Path, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "devstack.functions_host", "--root", str(root), "--port", "0", *arguments]


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    return Workshop(tmp_path_factory.mktemp("functions"))


@pytest.fixture(scope="module")
def start_host(workshop: Workshop) -> Iterator[StartHost]:
    """Start a host and wait until it listens; all are ended with the module."""
    hosts: list[RunningHost] = []

    def start(root: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> RunningHost:
        log = workshop.folder / f"host-{len(hosts)}.log"
        with log.open("w") as stderr:
            process = subprocess.Popen(
                workshop.command(root, *arguments),
                cwd=REPOSITORY,
                env={**os.environ, **(environment or {})},
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )
        assert process.stdout is not None
        line = process.stdout.readline()
        process.stdout.close()
        assert line.startswith("Listening on "), log.read_text()
        hosts.append(RunningHost(process, line.removeprefix("Listening on ").strip(), log))
        return hosts[-1]

    yield start
    for host in hosts:
        if host.process.poll() is None:
            host.stop()
