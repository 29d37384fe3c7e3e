import asyncio
import os
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from devstack.errors import StackError
from devstack.stack import record as records
from devstack.stack.readiness import HttpCheck
from devstack.stack.record import Phase
from devstack.stack.services import Service, stop_order
from devstack.stack.supervisor import Supervisor, next_pause

SERVER = """
import http.server, signal, sys
port, journal, name = int(sys.argv[1]), sys.argv[2], sys.argv[3]
def stop(*_):
    open(journal, "a").write(f"stop {name}\\n")
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
open(journal, "a").write(f"start {name}\\n")
http.server.ThreadingHTTPServer(("127.0.0.1", port), http.server.BaseHTTPRequestHandler).serve_forever()
"""


@dataclass
class Bench:
    """Two small services under a supervisor, which a test steers by what the supervisor says."""

    folder: Path
    said: list[str] = field(default_factory=list)
    on_said: Callable[[str], None] = lambda _: None

    @property
    def record(self) -> records.StackRecord:
        found = records.read(self.folder / "stack.json")
        assert found is not None
        return found

    @property
    def journal(self) -> list[str]:
        return (self.folder / "journal").read_text().splitlines()

    def service(self, name: str) -> Service:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        argv = (sys.executable, "-c", SERVER, str(port), str(self.folder / "journal"), name)
        return Service(name, name, argv, dict(os.environ), _AnyAnswer(port), stop_seconds=10)

    def run(self, *services: Service, running: Callable[[], None]) -> None:
        def say(text: str) -> None:
            self.said.append(text)
            self.on_said(text)

        stack = Supervisor(services, 7440, self.folder / "logs", self.folder / "stack.json", say, on_running=running)
        asyncio.run(stack.run())


class _AnyAnswer(HttpCheck):
    """Python's bare handler answers 501 to everything: a connection is enough here."""

    async def __call__(self) -> bool:
        try:
            return await self._status() > 0
        except OSError:
            return False


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def _stop() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def test_services_start_in_order_and_stop_in_reverse(bench: Bench) -> None:
    phases = []

    def running() -> None:
        phases.append((bench.record.phase, [one.ready for one in bench.record.services]))
        _stop()

    bench.run(bench.service("first"), bench.service("second"), running=running)

    assert bench.journal == ["start first", "start second", "stop second", "stop first"]
    assert phases == [(Phase.RUNNING, [True, True])]
    assert not (bench.folder / "stack.json").exists()


def test_a_killed_service_is_started_again_and_said_so(bench: Bench) -> None:
    def running() -> None:
        os.kill(bench.record.services[0].pid, signal.SIGKILL)

    def again(text: str) -> None:
        if text.endswith("is up again"):
            _stop()

    bench.on_said = again
    bench.run(bench.service("only"), running=running)

    assert bench.journal == ["start only", "start only", "stop only"]
    assert any(text.startswith("only died (exit -9") for text in bench.said)


def test_a_service_that_ends_at_its_start_stops_the_others_with_a_sentence(bench: Bench) -> None:
    broken = Service("broken", "broken one", (sys.executable, "-c", "raise SystemExit(3)"), dict(os.environ), _never)

    with pytest.raises(StackError, match=r"broken one ended at its start \(exit 3\); see .*broken\.log"):
        bench.run(bench.service("first"), broken, running=_stop)

    assert bench.journal == ["start first", "stop first"]


def test_a_service_that_will_not_stop_is_killed_and_said_so(bench: Bench) -> None:
    program = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); signal.pause()"
    argv = (sys.executable, "-c", program)
    log = bench.folder / "logs" / "stubborn.log"

    async def is_up() -> bool:
        return log.exists() and "up" in log.read_text()

    bench.run(Service("stubborn", "stubborn", argv, dict(os.environ), is_up, stop_seconds=0.2), running=_stop)

    assert bench.said[-1] == "stubborn did not stop within 0 s and was killed"


async def _never() -> bool:
    return False


def test_builders_stop_before_everything_else() -> None:
    made = tuple(
        Service(name, name, (), {}, _never) for name in ("azurite", "registry", "container-groups", "functions")
    )

    assert [one.name for one in stop_order(made)] == ["container-groups", "functions", "registry", "azurite"]


@pytest.mark.parametrize(("pause", "ran", "after"), [(0, 1, 0.5), (0.5, 1, 1), (8, 1, 10), (10, 1, 10), (10, 31, 0.5)])
def test_the_pause_doubles_to_ten_seconds_and_a_steady_service_begins_anew(
    pause: float, ran: float, after: float
) -> None:
    assert next_pause(pause, ran) == after
