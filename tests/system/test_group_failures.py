"""Container groups and their builders fail while runs need them: each run comes to one end, and nothing is left."""

import json
import os
import signal
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from devstack.stack import names
from tests.system.waiting import until

if TYPE_CHECKING:
    from tests.system.conftest import Stack

pytestmark = pytest.mark.slow
POOL = "frail"
TERMINAL = {"Succeeded", "Failed", "Canceled", "Error", "Timeout"}


@dataclass
class Yard:
    """A pool of one group, and the machine's view of the groups."""

    stack: "Stack"
    folder: Path
    runs: dict[str, str] = field(default_factory=dict)

    def call(self, method: str, path: str, body: Any = None) -> Any:
        with self.stack.http("owner") as client:
            answer = client.request(method, f"{self.stack.registry_url}{path}", json=body)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    def faults(self, **limits: object) -> None:
        with self.stack.http("owner") as client:
            url = f"{self.stack.target.ports.resource_manager}/devstack/limits"
            assert client.put(url, json=limits).is_success

    def build(self, *arguments: str) -> str:
        context = self.folder / uuid.uuid4().hex
        context.mkdir()
        (context / "Dockerfile").write_text(f"FROM {self.stack.login_server}/base/busybox:1.35\nRUN echo built\n")
        said = self.stack.build(context, "--no-wait", "-t", f"{POOL}/{context.name}:v1", *arguments)
        assert said.code == 0, said.err
        return said.run_id

    def explain(self, run: str) -> dict[str, Any]:
        told: dict[str, Any] = self.call("GET", f"/runs/{run}/explain")
        return told

    def ended(self, run: str) -> str:
        """Wait for the run's end and answer its status."""

        def ask() -> str | None:
            status = str(self.call("GET", f"/runs/{run}")["properties"]["status"])
            return status if status in TERMINAL else None

        return until(ask)

    def log(self, run: str) -> str:
        link = self.call("POST", f"/runs/{run}/listLogSasUrl")["logLink"]
        with self.stack.http() as client:
            return client.get(link).text

    @property
    def state(self) -> Path:
        return self.stack.target.layout.container_groups

    def group_of(self, run: str) -> Path:
        """Answer the files of the group whose builder has claimed the run."""

        def ask() -> Path | None:
            logs = (self.state / "groups").glob("*/output.log")
            return next((log.parent for log in logs if run in log.read_text()), None)

        return until(ask)

    def is_left(self, group: str) -> bool:
        """Whether anything of a group is still there: files, runc's state, a process."""
        if (self.state / "groups" / group).exists() or (self.state / "runc" / group).exists():
            return True
        for path in Path("/proc").glob("[0-9]*/cgroup"):
            try:
                if group in path.read_text():
                    return True
            except OSError:
                continue
        return False


def agent_of(group: Path) -> int:
    """Answer the process id of the agent: what the group's first process looks after."""
    init = (group / "init.pid").read_text()
    return int(Path(f"/proc/{init}/task/{init}/children").read_text().split()[0])


@pytest.fixture(scope="module")
def yard(stack: "Stack", tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yard]:
    """Begin both at once: a build whose group finds no room, and a step whose agent is killed."""
    made = Yard(stack, tmp_path_factory.mktemp("frail"))
    made.call("PUT", f"/agentPools/{POOL}", {"properties": {"count": 1}, "tags": {"slipway-minimum": "0"}})
    made.faults(fail_starts=1, fail_cause="capacity")
    try:
        made.runs["without room"] = made.build("--agent-pool", POOL)
        script = f"{stack.login_server}/base/busybox:1.35 sh -c 'echo at-work-$((6*7)); sleep 600'"
        said = stack.az("acr", "run", "-r", names.REGISTRY, "--no-wait", "--cmd", script, "/dev/null")
        assert said.code == 0, said.err
        made.runs["killed"] = said.run_id
        until(lambda: "at-work-42" in made.log(said.run_id))
        group = made.group_of(said.run_id)
        made.runs["killed group"] = group.name
        os.kill(agent_of(group), signal.SIGKILL)
        yield made
    finally:
        made.faults()
        made.call("DELETE", f"/agentPools/{POOL}")


def test_want_of_room_costs_a_run_no_attempt(yard: Yard) -> None:
    run = yard.runs["without room"]
    assert yard.ended(run) == "Succeeded"
    (setback,) = yard.explain(run)["setbacks"]
    assert (setback["kind"], setback["region"], setback["hadBegun"]) == ("noRoom", "local", False)
    log = yard.log(run)
    assert log.count("Azure had no room for its container group in local (InsufficientCapacity).") == 1
    assert log.count("Run ID:") == 1


def test_pool_builders_outlive_the_service_that_runs_them(yard: Yard) -> None:
    """The group of the run before waits in its pool while the service is killed and started anew."""
    yard.ended(yard.runs["without room"])
    before = yard.group_of(yard.runs["without room"]).name
    services = json.loads(yard.stack.target.layout.record.read_text())["services"]
    os.kill(int(next(one["pid"] for one in services if one["name"] == "container-groups")), signal.SIGKILL)
    run = yard.build("--agent-pool", POOL)
    assert yard.ended(run) == "Succeeded"
    assert yard.group_of(run).name == before
    assert yard.log(run).count("Run ID:") == 1


def test_an_agent_that_is_killed_in_a_step_leaves_nothing(yard: Yard) -> None:
    run = yard.runs["killed"]
    assert yard.ended(run) == "Error"
    log = yard.log(run)
    assert "the builder was lost" in log
    assert log.count("Run ID:") == 1
    until(lambda: not yard.is_left(yard.runs["killed group"]))
