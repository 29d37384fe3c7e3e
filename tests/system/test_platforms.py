"""Images for other machines, by the real az: built under emulation, and nothing of that left behind."""

import hashlib
import json
import os
import re
import subprocess
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from devstack.cli.seed import seed
from devstack.stack import names
from devstack.stack.layout import CHECKOUT
from devstack.stack.settings import trust_environment

if TYPE_CHECKING:
    from tests.system.conftest import Stack

pytestmark = pytest.mark.slow


ROWS = [
    ("linux/arm64", "busybox-arm64", "aarch64"),
    ("linux/arm64/v8", "busybox-arm64", "aarch64"),
    ("linux/arm", "busybox-arm", "armv7l"),
    ("linux/arm/v6", "busybox-arm", "armv7l"),
    ("Linux/ARM/v7", "busybox-arm", "armv7l"),
    ("linux/arm/v8", "busybox-arm", "armv7l"),
    ("linux/386", "busybox-386", "x86_64"),
    ("linux", "busybox", "x86_64"),
]
WINDOWS = {"windows", "windows/amd64"}


@pytest.mark.parametrize(("platform", "base", "machine"), ROWS)
def test_a_run_step_runs_on_each_platform(
    stack: "Stack", context: Path, platform: str, base: str, machine: str
) -> None:
    seed(stack.target, [base])
    (context / "Dockerfile").write_text(
        f"FROM {stack.login_server}/base/{base}:1.35\n"
        "ARG TARGETPLATFORM\n"
        "RUN echo built-for-$TARGETPLATFORM-on-$(uname -m)-by-$(/bin/busybox echo a child)\n"
    )
    image = f"platforms/{uuid.uuid4().hex[:8]}:v1"  # one that no build before has kept layers for
    said = stack.build(context, "-t", image, "--platform", platform)
    assert said.code == 0, said.out + said.err
    wanted = {"linux": "linux/amd64", "linux/arm": "linux/arm/v7", "linux/arm64/v8": "linux/arm64"}.get(
        platform, platform
    )
    assert f"built-for-{wanted.lower()}-on-{machine}-by-a child" in said.out
    assert wanted.lower().startswith(stack.read_back(image).platform)


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

    index, digest = manifest(stack, "platforms/several:v1")
    assert [entry["platform"]["architecture"] for entry in index["manifests"]] == ["amd64", "arm64"]
    assert "org.opencontainers.image.created" in index["annotations"]
    assert digest in said.out


def test_one_argument_asks_az_for_an_index_and_its_base_is_one_too(stack: "Stack", context: Path) -> None:
    seed(stack.target, ["busybox-arm64"])
    (context / "Dockerfile").write_text(
        f"FROM {stack.login_server}/base/busybox-arm64:1.35 AS of-arm64\n"
        f"FROM {stack.login_server}/base/busybox:1.35 AS of-amd64\n"
        "FROM of-$TARGETARCH\nARG TARGETPLATFORM\nRUN echo built-for-$TARGETPLATFORM-on-$(uname -m) | tee /told\n"
    )
    both = "SLIPWAY_PLATFORMS=linux/amd64,linux/arm64"
    image = f"platforms/{uuid.uuid4().hex[:8]}:v1"
    said = stack.build(context, "-t", image, "--build-arg", both)
    assert said.code == 0, said.out + said.err
    for told in ("linux/amd64-on-x86_64", "linux/arm64-on-aarch64"):
        assert f"built-for-{told}" in said.out
    base, digest = manifest(stack, image)
    assert len(base["manifests"]) == 2
    assert digest in said.out

    (context / "Dockerfile").write_text(
        f"FROM {stack.login_server}/{image}\nARG TARGETARCH\nRUN grep -c built-for /told\nCOPY Dockerfile /\n"
    )
    said = stack.build(context, "-t", "platforms/derived:v1", "--build-arg", both)
    assert said.code == 0, said.out + said.err
    derived, _ = manifest(stack, "platforms/derived:v1")
    assert derived["annotations"]["org.opencontainers.image.base.digest"] == digest


