"""The builder image, built by Slipway: `builder/Dockerfile` is an ordinary build, and what it makes starts."""

import subprocess
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from devstack.cli.seed import seed
from devstack.stack import names
from devstack.stack.layout import CHECKOUT

if TYPE_CHECKING:
    from tests.system.conftest import Stack

pytestmark = pytest.mark.slow
_NEEDED = ("builder", "shared")


def test_the_builder_image_builds_itself_and_starts(stack: "Stack", context: Path) -> None:
    for folder in _NEEDED:
        tracked = subprocess.run(
            ["git", "ls-files", "-z", folder], cwd=CHECKOUT, capture_output=True, text=True, check=True
        ).stdout
        for name in filter(None, tracked.split("\0")):
            target = context / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes((CHECKOUT / name).read_bytes())
    seed(stack.target, ["trixie"])
    image = f"slipway/builder:{uuid.uuid4().hex[:8]}"

    made = stack.build(
        context, "-f", "builder/Dockerfile", "--build-arg", f"BASE={stack.login_server}/base/debian:trixie",
        "-t", image, timeout=600,
    )  # fmt: skip
    assert made.code == 0, made.out[-3000:] + made.err

    # Started without what a container group tells it, the agent says what is missing: all its parts are there.
    ran = stack.az("acr", "run", "-r", names.REGISTRY, "--cmd", f"{stack.login_server}/{image}", "/dev/null")
    assert "the environment variable SLIPWAY_URL is not set" in ran.out + ran.err
    assert ran.code != 0
