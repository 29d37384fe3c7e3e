"""Queue and timer triggers on a real Azurite, whose program AZURITE_JS names."""

import base64
import json
import os
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueClient, QueueServiceClient

pytestmark = pytest.mark.slow

APP = """
import json, os

def note(**values):
    with open(os.environ["NOTES"], "a") as notes:
        notes.write(json.dumps({"pid": os.getpid(), **values}) + "\\n")

@app.queue_trigger("m", "%QUEUE%", "AzureWebJobsStorage")
def work(m: func.QueueMessage) -> None:
    text = m.get_body().decode()
    note(text=text, count=m.dequeue_count)
    if text == "bad":
        raise ValueError("bad message")

@app.timer_trigger("t", "%TICK%", run_on_startup=False)
def tick(t: func.TimerRequest) -> None:
    note(tick=True, past_due=t.past_due, status=t.schedule_status)
"""
HOST_JSON = """{"version": "2.0", "extensions": {"http": {"routePrefix": ""}, "queues":
  {"maxPollingInterval": "00:00:00.200", "visibilityTimeout": "00:00:00", "maxDequeueCount": 2}}}"""


def _free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Azurite:
    """A storage account of the test's own, with a key of its own."""

    folder: Path
    ports: tuple[int, int, int] = field(default_factory=lambda: (_free_port(), _free_port(), _free_port()))
    key: str = field(default_factory=lambda: base64.b64encode(secrets.token_bytes(64)).decode())
    process: subprocess.Popen[bytes] | None = None

    @property
    def connection(self) -> str:
        blob, queue, table = (f"http://127.0.0.1:{port}/slipway" for port in self.ports)
        return (
            f"DefaultEndpointsProtocol=http;AccountName=slipway;AccountKey={self.key};"
            f"BlobEndpoint={blob};QueueEndpoint={queue};TableEndpoint={table}"
        )

    def start(self) -> None:
        program = os.environ.get("AZURITE_JS")
        if not program:
            pytest.fail("AZURITE_JS must name azurite.js of an installed azurite.")
        ports = [
            part
            for name, port in zip(("blob", "queue", "table"), self.ports, strict=True)
            for part in (f"--{name}Port", str(port))
        ]
        self.process = subprocess.Popen(
            [
                "node",
                program,
                "--silent",
                "--skipApiVersionCheck",
                "--disableTelemetry",
                "--location",
                str(self.folder),
                *ports,
            ],
            env={**os.environ, "AZURITE_ACCOUNTS": f"slipway:{self.key}"},
        )
        _until(lambda: all(_accepts(port) for port in self.ports))

    def stop(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)


