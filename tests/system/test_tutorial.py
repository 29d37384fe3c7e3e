"""The tutorial of base image updates, command by command, with a Docker step that builds a git context."""

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from devstack.stack import names
from tests.builder.contexts.repositories import Repository
from tests.builder.contexts.web import Asked, Reply, Site, running_site
from tests.system.waiting import until
from tests.system.yard import Yard

if TYPE_CHECKING:
    from tests.system.conftest import Stack

pytestmark = pytest.mark.slow
GIT_TOKEN = "a-token-of-the-git-host"


@pytest.fixture
def site(stack: "Stack", tmp_path: Path) -> Iterator[Site]:
    """Serve git, and whatever a test adds, where the app and its builders may call."""
    with running_site(tmp_path / "site", stack.target.layout.tls, stack.target.ports.guest) as running:
        running.login = f"x-access-token:{GIT_TOKEN}"
        yield running


def test_the_tutorial_of_base_image_updates(stack: "Stack", site: Site, tmp_path: Path) -> None:
    yard = Yard(stack, tmp_path)
    base, task = f"{yard.own}/baseimages/node:9-alpine", f"baseexample{yard.own}"
    repository = Repository(site)
    repository.commit(
        {
            "Dockerfile-base": f"FROM {stack.login_server}/base/busybox:1.35\nENV VERSION 9.11.2\n",
            "Dockerfile-app": f"ARG REGISTRY_NAME\nFROM ${{REGISTRY_NAME}}/{base}\nRUN echo Version: $VERSION\n",
        }
    )

    def az(*arguments: str) -> str:
        said = stack.az("acr", *arguments)
        assert said.code == 0, said.out + said.err
        return said.out

    def build_base() -> None:
        file = repository.place / "Dockerfile-base"
        az("build", "-r", names.REGISTRY, "--image", base, "--file", str(file), str(repository.place))

    build_base()
    az(
        *("task", "create", "--registry", names.REGISTRY, "--name", task, "--image", "helloworld:{{.Run.ID}}"),
        *("--arg", f"REGISTRY_NAME={stack.login_server}", "--file", "Dockerfile-app"),
        *("--context", f"{repository.url}#main", "--git-access-token", GIT_TOKEN, "--commit-trigger-enabled", "false"),
    )
    yard.made.append(task)
    try:
        assert "Version: 9.11.2" in az("task", "run", "--registry", names.REGISTRY, "--name", task)
        assert re.search(
            rf"{task}\s+linux\s+Succeeded\s+Manual", az("task", "list-runs", "-r", names.REGISTRY, "-o", "table")
        )

        repository.commit({"Dockerfile-base": f"FROM {stack.login_server}/base/busybox:1.35\nENV VERSION 9.11.2a\n"})
        build_base()
        run = yard.wait_for_run(task)

        listed = az("task", "list-runs", "--registry", names.REGISTRY, "--name", task, "-o", "table")
        assert re.search(rf"{run['runId']}\s+{task}\s+linux\s+Succeeded\s+Image Update", listed)
        assert "Version: 9.11.2a" in yard.log(run)
        image = f"helloworld:{run['runId']}"
        assert stack.read_back(image).digest == run["outputImages"][0]["digest"]
    finally:
        az("task", "delete", "-r", names.REGISTRY, "-n", task, "-y")


def test_an_endpoint_is_told_of_an_update_until_it_takes_it(stack: "Stack", site: Site, tmp_path: Path) -> None:
    yard, told = Yard(stack, tmp_path), list[Asked]()

    def receive(asked: Asked) -> Reply:
        told.append(asked)
        return Reply(503 if len(told) == 1 else 200)

    site.pages["/hooks/updates"] = receive
    base, task, token = f"{yard.own}/base:1", f"told{yard.own}", "an opaque text"
    endpoint = f"{site.origin}/hooks/updates?code=part-of-the-secret"
    yard.base(base, "one")
    try:
        yard.task(
            *(task, f"{yard.own}/app:1", yard.image(base)),
            *("--update-trigger-endpoint", endpoint, "--update-trigger-payload-type", "Default"),
        )
        assert "part-of-the-secret" not in yard.az("show", "-n", task)
        yard.az("run", "-n", task, "--update-trigger-token", token)
        yard.base(base, "two")
        run = yard.wait_for_run(task)
        until(lambda: len(told) > 1, "the second call of the endpoint")
    finally:
        yard.az("delete", "-n", task, "-y")

    first, second = told[:2]
    assert first.body == second.body
    sent = base64.b64encode(token.encode())  # as az sends it
    signature = hmac.new(sent, second.body, hashlib.sha256).hexdigest()
    assert second.headers["x-slipway-signature"] == f"sha256={signature}"
    body = json.loads(second.body)
    assert (body["token"], body["task"], body["runId"]) == (sent.decode(), task, run["runId"])
    assert body["images"][0]["digest"] == yard.digest(base)
