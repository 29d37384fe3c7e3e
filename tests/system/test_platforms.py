"""Images for other machines, by the real az: built under emulation, and nothing of that left behind."""

import hashlib
import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from devstack.cli.seed import seed
from devstack.stack import names
from devstack.stack.settings import trust_environment

if TYPE_CHECKING:
    from tests.system.conftest import Stack

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("platform", "base", "machine"),
    [
        ("linux/arm64", "busybox-arm64", "aarch64"),
        ("linux/arm/v7", "busybox-arm", "armv7l"),
        ("linux/386", "busybox-386", "x86_64"),
        ("linux", "busybox", "x86_64"),
    ],
)
def test_a_run_step_runs_on_each_platform(
    stack: "Stack", context: Path, platform: str, base: str, machine: str
) -> None:
    seed(stack.target, [base])
    (context / "Dockerfile").write_text(
        f"FROM {stack.login_server}/base/{base}:1.35\n"
        "ARG TARGETPLATFORM\n"
        "RUN echo built-for-$TARGETPLATFORM-on-$(uname -m)-by-$(/bin/busybox echo a child)\n"
    )
    image = f"platforms/{base}:v1"
    said = stack.build(context, "-t", image, "--platform", platform)
    assert said.code == 0, said.out + said.err
    wanted = platform if "/" in platform else "linux/amd64"
    assert f"built-for-{wanted}-on-{machine}-by-a child" in said.out
    assert wanted.startswith(stack.read_back(image).platform)


def test_a_build_step_makes_one_index_of_several_platforms(stack: "Stack", context: Path) -> None:
    (context / "Dockerfile").write_text("FROM scratch\nARG TARGETARCH\nCOPY $TARGETARCH /machine\n")
    for name in ("amd64", "arm64"):
        (context / name).write_text(name)
    image = "$Registry/platforms/several:v1"
    (context / "task.yaml").write_text(
        f"version: v1.1.0\nsteps:\n  - build: --platform linux/amd64,linux/arm64 -t {image} .\n  - push: [{image}]\n"
    )
    said = stack.az("acr", "run", "-r", names.REGISTRY, "-f", "task.yaml", str(context))
    assert said.code == 0, said.out + said.err

    layout, login = stack.target.layout, stack.login_server
    argv = ["skopeo", "inspect", "--raw", "--authfile", str(layout.registry_auth)]
    environment = {"PATH": "/usr/bin:/bin"} | trust_environment(layout.tls.bundle)
    raw = subprocess.run(
        [*argv, f"docker://{login}/platforms/several:v1"], env=environment, capture_output=True, check=True
    ).stdout
    index = json.loads(raw)
    assert [entry["platform"]["architecture"] for entry in index["manifests"]] == ["amd64", "arm64"]
    assert "org.opencontainers.image.created" in index["annotations"]
    assert f"sha256:{hashlib.sha256(raw).hexdigest()}" in said.out
