"""Steps of a confined builder in real containers, under Docker's default capabilities and filter."""

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from azure.mgmt.containerinstance import ContainerInstanceManagementClient

from devstack.builder_image import layers
from devstack.seeds import oci_layout
from devstack.seeds.oci_layout import ImageConfig
from devstack.setup import mirror
from shared.container_groups.service import ContainerGroups, GroupState
from shared.container_groups.spec import GroupRequest, group_spec
from shared.grant import StepContainer
from shared.settings import BuilderKind, Settings
from tests.devstack.container_groups.conftest import CACHE
from tests.devstack.container_groups.running import CHECKOUT, RESOURCE_GROUP, AnyToken, Service, until

pytestmark = pytest.mark.slow

DRIVER = """
import asyncio, json
from pathlib import Path
from builder.engine.beside import BesideContainers
from builder.oci.layout import read_layout
from builder.engine.protocol import Beside, Container, Workspace
from shared.images.references import Reference

HOME = Path("/kaniko/slipway")
APP = Reference.parse("app:1")

class Built:
    def image(self, name):
        return read_layout(Path("/kaniko/made")) if name == APP else None

def run(name, command, **fields):
    said = bytearray()
    async def wait():
        status = await containers.run(Container(name=name, command=command, **fields), said.extend)
        return [name, status, said.decode()]
    return wait()

async def main():
    (HOME / "workspace" / "hello").write_text("hello from the workspace\\n")
    steps = [Beside("server"), Beside("client"), Beside("odd"), Beside("bare", ("/echo",), ("its", "own", "words"))]
    steps.append(Beside("made", takes=APP))
    (HOME / "workspace").chmod(0o777)
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
    told.append(await run("made", "app:1"))
    told.append(await run("made", "app:1 sh -c 'cat first; exit 4' > /workspace/x", directory="/workspace"))
    told.append(await run("made", "app:1 no-such-program"))
    await containers.close()
    print(json.dumps(told), flush=True)

PROFILE = (
    "busybox sh -c 'grep CapEff /proc/self/status; grep Seccomp: /proc/self/status; unshare -U true || echo no user;"
    " unshare -m true || echo no mounts; mount -t tmpfs none /tmp || echo no mount; ls /dev/fuse || echo no fuse;"
    " mknod /tmp/d b 7 0 && cat /tmp/d || echo no device' 2>/dev/null"
)
containers = BesideContainers(HOME / "shared", Built())
asyncio.run(asyncio.wait_for(main(), 60))
"""
APPLETS = ("cat", "cut", "grep", "httpd", "id", "ls", "mknod", "mount", "ps", "sh", "sleep", "unshare", "wget")
STEPS = (
    *(StepContainer(step=step, image="busybox") for step in ("server", "client", "odd")),
    StepContainer(step="bare", image="scratch"),
    StepContainer(step="made"),
)
MADE = """#!/bin/sh
id -u; id -g; pwd; echo $GREETING $HOME $PYTHONHOME
grep CapEff /proc/self/status
wget -q -T 5 -O - http://server:8080/hello
echo one >/workspace/first; ls /; ls -l /bin/special | cut -c 1-10
"""


@pytest.fixture(scope="module")
def service(make_service: Callable[..., Service], tmp_path_factory: pytest.TempPathFactory) -> Service:
    folder = tmp_path_factory.mktemp("images")
    package = mirror.fetch("busybox-static", "trixie", folder)
    subprocess.run(["dpkg-deb", "--extract", str(package), str(folder / "tree")], check=True)
    program = next(path for path in (folder / "tree").glob("**/busybox") if path.is_file())
    for root in ("busybox/bin", "busybox/tmp", "busybox/etc", "scratch", "confined/kaniko"):
        (folder / root).mkdir(parents=True)
    shutil.copy(program, folder / "busybox" / "bin" / "busybox")
    for applet in APPLETS:
        (folder / "busybox" / "bin" / applet).symlink_to("busybox")
    shutil.copy(program, folder / "scratch" / "echo")
    (folder / "confined" / "kaniko" / "driver.py").write_text(DRIVER)
    write_made(folder / "busybox", folder / "confined" / "kaniko" / "made")
    (folder / "executor").write_text("never run here")
    real = layers.confined(CACHE, CHECKOUT, folder / "executor")
    confined = {
        "lower": [str(folder / "confined"), *real.lower],
        "command": ["/kaniko/bin/python3", "/kaniko/driver.py"],
        "env": list(real.environment),
    }
    plain = {name: {"lower": [str(folder / name)], "command": ["/bin/sh"]} for name in ("busybox", "scratch")}
    return make_service(images={"confined": confined, **plain})


