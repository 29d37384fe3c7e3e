"""Base images and the tasks that follow them, by the real az and real images: change the base, find the new value."""

import re
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from devstack.stack import credentials, names

if TYPE_CHECKING:
    from tests.system.conftest import Stack

pytestmark = pytest.mark.slow
_PATIENCE = 150


class Yard:
    """Images that say on what they were built, and the tasks that build them."""

    def __init__(self, stack: "Stack", folder: Path) -> None:
        self.stack = stack
        self.folder = folder
        self.made: list[str] = []
        self.own = uuid.uuid4().hex[:6]

    def base(self, image: str, value: str) -> None:
        """Build a base image that holds a value, by `az acr build`."""
        context = self.folder / image.replace("/", "_").replace(":", "_")
        context.mkdir(exist_ok=True)
        (context / "Dockerfile").write_text(
            f"FROM {self.stack.login_server}/base/busybox:1.35\nRUN echo {value} > /value\n"
        )
        said = self.stack.build(context, "-t", image)
        assert said.code == 0, said.out + said.err

    def task(self, name: str, product: str, dockerfile: list[str], *arguments: str) -> None:
        """Make a task that builds a Dockerfile and pushes it, and run it once."""
        written = "; ".join(f"echo '{line}' >> Dockerfile" for line in dockerfile)
        text = (
            f'version: v1.1.0\nsteps:\n  - cmd: $Registry/base/busybox:1.35 sh -c "{written}"\n'
            f'  - build: -t $Registry/{product} .\n  - push: ["$Registry/{product}"]\n'
        )
        file = self.folder / f"{name}.yaml"
        file.write_text(text)
        said = self.az("create", "-n", name, "-f", str(file), "-c", "/dev/null", *arguments)
        self.made.append(name)
        assert '"baseImageTriggerType"' in said
        assert "was successful after" in self.az("run", "-n", name)

    def az(self, command: str, *arguments: str) -> str:
        said = self.stack.az("acr", "task", command, "-r", names.REGISTRY, *arguments)
        assert said.code == 0, said.out + said.err
        return said.out

    def image(self, name: str, line: str = "") -> list[str]:
        login = f"{self.stack.login_server}/{name}"
        return [f"FROM {login}", f"RUN cat /value{line}"]

    def runs(self, task: str) -> list[dict[str, Any]]:
        """List the runs of a task that base images have started, oldest first."""
        with self.stack.http("reader") as client:
            found = client.get(f"{self.stack.registry_url}/runs", params={"$filter": f"TaskName eq '{task}'"})
        runs = [run["properties"] for run in found.raise_for_status().json()["value"]]
        return [run for run in reversed(runs) if "imageUpdateTrigger" in run]

    def wait_for_run(self, task: str, number: int = 1) -> dict[str, Any]:
        """Wait until so many runs have ended, and answer the last one."""
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            runs = self.runs(task)
            if len(runs) >= number and runs[number - 1]["status"] not in {"Queued", "Started", "Running"}:
                return runs[number - 1]
            time.sleep(0.5)
        pytest.fail(f"no run {number} of {task} within {_PATIENCE} s: {self.explain(task)}")

    def explain(self, task: str) -> dict[str, Any]:
        with self.stack.http("reader") as client:
            told: dict[str, Any] = (
                client.get(f"{self.stack.registry_url}/tasks/{task}/explain").raise_for_status().json()
            )
        return told

    def log(self, run: dict[str, Any]) -> str:
        return self.stack.az("acr", "task", "logs", "-r", names.REGISTRY, "--run-id", run["runId"]).out

    def digest(self, image: str) -> str:
        return self.stack.read_back(image).digest


@pytest.fixture
def yard(stack: "Stack", tmp_path: Path) -> Iterator[Yard]:
    yard = Yard(stack, tmp_path)
    yield yard
    with stack.http("owner") as client:
        for name in yard.made:
            assert client.delete(f"{stack.registry_url}/tasks/{name}").status_code == 200


def built_with(log: str) -> list[str]:
    """Answer the values that `RUN cat /value` has printed."""
    return re.findall(r"^#\d+ [\d.]+ (one|two)\r?$", log, re.MULTILINE)