def _accepts(port: int) -> bool:
    with closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _until(holds: Any, seconds: float = 30) -> Any:
    """Ask until the answer is true; nothing announces what a real server has done."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if answer := holds():
            return answer
        time.sleep(0.05)
    return pytest.fail(f"This did not come true within {seconds} s.")


@pytest.fixture(scope="module")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    server = Azurite(tmp_path_factory.mktemp("azurite"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def queue(azurite: Azurite) -> QueueClient:
    client = QueueServiceClient.from_connection_string(azurite.connection).get_queue_client(f"q{secrets.token_hex(4)}")
    client.create_queue()
    return client


@dataclass
class Stage:
    """A host on the app above, with its own queue, host id and notes."""

    workshop: Any
    start_host: Any
    azurite: Azurite
    queue: QueueClient
    notes_path: Path
    host_id: str = field(default_factory=lambda: secrets.token_hex(6))
    tick: str = "0 0 0 1 1 *"

    def host(self) -> Any:
        environment = {
            "AzureWebJobsStorage": self.azurite.connection,
            "AzureFunctionsWebHost__hostid": self.host_id,
            "QUEUE": self.queue.queue_name,
            "TICK": self.tick,
            "NOTES": str(self.notes_path),
        }
        return self.start_host(self.workshop.write(APP, HOST_JSON), environment=environment)

    def notes(self) -> list[dict[str, Any]]:
        text = self.notes_path.read_text() if self.notes_path.exists() else ""
        return [json.loads(line) for line in text.splitlines()]

    def send(self, text: str) -> None:
        self.queue.send_message(base64.b64encode(text.encode()).decode())

    def texts(self) -> list[str]:
        return [note["text"] for note in self.notes() if "text" in note]

    def ticks(self) -> list[dict[str, Any]]:
        return [note for note in self.notes() if "tick" in note]


@pytest.fixture
def stage(workshop: Any, start_host: Any, azurite: Azurite, queue: QueueClient, tmp_path: Path) -> Stage:
    return Stage(workshop, start_host, azurite, queue, tmp_path / "notes")


def _length(client: QueueClient) -> int:
    return int(client.get_queue_properties().approximate_message_count or 0)


def test_messages_run_once_and_are_gone(stage: Stage) -> None:
    host = stage.host()
    for number in range(40):
        stage.send(f"m{number}")
    _until(lambda: len(stage.texts()) >= 40)
    _until(lambda: _length(stage.queue) == 0)
    assert sorted(stage.texts()) == sorted(f"m{number}" for number in range(40))
    assert host.stop() == 0


def test_a_failing_message_ends_in_the_poison_queue(stage: Stage) -> None:
    poison = QueueServiceClient.from_connection_string(stage.azurite.connection).get_queue_client(
        f"{stage.queue.queue_name}-poison"
    )
    host = stage.host()
    stage.send("bad")
    stage.queue.send_message("this is not base64!")
    _until(lambda: "-poison" in host.log() and host.log().count("was moved to") == 2)
    assert [note["count"] for note in stage.notes()] == [1, 2]
    texts = {message.content for message in poison.receive_messages()}
    assert texts == {base64.b64encode(b"bad").decode(), "this is not base64!"}
    assert _length(stage.queue) == 0
    host.stop()


def test_the_host_outlives_storage_that_goes_away(stage: Stage) -> None:
    host = stage.host()
    stage.send("before")
    _until(lambda: "before" in stage.texts())
    stage.azurite.stop()
    _until(lambda: "cannot be read" in host.log())
    assert host.get("/admin/host/ping").status == 200
    stage.azurite.start()
    stage.send("after")
    _until(lambda: "after" in stage.texts())
    assert "can be read again" in host.log()
    assert host.stop() == 0


def test_a_queue_that_is_made_later_is_found(stage: Stage) -> None:
    stage.queue.delete_queue()
    host = stage.host()
    _until(lambda: _ready(host))
    stage.queue.create_queue()
    stage.send("late")
    _until(lambda: stage.texts() == ["late"])
    host.stop()


def _ready(host: Any) -> bool:
    return bool(host.get("/admin/host/ping").status == 200)


def test_a_timer_fires_in_one_host_at_a_time_and_the_next_takes_over_at_once(stage: Stage) -> None:
    """A killed host cannot give its lease back; the next one sees that its owner is dead."""
    stage.tick = "* * * * * *"
    first = stage.host()
    _until(lambda: len(stage.ticks()) >= 2)
    second = stage.host()
    seen = len(stage.ticks())
    _until(lambda: len(stage.ticks()) >= seen + 3)
    assert {note["pid"] for note in stage.ticks()} == {first.process.pid}
    first.stop(signal.SIGKILL)
    killed = time.monotonic()
    _until(lambda: second.process.pid in {note["pid"] for note in stage.ticks()})
    assert time.monotonic() - killed < 15
    second.stop()


def test_a_stopped_host_gives_its_lease_back(stage: Stage) -> None:
    stage.tick = "* * * * * *"
    first = stage.host()
    _until(stage.ticks)
    assert first.stop() == 0
    second = stage.host()
    _until(lambda: second.process.pid in {note["pid"] for note in stage.ticks()}, 10)
    second.stop()


def test_missed_runs_are_one_past_due_run(stage: Stage) -> None:
    blobs = BlobServiceClient.from_connection_string(stage.azurite.connection)
    container = blobs.get_container_client("azure-webjobs-hosts")
    if not container.exists():
        container.create_container()
    name = f"timers/{stage.host_id}/Host.Functions.tick/status"
    recorded = {"Last": "2020-01-01T00:00:00+00:00", "Next": "2021-01-01T00:00:00+00:00"}
    container.upload_blob(name, json.dumps({**recorded, "LastUpdated": recorded["Last"]}))
    host = stage.host()
    (tick,) = _until(stage.ticks)
    assert tick["past_due"] is True
    assert tick["status"]["Next"].startswith("2021-01-01T00:00:00")
    following = _until(lambda: _changed(container, name, recorded["Next"]))
    assert following["Next"][5:10] == "01-01"
    host.stop()
    assert len(stage.ticks()) == 1


def _changed(container: Any, name: str, before: str) -> dict[str, str] | None:
    status: dict[str, str] = json.loads(container.download_blob(name).readall())
    return None if status["Next"].startswith(before[:10]) else status


def test_a_timer_is_run_by_hand(stage: Stage) -> None:
    host = stage.host()
    assert host.request("POST", "/admin/functions/tick", b'{"input": ""}').status == 202
    assert host.request("POST", "/admin/functions/work", b'{"input": "by hand"}').status == 202
    _until(lambda: stage.ticks() and stage.texts())
    assert stage.texts() == ["by hand"]
    host.stop()
