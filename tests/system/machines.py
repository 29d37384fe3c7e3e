"""Machines that serve an agent pool: containers of this host that the stack did not start."""

import contextlib
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from azure.mgmt.containerinstance import models as aci

from devstack.stack import names
from tests.devstack.container_groups.running import Service, free_port, until

if TYPE_CHECKING:
    from tests.system.conftest import Stack

POOL = "machines"
TERMINAL = {"Succeeded", "Failed", "Canceled", "Error", "Timeout"}


@dataclass
class Yard:
    """A pool without container groups, and another host on which machines are started by hand."""

    stack: "Stack"
    host: Service
    folder: Path
    started: list[str] = field(default_factory=list)
    queued: int = 0

    def call(self, method: str, path: str, body: Any = None, principal: str = "owner") -> Any:
        with self.stack.http(principal) as client:
            return client.request(method, f"{self.stack.registry_url}/agentPools/{POOL}{path}", json=body)

    def issue(self) -> tuple[str, str]:
        answer = self.call("POST", "/tokens")
        assert answer.status_code == 201, answer.text
        return answer.json()["id"], answer.json()["token"]

    def machine(self, token: str, image: str = names.BUILDER_IMAGE, *logins: aci.ImageRegistryCredential) -> str:
        """Start a builder that serves the pool from an image, and answer its container's name."""
        name = f"machine-{len(self.started)}"
        told = {
            "SLIPWAY_URL": self.stack.target.ports.public_url,
            "SLIPWAY_POOL": f"{names.REGISTRY}/{POOL}",
            "SLIPWAY_CA_BUNDLE": self.stack.target.layout.tls.authority.read_text(),
        }
        environment = [aci.EnvironmentVariable(name=key, value=value) for key, value in told.items()]
        environment.append(aci.EnvironmentVariable(name="SLIPWAY_POOL_TOKEN", secure_value=token))
        group = self.host.group(["/opt/slipway/start"], image=image, environment=environment)
        group.image_registry_credentials = list(logins)
        self.host.put(name, group)
        self.started.append(name)
        return name

    def signal(self, machine: str, number: signal.Signals) -> None:
        (folder,) = (self.host.state / "groups").glob(f"{machine}-*")
        os.kill(int((folder / "init.pid").read_text()), number)

    def queue(self, seconds: int = 0) -> str:
        """Queue a build of so many seconds in the pool."""
        self.queued += 1
        context = self.folder / f"context-{self.queued}"
        context.mkdir()
        base = f"FROM {self.stack.login_server}/base/busybox:1.35\n"
        (context / "Dockerfile").write_text(
            f"{base}RUN echo {self.queued}-at-work; sleep {seconds}; echo done-$((6*7))\n"
        )
        said = self.stack.build(context, "--agent-pool", POOL, "--no-wait", "-t", f"{POOL}/own:v1")
        assert said.code == 0, said.err
        return said.run_id

    def run(self, run_id: str) -> dict[str, Any]:
        with self.stack.http("owner") as client:
            answer = client.get(f"{self.stack.registry_url}/runs/{run_id}")
        told: dict[str, Any] = answer.json()["properties"]
        return told

    def ended(self, run_id: str, seconds: float = 90) -> dict[str, Any]:
        def ended() -> dict[str, Any] | None:
            time.sleep(0.2)
            told = self.run(run_id)
            return told if told["status"] in TERMINAL else None

        return until(ended, seconds=seconds)

    def wait_for(self, run_id: str, holds: Callable[[str], bool]) -> None:
        """Wait until the run's log says something."""
        until(lambda: holds(self.log(run_id)) or None)

    def log(self, run_id: str) -> str:
        """Read the run's log."""
        with self.stack.http("owner") as client:
            link = client.post(f"{self.stack.registry_url}/runs/{run_id}/listLogSasUrl").json()["logLink"]
            return client.get(link).text

    def leftovers(self, machine: str) -> list[Path]:
        """Answer what the host's runtime still knows of a machine that has ended."""
        return list(self.host.state.glob(f"runc/{machine}-*"))


@contextlib.contextmanager
def opened(stack: "Stack", folder: Path) -> Iterator[Yard]:
    """Make the pool, and end all machines afterwards."""
    layout = stack.target.layout
    config = json.loads((layout.config / "container-groups.json").read_text())
    kept = {key: config[key] for key in ("images", "pulls", "ca", "forwards", "hosts", "cert", "key")}
    config = {**kept, "listen": {"port": free_port()}, "state_dir": str(folder / "state")}
    host = Service(folder, layout.tls, config)
    made = Yard(stack, host, folder)
    host.start()
    assert made.call("PUT", "", {"properties": {"count": 0}}).status_code == 201
    try:
        yield made
    finally:
        host.stop()
        made.call("DELETE", "")
