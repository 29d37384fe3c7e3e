"""Steps of a confined builder in real containers, under Docker's default capabilities and filter."""

import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from azure.mgmt.containerinstance import ContainerInstanceManagementClient

from devstack.setup import mirror
from shared.container_groups.spec import GroupRequest, group_spec
from shared.grant import StepContainer
from shared.settings import BuilderKind, Settings
from tests.devstack.container_groups.running import CHECKOUT, RESOURCE_GROUP, Service, until

pytestmark = pytest.mark.slow

DRIVER = """
import asyncio, json
from pathlib import Path
from builder.engine.beside import BesideContainers
from builder.engine.protocol import Beside, Container, Workspace

HOME = Path("/kaniko/slipway")

def run(name, command, **fields):
    said = bytearray()
    async def wait():
        status = await containers.run(Container(name=name, command=command, **fields), said.extend)
        return [name, status, said.decode()]
    return wait()

async def main():
    (HOME / "workspace" / "hello").write_text("hello from the workspace\\n")
    steps = [Beside("server"), Beside("client"), Beside("odd"), Beside("bare", ("/echo",), ("its", "own", "words"))]
    await containers.open(Workspace(HOME / "workspace", "v", HOME / "home", beside=tuple(steps)))
    told = [await run("server", "busybox httpd -f -p 8080 -h /workspace", detach=True)]
    told.append(await run("client", "busybox wget -q -T 5 -O - http://server:8080/hello", directory="/workspace"))
    shell = "busybox sh -c 'echo $A; exit 3' > kept"
    told.append(await run("odd", shell, environment=("A=x",), directory="/workspace"))
    told.append(await run("bare", "scratch"))
    told.append(await run("odd", PROFILE))
    hanging = asyncio.create_task(run("odd", "busybox sleep 1000"))
    await asyncio.sleep(0.5)
    hanging.cancel()
    await asyncio.wait({hanging})
    told.append(await run("odd", "busybox ps"))
    told.append(["kept", 0, (HOME / "workspace" / "kept").read_text()])
    await containers.close()
    print(json.dumps(told), flush=True)

PROFILE = (
    "busybox sh -c 'grep CapEff /proc/self/status; grep Seccomp: /proc/self/status; unshare -U true || echo no user;"
    " unshare -m true || echo no mounts; mount -t tmpfs none /tmp || echo no mount; ls /dev/fuse || echo no fuse;"
    " mknod /tmp/d b 7 0 && cat /tmp/d || echo no device' 2>/dev/null"
)
containers = BesideContainers(HOME / "shared", None)
asyncio.run(asyncio.wait_for(main(), 60))
"""
APPLETS = ("cat", "grep", "httpd", "ls", "mknod", "mount", "ps", "sh", "sleep", "unshare", "wget")
STEPS = tuple(
    StepContainer(step=step, image="scratch" if step == "bare" else "busybox")
    for step in ("server", "client", "odd", "bare")
)


@pytest.fixture(scope="module")
def service(
    make_service: Callable[..., Service], builder_image: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> Service:
    folder = tmp_path_factory.mktemp("images")
    package = mirror.fetch("busybox-static", "trixie", folder)
    subprocess.run(["dpkg-deb", "--extract", str(package), str(folder / "tree")], check=True)
    program = next(path for path in (folder / "tree").glob("**/busybox") if path.is_file())
    for root in ("busybox/bin", "busybox/tmp", "scratch", "confined/kaniko/bin", "confined/kaniko/agent/builder/image"):
        (folder / root).mkdir(parents=True)
    shutil.copy(program, folder / "busybox" / "bin" / "busybox")
    for applet in APPLETS:
        (folder / "busybox" / "bin" / applet).symlink_to("busybox")
    shutil.copy(program, folder / "scratch" / "echo")
    shutil.copy(program, folder / "confined" / "kaniko" / "bin" / "busybox")
    shutil.copy(CHECKOUT / "builder" / "image" / "step.sh", folder / "confined" / "kaniko" / "agent/builder/image")
    (folder / "confined" / "kaniko" / "driver.py").write_text(DRIVER)
    confined = {
        **builder_image,
        "lower": [str(folder / "confined"), *builder_image["lower"]],
        "command": ["/usr/bin/python3", "/kaniko/driver.py"],
    }
    plain = {name: {"lower": [str(folder / name)], "command": ["/bin/sh"]} for name in ("busybox", "scratch")}
    return make_service(images={"confined": confined, **plain})


def spec(name: str) -> dict[str, Any]:
    values: dict[str, Any] = {
        "public_url": "https://localhost:1",
        "builder_image": "full",
        "confined_image": "confined",
        "builder_image_identity": None,
    }
    asked = GroupRequest(name, "local", "token", kind=BuilderKind.CONFINED, steps=STEPS)
    return group_spec(replace(asked), Settings.model_construct(**values), "")


def put(client: ContainerInstanceManagementClient, name: str, body: dict[str, Any]) -> None:
    content: Any = body  # the JSON itself, as the app sends it
    client.container_groups.begin_create_or_update(RESOURCE_GROUP, name, content, polling=False)


def test_steps_run_beside_their_builder_under_the_least_that_azure_gives(service: Service) -> None:
    put(service.client, "steps", spec("steps"))
    code, log = service.ended("steps", seconds=60)
    assert code == 0, log
    told = json.loads(log.splitlines()[-1])
    server, client, failing, bare, profile, after, kept = ([status, said] for _, status, said in told)
    assert server == [0, ""]
    assert client == [0, "hello from the workspace\n"]
    assert failing == [3, ""]
    assert bare == [0, "its own words\n"], "an image without a shell runs what it is made for"
    assert profile[1].split("\n")[:-1] == [
        "CapEff:\t00000000a80425fb",
        "Seccomp:\t2",
        "no user",
        "no mounts",
        "no mount",
        "no fuse",
        "no device",
    ]
    assert "sleep 1000" not in after[1], "what was canceled is gone"
    assert kept == [0, "x\n"], "redirections of a step's text happen in its own container"

    group: Any = service.get("steps")
    assert {each.name: each.instance_view.current_state.exit_code for each in group.containers} == {
        "builder": 0,
        **{f"step-{index}": 0 for index in range(4)},
    }
    assert [each.name for each in group.init_containers] == ["tools"]


def test_a_step_whose_image_cannot_be_had_fails_the_group(service: Service) -> None:
    body = spec("missing")
    body["properties"]["containers"][1]["properties"]["image"] = "nowhere"
    with pytest.raises(Exception, match="InaccessibleImage"):
        put(service.client, "missing", body)


def test_an_init_container_that_fails_ends_the_group(service: Service) -> None:
    body = spec("broken")
    body["properties"]["initContainers"][0]["properties"]["command"] = ["/kaniko/bin/busybox", "false"]
    put(service.client, "broken", body)
    until(lambda: service.state_of("broken") == "Failed" or None)
    assert "tools" in str(service.container("broken").events[-1].message)
