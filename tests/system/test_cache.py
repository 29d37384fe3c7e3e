"""Builds that remember, by the real az: each has a container group of its own, with an empty engine."""

import json
import subprocess
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from devstack.stack import names
from devstack.stack.settings import trust_environment
from tests.system.pushed import contents

if TYPE_CHECKING:
    from tests.system.conftest import Said, Stack

pytestmark = pytest.mark.slow
SECRET = "never-in-a-layer"


class Project:
    """A context with a step that is worth remembering, and the repository that it is built into."""

    def __init__(self, stack: "Stack", context: Path) -> None:
        self.stack, self.context = stack, context
        self.repository = f"remembering/{uuid.uuid4().hex[:8]}"
        (context / "Dockerfile").write_text(
            f"FROM {stack.login_server}/base/busybox:1.35 AS slow\n"
            "RUN --mount=type=cache,target=/scratch sleep 6; head -c 100000 /dev/urandom > /made\n"
            f"FROM {stack.login_server}/base/busybox:1.35\n"
            "COPY --from=slow /made /made\n"
            "RUN md5sum /made\n"
            "COPY page /page\n"
        )
        self.change()

    def change(self) -> None:
        (self.context / "page").write_text(uuid.uuid4().hex)

    def build(self, tag: str, *arguments: str) -> "Said":
        said = self.stack.build(self.context, "-t", f"{self.repository}:{tag}", *arguments)
        assert said.code == 0, said.out + said.err
        return said

    def tags(self) -> list[str]:
        layout, login = self.stack.target.layout, self.stack.login_server
        argv = ["skopeo", "list-tags", "--authfile", str(layout.registry_auth), f"docker://{login}/{self.repository}"]
        environment = {"PATH": "/usr/bin:/bin"} | trust_environment(layout.tls.bundle)
        done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=True)
        tags: list[str] = json.loads(done.stdout)["Tags"]
        return [tag for tag in tags if tag.startswith("cache-")]

    def spoil(self, tag: str) -> None:
        """Put an image that is no kept layers under the tag."""
        layout, login = self.stack.target.layout, self.stack.login_server
        argv = ["skopeo", "--insecure-policy", "copy", "--authfile", str(layout.registry_auth)]
        images = [f"docker://{login}/base/busybox:1.35", f"docker://{login}/{self.repository}:{tag}"]
        environment = {"PATH": "/usr/bin:/bin"} | trust_environment(layout.tls.bundle)
        subprocess.run([*argv, *images], env=environment, capture_output=True, check=True)


def test_what_has_not_changed_is_not_built_again(stack: "Stack", context: Path) -> None:
    project = Project(stack, context)
    assert "Keeping the layers of this build in" in project.build("one").out
    (tag,) = project.tags()

    project.change()
    second = project.build("two").out
    assert (
        f"Using the layers that an earlier build has kept in {stack.login_server}/{project.repository}:{tag}" in second
    )
    assert second.count("CACHED") >= 2
    assert "Keeping the layers" not in second

    project.spoil(tag)
    again = project.build("three").out
    assert "CACHED" not in again
    assert "Keeping the layers of this build in" in again
    assert project.tags() == [tag]
    project.change()
    assert project.build("four").out.count("CACHED") >= 2


def test_secrets_are_in_no_kept_layer(stack: "Stack", context: Path) -> None:
    project = Project(stack, context)
    first = project.build("one", "--secret-build-arg", f"TOKEN={SECRET}").out
    assert "Keeping the layers" not in first
    assert project.tags() == []
    project.build("two")
    (tag,) = project.tags()
    assert not contents(stack, project.repository, tag).holds(SECRET)


def test_a_build_step_of_a_task_file_remembers_too(stack: "Stack", context: Path) -> None:
    project = Project(stack, context)
    image = f"$Registry/{project.repository}"

    def run(tag: str, more: str = "", cache: str = "") -> str:
        text = f"version: v1.1.0\nsteps:\n  - build: -t {image}:{tag} {more} .\n{cache}  - push: [{image}:{tag}]\n"
        (context / "task.yaml").write_text(text)
        said = stack.az("acr", "run", "-r", names.REGISTRY, "-f", "task.yaml", str(context))
        assert said.code == 0, said.out + said.err
        return said.out

    assert "Keeping the layers of this build in" in run("one")
    project.change()
    assert run("two").count("CACHED") >= 2
    assert "CACHED" not in run("three", more="--no-cache")
    assert "CACHED" not in run("four", cache="    cache: disabled\n")