def test_a_task_is_run_when_its_base_image_changes_and_stands_on_the_new_one(yard: Yard) -> None:
    base, app, task = f"{yard.own}/base:1", f"{yard.own}/app:1", f"follower{yard.own}"
    yard.base(base, "one")
    yard.task(task, app, yard.image(base))
    yard.base(base, "two")
    run = yard.wait_for_run(task)

    assert (run["status"], run["runType"]) == ("Succeeded", "AutoRun")
    (image,) = run["imageUpdateTrigger"]["images"]
    digest = yard.digest(base)
    assert image == {
        "registry": yard.stack.login_server, "repository": f"{yard.own}/base", "tag": "1", "digest": digest,
    }  # fmt: skip
    assert built_with(yard.log(run)) == ["two"]
    said = yard.stack.az("acr", "run", "-r", names.REGISTRY, "--cmd", f"$Registry/{app} cat /value", "/dev/null")
    assert re.search(r"^two\r?$", said.out, re.MULTILINE)
    listed = yard.az("list-runs", "-n", task, "-o", "table")
    assert re.search(rf"{run['runId']}\s+{task}\s+linux\s+Succeeded\s+Image Update", listed)
    assert digest in yard.az("show", "-n", task)
    told = yard.explain(task)
    assert told["decisions"][0]["verdict"] == "started"
    (fact,) = told["baseImages"]
    assert (fact["type"], fact["digest"], fact["generation"], fact["isFollowed"]) == ("Runtime", digest, 1, True)


def test_a_build_time_stage_is_followed_by_a_trigger_of_type_all(yard: Yard) -> None:
    sdk, login = f"{yard.own}/sdk:1", yard.stack.login_server
    every, runtime = f"all{yard.own}", f"runtime{yard.own}"
    yard.base(sdk, "one")
    stages = [
        f"FROM {login}/{sdk} AS sdk",
        f"FROM {login}/base/busybox:1.35",
        "COPY --from=sdk /value /value",
        "RUN cat /value",
    ]
    yard.task(every, f"{yard.own}/all:1", stages, "--base-image-trigger-type", "All")
    yard.task(runtime, f"{yard.own}/runtime:1", stages)
    yard.base(sdk, "two")
    assert built_with(yard.log(yard.wait_for_run(every))) == ["two"]
    assert yard.runs(runtime) == []
    assert yard.explain(runtime)["decisions"][0]["verdict"] == "suppressed"


def test_a_chain_of_three_is_rebuilt_in_order_each_once(yard: Yard) -> None:
    base, middle, app = (f"{yard.own}/{name}:1" for name in ("base", "middle", "app"))
    yard.base(base, "one")
    yard.task(f"middle{yard.own}", middle, yard.image(base))
    yard.task(f"app{yard.own}", app, yard.image(middle))
    yard.base(base, "two")
    last = yard.wait_for_run(f"app{yard.own}")
    assert built_with(yard.log(last)) == ["two"]
    (first,) = yard.runs(f"middle{yard.own}")
    assert first["status"] == "Succeeded"
    assert first["finishTime"] <= last["startTime"]
    assert len(yard.runs(f"app{yard.own}")) == 1
    assert last["imageUpdateTrigger"]["images"][0]["digest"] == yard.digest(middle)


def test_events_are_hints_in_every_shape_and_only_with_the_token(stack: "Stack") -> None:
    token = credentials.load_or_create(stack.target.layout).events_token
    event = {
        "id": "1", "action": "push", "request": {"host": stack.login_server},
        "target": {"repository": "nobody/stands-on-this", "tag": "1", "digest": f"sha256:{'0' * 64}"},
    }  # fmt: skip
    grid = {
        "id": "1", "topic": names.REGISTRY_ID, "subject": "a:1", "eventTime": "2026-11-21T00:00:00Z",
        "eventType": "Microsoft.ContainerRegistry.ImagePushed", "dataVersion": "1.0", "data": event,
    }  # fmt: skip
    cloud = {
        "id": "1", "source": names.REGISTRY_ID, "type": "Microsoft.ContainerRegistry.ImagePushed",
        "time": "2026-11-21T00:00:00Z", "specversion": "1.0", "data": event,
    }  # fmt: skip
    url = f"{stack.target.ports.public_url}/registry-events"
    with stack.http() as client:
        for body in (event, {"events": [event]}, [grid], cloud):
            answer = client.post(url, json=body, headers={"Authorization": f"Bearer {token}"})
            assert (answer.status_code, answer.json()) == (200, {"tracked": 0, "ignored": 0})
        assert client.post(f"{url}/{token}", json=event).status_code == 200
        assert client.post(f"{url}/wrong", json=event).status_code == 401
        assert client.post(url, json=event).status_code == 401
        hook = f"{stack.target.ports.public_url}/runtime/webhooks/eventgrid?functionName=registry_events_grid"
        for body in ([grid, grid], cloud):
            assert client.post(hook, json=body, headers={"aeg-event-type": "Notification"}).status_code == 202
