"""Parts are killed or stopped while a run is under way: it ends once, and right."""

import json
import os
import signal
import threading
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from devstack.stack import names
from tests.system.waiting import until

if TYPE_CHECKING:
    from tests.system.conftest import Stack

pytestmark = pytest.mark.slow
TERMINAL = {"Succeeded", "Failed", "Canceled", "Error", "Timeout"}


class Build:
    """A build under way, and the parts that it depends on."""

    def __init__(self, stack: "Stack", context: Path, image: str, seconds: int = 12) -> None:
        self.stack, self.image = stack, image
        (context / "Dockerfile").write_text(
            f"FROM {stack.login_server}/base/busybox:1.35\n"
            f"RUN for i in $(seq {seconds}); do echo tick-$i; sleep 1; done; echo all-ticks\n"
        )
        self.before = _groups(stack)
        said = stack.build(context, "-t", image, "--no-wait")
        assert said.code == 0, said.err
        self.run_id = said.run_id

    def get(self) -> dict[str, Any] | None:
        """Ask for the run; None while the app does not answer."""
        try:
            with self.stack.http("owner") as client:
                answer = client.get(f"{self.stack.registry_url}/runs/{self.run_id}")
        except httpx.TransportError:
            return None
        return answer.json()["properties"] if answer.is_success else None

    def log(self) -> str:
        said = self.stack.az("acr", "task", "logs", "-r", names.REGISTRY, "--run-id", self.run_id)
        assert said.code == 0, said.err
        return said.out

    def wait_for_tick(self) -> None:
        """Wait until the build is at work, by the bytes of its log."""
        with self.stack.http("owner") as client:
            url = until(
                lambda: client.post(f"{self.stack.registry_url}/runs/{self.run_id}/listLogSasUrl").json()["logLink"]
            )
            until(lambda: "tick-2" in client.get(url).text)

    def end(self) -> dict[str, Any]:
        """Wait for the terminal state and answer the run."""

        def ended() -> dict[str, Any] | None:
            run = self.get()
            return run if run and run["status"] in TERMINAL else None

        return until(ended)

    def digests(self) -> list[str]:
        """Answer every digest that the image's tag has ever had, from the registry's own files."""
        repository, _, tag = self.image.partition(":")
        tags = self.stack.target.layout.registry / "docker/registry/v2/repositories" / repository / "_manifests/tags"
        index = tags / tag / "index" / "sha256"
        return [f"sha256:{path.name}" for path in index.iterdir()] if index.exists() else []

    def builder_pid(self) -> int:
        """Answer the process id of the run's agent: its own group, or the warm one that was there before."""
        now = _groups(self.stack)
        own = [path for path in now if self.run_id in path.name] or [path for path in now if path in self.before]
        return int((own[0] / "init.pid").read_text())


def _groups(stack: "Stack") -> list[Path]:
    return sorted((stack.target.layout.container_groups / "groups").iterdir())


def service_pid(stack: "Stack", name: str) -> int:
    services = json.loads(stack.target.layout.record.read_text())["services"]
    return int(next(one["pid"] for one in services if one["name"] == name))


@pytest.fixture
def build(stack: "Stack", context: Path) -> Build:
    """Answer a build of about twelve seconds that is at work."""
    made = Build(stack, context, f"chaos/{uuid.uuid4().hex}:v1")
    made.wait_for_tick()
    return made


@pytest.mark.parametrize("service", ["functions", "container-groups"])
def test_a_service_is_killed(stack: "Stack", build: Build, service: str) -> None:
    os.kill(service_pid(stack, service), signal.SIGKILL)
    run = build.end()
    assert run["status"] == "Succeeded"
    assert build.digests() == [run["outputImages"][0]["digest"]]
    log = build.log()
    assert log.count("all-ticks") >= 1
    assert log.count("Run ID:") == 1


def test_a_builder_is_killed(build: Build) -> None:
    os.kill(build.builder_pid(), signal.SIGKILL)
    run = build.end()
    assert run["status"] == "Error"
    assert build.digests() == []
    log = build.log()
    assert "the builder was lost" in log
    assert log.count("Run ID:") == 1


def test_storage_is_away_for_twenty_seconds(stack: "Stack", build: Build) -> None:
    pid = service_pid(stack, "azurite")
    os.kill(pid, signal.SIGSTOP)
    timer = threading.Timer(20, os.kill, (pid, signal.SIGCONT))
    timer.start()
    try:
        run = build.end()
    finally:
        timer.join()
    assert run["status"] == "Succeeded"
    assert build.digests() == [run["outputImages"][0]["digest"]]
    log = build.log()
    assert [f"tick-{number}" in log for number in range(1, 13)] == [True] * 12
    assert log.count("Run ID:") == 1
