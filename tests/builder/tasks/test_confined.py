"""Tasks on a confined builder: what it hands over, and the containers that wait for its steps."""

import asyncio
import hashlib
import json
from collections.abc import Callable
from typing import Any

import httpx

from builder.engine.protocol import Beside, Kind
from shared.grant import FileTask, Outcome, StepContainer, Work
from shared.images.references import Reference

type World = Any  # the class lives in conftest.py, which test modules cannot import
type Undated = Callable[[str], list[str]]

WITH_STEPS = "steps:\n - {id: a, cmd: reg.example/tools:1 x}\n - {id: b, cmd: reg.example/tools:1}\n"
STEPS = tuple(StepContainer(step=step, image="reg.example/tools:1") for step in ("a", "b"))


def tools(request: httpx.Request) -> httpx.Response:
    """Answer as a registry of one image, whose words are known."""
    config = json.dumps({"config": {"Entrypoint": ["/entry"], "Cmd": ["usual"]}}).encode()
    digest = f"sha256:{hashlib.sha256(config).hexdigest()}"
    body = json.dumps({"schemaVersion": 2, "config": {"digest": digest, "size": len(config)}, "layers": []}).encode()
    if "/blobs/" in request.url.path:
        return httpx.Response(200, stream=httpx.ByteStream(config))
    headers = {
        "Docker-Content-Digest": f"sha256:{hashlib.sha256(body).hexdigest()}",
        "Content-Type": "application/vnd.oci.image.manifest.v1+json",
    }
    return httpx.Response(200, headers=headers, stream=httpx.ByteStream(b"" if request.method == "HEAD" else body))


def test_a_confined_builder_asks_for_the_containers_of_its_steps(world: World, undated: Undated) -> None:
    world.engine.kind = Kind.CONFINED
    world.run_task(WITH_STEPS)
    assert world.report.steps == STEPS
    assert world.report.outcome is Outcome.FAILED, "where they cannot be had the run ends so"
    assert undated(world.text) == ["The run goes on in a container group that has a container for each step."]
    assert world.engine.containers.events == []


def test_and_runs_them_once_it_has_them_with_what_their_images_say(world: World) -> None:
    world.engine.kind = Kind.CONFINED
    world.grant["steps"] = STEPS
    world.always["registry"] = tools
    world.run_task(WITH_STEPS)
    assert world.report.outcome is Outcome.SUCCEEDED
    assert [one.name for one in world.engine.containers.ran] == ["a", "b"]
    assert world.engine.containers.workspace.beside == tuple(Beside(step, ("/entry",), ("usual",)) for step in "ab")


def test_a_step_that_runs_what_is_built_gets_a_container_without_an_image(world: World) -> None:
    world.engine.kind = Kind.CONFINED
    world.grant["steps"] = (StepContainer(step="t"),)
    text = "steps:\n - {id: b, build: -t app ., when: ['-']}\n - {id: t, cmd: app true, when: [b]}\n"
    world.files = {"Dockerfile": "FROM scratch\n", "acb.yaml": text}
    world.grant["work"] = Work(file_task=FileTask(task_file_path="acb.yaml"))
    assert asyncio.run(asyncio.wait_for(world.live(), 20)) == 0
    assert world.engine.containers.workspace.beside == (Beside("t", takes=Reference.parse("app")),)
    assert [one.name for one in world.engine.containers.ran] == ["t"]


def test_a_task_that_changed_meanwhile_is_told_so(world: World) -> None:
    world.engine.kind = Kind.CONFINED
    world.grant["steps"] = STEPS[:1]
    world.run_task(WITH_STEPS)
    assert "has changed since" in world.report.error


def test_a_full_builder_needs_none(world: World) -> None:
    world.run_task(WITH_STEPS)
    assert (world.report.outcome, world.report.steps) == (Outcome.SUCCEEDED, ())


def test_what_a_confined_builder_cannot_run_is_refused_at_once(world: World, undated: Undated) -> None:
    world.engine.kind = Kind.CONFINED
    world.run_task("steps:\n - {id: p, cmd: x, privileged: true}\n")
    (line,) = undated(world.text)
    assert line.startswith("failed during run, err: step p: a privileged container cannot run on a confined builder: ")
    assert "needs an agent pool" in line
    assert world.engine.containers.events == []


def test_a_dockerfile_that_only_a_full_builder_can_build_hands_over_before_anything_runs(world: World) -> None:
    world.engine.kind = Kind.CONFINED
    world.engine.refuses = "--mount=type=tmpfs is what a confined builder cannot do"
    world.grant["may_hand_over"] = True
    world.files = {
        "acb.yaml": "steps:\n - build: -t a -f fine .\n - cmd: busybox deploy\n - build: -t b -f odd .\n",
        "fine": "FROM scratch\n",
        "odd": "FROM scratch\nRUN --mount=type=tmpfs true\n",
    }
    world.grant["work"] = Work(file_task=FileTask(task_file_path="acb.yaml"))
    assert asyncio.run(asyncio.wait_for(world.live(), 20)) == 0
    assert world.report.needs_full
    assert "step acb_step_2: --mount=type=tmpfs is what" in world.text
    assert world.engine.containers.events == []


def test_a_dockerfile_that_a_step_is_yet_to_make_is_no_hindrance(world: World) -> None:
    world.engine.refuses = "--mount=type=tmpfs"
    world.files = {"acb.yaml": "steps:\n - build: -t a -f later .\n - build: -t b https://git.example/x.git\n"}
    world.grant["work"] = Work(file_task=FileTask(task_file_path="acb.yaml"))
    asyncio.run(asyncio.wait_for(world.live(), 20))
    assert "'later' is not in the context" in world.text
