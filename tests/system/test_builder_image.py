"""The builder image, built by Slipway: `builder/Dockerfile` is an ordinary build, and what it makes is a builder."""

import base64
import json
import subprocess
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from azure.mgmt.containerinstance import models as aci

from devstack.cli.seed import seed
from devstack.stack import names
from devstack.stack.layout import CHECKOUT
from tests.system.machines import opened

if TYPE_CHECKING:
    from tests.system.conftest import Stack

pytestmark = pytest.mark.slow
_NEEDED = ("builder", "shared")


def test_the_builder_image_builds_itself_and_serves_a_run(stack: "Stack", context: Path, tmp_path: Path) -> None:
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

    # A machine that pulls it serves a pool with it.
    with opened(stack, tmp_path) as yard:
        machine = yard.machine(yard.issue()[1], f"{stack.login_server}/{image}", _login(stack))
        run = yard.queue()
        ended = yard.ended(run)
        assert ended["status"] == "Succeeded", yard.host.log(machine)
        assert run in yard.host.log(machine)


def _login(stack: "Stack") -> aci.ImageRegistryCredential:
    """Answer the login by which the stack's own tools pull."""
    known = json.loads(stack.target.layout.registry_auth.read_text())["auths"][stack.login_server]["auth"]
    user, _, password = base64.b64decode(known).decode().partition(":")
    return aci.ImageRegistryCredential(server=stack.login_server, username=user, password=password)