def write_made(busybox: Path, layout: Path) -> None:
    """Write the image that a step is to become: one with a user, a directory and a variable of its own."""
    root = layout.parents[2] / "made"
    shutil.copytree(busybox, root, symlinks=True)
    (root / "etc" / "passwd").write_text("root:x:0:0::/:/bin/sh\napp:x:1000:1001::/:/bin/sh\n")
    (root / "etc" / "hosts").write_text("no names of the group\n")
    (root / "bin" / "show").write_text(MADE)
    (root / "bin" / "show").chmod(0o755)
    shutil.copy(root / "bin" / "busybox", root / "bin" / "special")
    (root / "bin" / "special").chmod(0o4755)
    config = ImageConfig(("/bin/show",), {"GREETING": "hello"}, "/srv/app", user="app")
    oci_layout.write(root, config, layout)


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
    server, client, failing, bare, profile, after, kept, *made = ([status, said] for _, status, said in told)
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
    first, second, missing = made
    assert first == [
        0,
        (
            "1000\n1001\n/srv/app\nhello /acb/home\nCapEff:\t0000000000000000\nhello from the workspace\n"
            "acb\nbin\ndev\netc\nkaniko\nproc\nslipway\nsrv\nsys\ntmp\nworkspace\n-rwsr-xr-x\n"
        ),
    ]
    assert second == [4, ""]
    assert missing[0] == 127
    assert kept == [0, "x\n"], "redirections of a step's text happen in its own container"

    group: Any = service.get("steps")
    assert {each.name: each.instance_view.current_state.exit_code for each in group.containers} == {
        "builder": 0,
        **{f"step-{index}": 0 for index in range(5)},
    }
    assert [each.name for each in group.init_containers] == ["tools"]


def test_a_step_whose_image_cannot_be_had_fails_the_group(service: Service) -> None:
    body = spec("missing")
    body["properties"]["containers"][1]["properties"]["image"] = "nowhere"
    with pytest.raises(Exception, match="InaccessibleImage"):
        put(service.client, "missing", body)


def test_a_group_whose_builder_is_killed_counts_as_ended_and_leaves_nothing(service: Service) -> None:
    body = spec("killed")
    body["properties"]["containers"][0]["properties"]["command"] = ["/kaniko/bin/busybox", "sleep", "1000"]
    put(service.client, "killed", body)

    def running() -> bool | None:
        views = [each.instance_view for each in service.get("killed").containers]
        return all(view.current_state.state == "Running" for view in views) or None

    until(running)
    (folder,) = (service.state / "groups").glob("killed-*")
    os.kill(int((folder / "init.pid").read_text()), signal.SIGKILL)
    until(lambda: service.container("killed").current_state.state == "Terminated" or None)

    assert service.state_of("killed") == "Running", "its steps wait on"
    values: dict[str, Any] = {"builder_resource_group": f"/subscriptions/s/resourceGroups/{RESOURCE_GROUP}"}
    groups = ContainerGroups(Settings.model_construct(**values), AnyToken())
    groups.__dict__["_client"] = service.client
    assert groups.state("killed") is GroupState.ENDED
    assert groups.loss("killed") is None, "a regular one: nobody took it away"
    groups.delete("killed")
    until(lambda: not list(service.state.glob("runc/killed-*")) or None)
    assert not [path for path in Path("/proc").glob("[0-9]*/cgroup") if folder.name in _read(path)]


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def test_an_init_container_that_fails_ends_the_group(service: Service) -> None:
    body = spec("broken")
    body["properties"]["initContainers"][0]["properties"]["command"] = ["/kaniko/bin/busybox", "false"]
    put(service.client, "broken", body)
    until(lambda: service.state_of("broken") == "Failed" or None)
    assert "tools" in str(service.container("broken").events[-1].message)
