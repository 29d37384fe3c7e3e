"""Base images and the tasks that follow them, by the real az and real images: change the base, find the new value."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from devstack.stack import credentials, names
from tests.system.yard import Yard, built_with

if TYPE_CHECKING:
    from tests.system.conftest import Stack

pytestmark = pytest.mark.slow


@pytest.fixture
def yard(stack: "Stack", tmp_path: Path) -> Iterator[Yard]:
    yard = Yard(stack, tmp_path)
    yield yard
    with stack.http("owner") as client:
        for name in yard.made:
            assert client.delete(f"{stack.registry_url}/tasks/{name}").status_code == 200


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
