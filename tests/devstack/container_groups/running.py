"""A container-group service as a process of its own, and the published client for it."""

import contextlib
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from azure.core.credentials import AccessToken
from azure.mgmt.containerinstance import ContainerInstanceManagementClient
from azure.mgmt.containerinstance import models as aci

from devstack.tls.authority import TlsFiles

CHECKOUT = Path(__file__).resolve().parents[3]
SUBSCRIPTION = "11111111-1111-1111-1111-111111111111"
RESOURCE_GROUP = "builders"
IMAGE = "slipway/builder:test"
PATIENCE = 30.0


class AnyToken:
    """A credential that the service under test does not check."""

    def get_token(self, *_scopes: str, **_options: Any) -> AccessToken:
        return AccessToken("not-checked", int(time.time()) + 3600)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def until[T](ask: Callable[[], T | None], *, seconds: float = PATIENCE) -> T:
    """Ask until there is an answer; the time limit is a failure, never a success."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if (answer := ask()) is not None:
            return answer
        time.sleep(0.01)
    raise AssertionError(f"nothing came of {ask} within {seconds} s")


@dataclass
class Service:
    """The service as a process of its own, and its client."""

    folder: Path
    tls: TlsFiles
    config: dict[str, Any]
    process: subprocess.Popen[bytes] | None = None
    client: ContainerInstanceManagementClient = field(init=False)

    @property
    def port(self) -> int:
        port: int = self.config["listen"]["port"]
        return port

    @property
    def state(self) -> Path:
        return Path(self.config["state_dir"])

    def start(self) -> None:
        path = self.folder / "config.json"
        path.write_text(json.dumps(self.config))
        with (self.folder / "service.log").open("ab") as log:
            argv = [sys.executable, "-m", "devstack.container_groups", "--config", str(path)]
            self.process = subprocess.Popen(argv, cwd=CHECKOUT, stdout=log, stderr=log)
        until(self._answers)
        self.client = ContainerInstanceManagementClient(
            AnyToken(),
            SUBSCRIPTION,
            base_url=f"https://localhost:{self.port}",
            connection_verify=str(self.tls.authority),
            polling_interval=0.1,
            retry_total=0,
        )

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(timeout=PATIENCE) is not None

    def group(self, command: list[str], **changes: Any) -> aci.ContainerGroup:
        """Return a privileged group that runs `command`."""
        requests = aci.ResourceRequests(cpu=changes.pop("cpu", 2.0), memory_in_gb=changes.pop("memory", 4.0))
        privileged = changes.pop("privileged", True)
        container = aci.Container(
            name="builder",
            image=changes.pop("image", IMAGE),
            command=command,
            resources=aci.ResourceRequirements(requests=requests),
            environment_variables=changes.pop("environment", None),
            security_context=aci.SecurityContextDefinition(privileged=privileged),
        )
        return aci.ContainerGroup(
            location="local",
            containers=[container],
            os_type="Linux",
            restart_policy="Never",
            sku="Confidential" if privileged else "Standard",
            **changes,
        )

    def put(self, name: str, group: aci.ContainerGroup) -> aci.ContainerGroup:
        poller = self.client.container_groups.begin_create_or_update(RESOURCE_GROUP, name, group, polling=False)
        return poller.result()

    def get(self, name: str) -> Any:
        """Return the group; untyped, since the models type every answered member as None."""
        return self.client.container_groups.get(RESOURCE_GROUP, name)

    def container(self, name: str) -> Any:
        """Return the instance view of the group's container."""
        return self.get(name).containers[0].instance_view

    def delete(self, name: str) -> None:
        self.client.container_groups.begin_delete(RESOURCE_GROUP, name).result()

    def log(self, name: str) -> str:
        content = self.client.containers.list_logs(RESOURCE_GROUP, name, "builder").content
        assert content is not None
        return content

    def state_of(self, name: str) -> str:
        return str(self.get(name).instance_view.state)

    def ended(self, name: str, *, seconds: float = PATIENCE) -> tuple[int, str]:
        """Wait for the end; return exit code and log."""

        def ask() -> tuple[int, str] | None:
            if self.state_of(name) in ("Pending", "Running"):
                return None
            return self.container(name).current_state.exit_code, self.log(name)

        return until(ask, seconds=seconds)

    def said(self, name: str, word: str) -> str:
        """Wait until the container has printed `word`; return its log."""

        def ask() -> str | None:
            log = self.log(name)
            return log if word in log else None

        return until(ask)

    def _answers(self) -> bool | None:
        assert self.process is not None
        if self.process.poll() is not None:
            raise AssertionError((self.folder / "service.log").read_text())
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True
        return None
