"""Images that say on what they were built, and the tasks that build them, by the real az."""

import re
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from devstack.stack import names
from tests.system.waiting import until

if TYPE_CHECKING:
    from tests.system.conftest import Stack

_PATIENCE = 150


class Yard:
    """One test's own images and tasks."""

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

    def task(
        self, name: str, product: str, dockerfile: list[str], *arguments: str, login: tuple[str, ...] = ()
    ) -> None:
        """Make a task that builds a Dockerfile and pushes it, give it a login of another registry, run it once."""
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
        if login:
            added = self.stack.az("acr", "task", "credential", "add", "-r", names.REGISTRY, "-n", name, *login)
            assert added.code == 0, added.err
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

        def ended() -> dict[str, Any] | None:
            runs = self.runs(task)
            is_over = len(runs) >= number and runs[number - 1]["status"] not in {"Queued", "Started", "Running"}
            return runs[number - 1] if is_over else None

        try:
            return until(ended, f"run {number} of {task}", seconds=_PATIENCE)
        except pytest.fail.Exception as late:
            pytest.fail(f"{late}: {self.explain(task)}")

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


def built_with(log: str) -> list[str]:
    """Answer the values that `RUN cat /value` has printed."""
    return re.findall(r"^#\d+ [\d.]+ (one|two)\r?$", log, re.MULTILINE)