def test_a_task_has_platforms_as_a_property(stack: "Stack") -> None:
    path = f"{names.REGISTRY_ID}/tasks/several"
    step = {
        "type": "Docker",
        "dockerFilePath": "Dockerfile",
        "imageNames": ["platforms/task:v1"],
        "platforms": ["linux/386", "linux/arm/v7"],
    }
    with stack.http("owner") as client:
        url = f"{stack.target.ports.public_url}{path}?api-version=2025-03-01-preview"
        answer = client.put(url, json={"location": "local", "properties": {"step": step}})
        assert answer.status_code in {200, 201}, answer.text
        assert client.get(url).json()["properties"]["step"]["platforms"] == ["linux/386", "linux/arm/v7"]
        step["platforms"] = ["linux/386", "linux/m68k"]
        refused = client.put(url, json={"location": "local", "properties": {"step": step}})
        assert refused.status_code == 400
        assert "linux/m68k" in refused.json()["error"]["message"]


def test_the_documentation_has_the_same_rows() -> None:
    rows = (line.split("|") for line in (CHECKOUT / "docs" / "platforms.md").read_text().splitlines() if "|" in line)
    told = {platform for row in rows for platform in re.findall(r"\b(?:linux|windows)\b(?:/\w+)*", row[2])}
    assert told == {platform.lower() for platform, *_ in ROWS} | WINDOWS


def test_steps_of_windows_are_refused_when_they_are_asked_for(stack: "Stack") -> None:
    asked = ("acr", "run", "-r", names.REGISTRY, "--platform", "windows", "--cmd", "app cmd /c dir", os.devnull)
    said = stack.az(*asked)
    assert said.code == 1
    assert "Steps and images of Windows need an agent pool of Windows builders" in said.err
    assert "Queued" not in said.err


def test_an_image_of_windows_is_built_without_run_alone(stack: "Stack", context: Path) -> None:
    (context / "Dockerfile").write_text('FROM scratch\nCOPY Dockerfile C:/app/\nENTRYPOINT ["C:\\\\app\\\\x.exe"]\n')
    said = stack.build(context, "-t", "platforms/windows:v1", "--platform", "windows")
    assert said.code == 0, said.out + said.err
    assert stack.read_back("platforms/windows:v1").platform == "windows/amd64"
    with (context / "Dockerfile").open("a") as file:
        file.write("RUN dir\n")
    said = stack.build(context, "-t", "platforms/windows:v2", "--platform", "windows/amd64")
    assert said.code == 1
    assert "Dockerfile line 4: RUN for windows/amd64 needs a Windows builder" in said.out
    (context / "Dockerfile").write_text(f"FROM {stack.login_server}/base/busybox:1.35\nCOPY Dockerfile /\n")
    said = stack.build(context, "-t", "platforms/windows:v2", "--platform", "windows")
    assert said.code == 1
    assert "line 1: an image for windows/amd64 cannot stand on" in said.out
    (context / "Dockerfile").write_text("FROM scratch\nRUN --mount=type=ssh true\n")
    said = stack.build(context, "-t", "platforms/ssh:v1")
    assert said.code == 1
    assert "Dockerfile line 2: RUN --mount=type=ssh needs somebody's SSH agent" in said.out


def manifest(stack: "Stack", image: str) -> tuple[dict[str, Any], str]:
    """Read what lies under a tag, and its digest."""
    layout, login = stack.target.layout, stack.login_server
    argv = ["skopeo", "inspect", "--raw", "--authfile", str(layout.registry_auth), f"docker://{login}/{image}"]
    environment = {"PATH": "/usr/bin:/bin"} | trust_environment(layout.tls.bundle)
    raw = subprocess.run(argv, env=environment, capture_output=True, check=True).stdout
    return json.loads(raw), f"sha256:{hashlib.sha256(raw).hexdigest()}"
