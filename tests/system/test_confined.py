"""Builders that may do nothing special, on a stack of their own: only kaniko is played, all else is real.

Where `KANIKO_EXECUTOR` names its program, kaniko is real, too. The stand-in wipes the root as it does.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from devstack.builder_image import layers
from devstack.cli.seed import seed
from devstack.cli.target import Target
from devstack.cli.up import EXECUTOR
from devstack.stack import names
from devstack.stack.layout import CHECKOUT, Layout, cache
from devstack.stack.ports import Ports, free_base
from devstack.stack.settings import BUILDER_KINDS
from tests.builder.engine.stand_in import pack

if TYPE_CHECKING:
    from tests.system.conftest import Stack

pytestmark = pytest.mark.slow
TASK = """\
version: v1.1.0
steps:
  - build: -t $Registry/confined/app:1 .
  - build: -t own/second:1 -f second.dockerfile .
  - cmd: $Registry/confined/app:1 /busybox sh -c 'echo tests passed; echo kept >/workspace/report'
  - cmd: $Registry/base/busybox:1.35 cat /workspace/report
  - push: ["$Registry/confined/app:1"]
"""


@pytest.fixture(scope="module")
def mixed(stack: "Stack", tmp_path_factory: pytest.TempPathFactory) -> Iterator["Stack"]:
    """Start a stack whose runs begin on a confined builder and may be handed over to a full one."""
    folder = tmp_path_factory.mktemp("confined")
    executor = os.environ.get(EXECUTOR) or str(pack(folder / "executor"))
    target = Target(Layout(folder / "state"), Ports(free_base()))
    place = ["--state", str(target.layout.state), "--port-base", str(target.ports.base)]
    environment = {**os.environ, EXECUTOR: executor, BUILDER_KINDS: "full,confined"}
    dev = str(CHECKOUT / "dev")
    subprocess.run([dev, "up", "--background", *place], env=environment, check=True, timeout=300)
    try:
        seed(target, ["busybox"])
        yield type(stack)(target)
    finally:
        subprocess.run([dev, "down", *place], check=True, timeout=120)


@pytest.fixture
def program(context: Path) -> Path:
    """Answer a context that is an image by itself: one static program."""
    home = layers.confined(cache(), CHECKOUT, Path(__file__)).lower[-1]
    shutil.copy(Path(home) / "kaniko" / "bin" / "busybox", context / "busybox")
    return context


def test_a_task_builds_runs_what_it_built_and_pushes_it(mixed: "Stack", program: Path) -> None:
    (program / "acb.yaml").write_text(TASK)
    (program / "Dockerfile").write_text("FROM scratch\nCOPY . /\n")
    (program / "second.dockerfile").write_text(f"FROM {mixed.login_server}/confined/app:1\n")
    said = mixed.az("acr", "run", "-r", names.REGISTRY, str(program))
    assert said.code == 0, said.out + said.err
    assert "The run goes on in a container group that has a container for each step." in said.out
    assert "tests passed\n" in said.out
    assert "\nkept\n" in said.out
    assert "handed over" not in said.out
    assert mixed.read_back("confined/app:1").platform == "linux/amd64"


def test_stages_run_over_the_builder_s_root_and_layers_are_kept(mixed: "Stack", context: Path) -> None:
    base = f"{mixed.login_server}/base/busybox:1.35"
    (context / "hello").write_text("hello\n")
    (context / "Dockerfile").write_text(
        f"FROM {base} AS made\nRUN sleep 5; echo made >/made\n"
        f"FROM {base}\nCOPY --from=made /made /made\nCOPY hello /hello\nRUN cat /made /hello && ls /\n"
    )
    said = mixed.build(context, "-t", "confined/stages:1")
    assert said.code == 0, said.out + said.err
    assert "\nmade\nhello\n" in said.out
    assert "Keeping the layers of this build in" in said.out
    assert "could not be kept" not in said.out
    again = mixed.build(context, "-t", "confined/stages:1")
    assert again.code == 0, again.out + again.err
    assert "Using caching version of cmd: RUN sleep 5" in again.out


def test_a_build_that_needs_more_is_handed_over_before_anything_is_done(mixed: "Stack", context: Path) -> None:
    base = f"{mixed.login_server}/base/busybox:1.35"
    (context / "Dockerfile").write_text(f"FROM {base}\nRUN --mount=type=tmpfs,target=/x echo on a full one\n")
    said = mixed.build(context, "-t", "confined/other:1")
    assert said.code == 0, said.out + said.err
    first, _, rest = said.out.partition("The run is handed over to a full builder.")
    assert "RUN mounts a tmpfs" in first
    assert "INFO" not in first
    assert "on a full one" in rest
