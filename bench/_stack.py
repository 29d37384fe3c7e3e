"""The running local stack, as the benchmarks use it."""

import os
import re
import ssl
import subprocess
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from devstack.cli.az import command
from devstack.cli.target import STATE_VARIABLE, Target
from devstack.stack import credentials, names
from devstack.stack.layout import CHECKOUT, Layout
from devstack.stack.ports import Ports
from devstack.stack.record import read

_PATIENCE = 180
_QUEUED = re.compile(r"Queued a build with ID: (\w+)")


@dataclass(frozen=True)
class Stack:
    """A stack that `./dev up` started, and the few things a benchmark asks of it."""

    target: Target

    @classmethod
    def running(cls) -> "Stack":
        """Answer the stack of this checkout. Raises SystemExit when it does not run."""
        layout = Layout(Path(os.environ.get(STATE_VARIABLE, CHECKOUT / ".dev")))
        record = read(layout.record)
        if record is None:
            raise SystemExit("the stack does not run; start it with ./dev up --background")
        return cls(Target(layout, Ports(record.base)))

    @property
    def login_server(self) -> str:
        """The registry's name."""
        return self.target.ports.login_server

    @property
    def registry_password(self) -> str:
        """The developer's password at the registry."""
        return credentials.load_or_create(self.target.layout).registry_password

    @property
    def authority(self) -> str:
        """The local certificate authority in PEM."""
        return self.target.layout.tls.authority.read_text()

    def az(self, *arguments: str) -> str:
        """Run az and answer what it printed. Raises SystemExit when it fails."""
        return self._az(arguments).stdout

    def queue(self, folder: str, *arguments: str) -> str:
        """Queue a build by az and answer the id of its run."""
        said = self._az(("acr", "build", "-r", names.REGISTRY, "--no-wait", *arguments, folder)).stderr
        found = _QUEUED.search(said)
        if found is None:
            raise SystemExit(said)
        return found[1]

    def _az(self, arguments: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
        argv, environment = command(self.target, arguments)
        done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(done.stdout + done.stderr)
        return done

    def http(self, principal: str = "owner") -> httpx.Client:
        """Open a client with a principal's token."""
        trust = ssl.create_default_context(cafile=self.target.layout.tls.bundle)
        with httpx.Client(verify=trust, trust_env=False) as client:
            token = self._token(client, principal)
        return httpx.Client(verify=trust, headers={"Authorization": f"Bearer {token}"}, timeout=60, trust_env=False)

    def _token(self, client: httpx.Client, principal: str) -> str:
        answer = client.post(
            f"{self.target.ports.authority}/{names.TENANT_ID}/oauth2/v2.0/token",
            data={
                "grant_type": "client_credentials",
                "client_id": credentials.client_id(principal),
                "client_secret": credentials.load_or_create(self.target.layout).clients[principal],
                "scope": "https://management.core.windows.net//.default",
            },
        )
        return str(answer.raise_for_status().json()["access_token"])

    @property
    def _groups(self) -> str:
        provider = f"{names.BUILDER_RESOURCE_GROUP}/providers/Microsoft.ContainerInstance/containerGroups"
        return f"{self.target.ports.resource_manager}{provider}"

    def in_group(self, argv: list[str], environment: dict[str, str]) -> str:
        """Run a command in a container group of the builder image and answer what it printed."""
        url = f"{self._groups}/bench-{uuid.uuid4().hex[:8]}"
        version = {"api-version": "2023-05-01"}
        resources = {"requests": {"cpu": 2, "memoryInGB": 4}}
        container = {
            "image": names.BUILDER_IMAGE,
            "command": argv,
            "environmentVariables": [{"name": name, "secureValue": value} for name, value in environment.items()],
            "resources": resources,
            "securityContext": {"privileged": True},
        }
        body = {
            "location": "local",
            "properties": {
                "sku": "Confidential",
                "osType": "Linux",
                "restartPolicy": "Never",
                "containers": [{"name": "bench", "properties": container}],
            },
        }
        with self.http() as client:
            client.put(url, params=version, json=body).raise_for_status()
            try:
                self._until(lambda: _ended(client.get(url, params=version).json()))
                printed = client.get(f"{url}/containers/bench/logs", params=version).raise_for_status()
            finally:
                client.delete(url, params=version)
        return str(printed.json()["content"])

    def wait_for_warm_builder(self) -> None:
        """Wait until a builder waits for a run, its engine up."""

        def is_up() -> bool:
            groups = self.target.layout.container_groups / "groups"
            warm = [path for path in groups.iterdir() if "-warm-" in path.name]
            return any(
                list((path / "docker").glob("image*")) or (path / "docker" / "buildkit").exists() for path in warm
            )

        self._until(is_up)
        time.sleep(2)

    def _until(self, is_so: Callable[[], bool]) -> None:
        end = time.monotonic() + _PATIENCE
        while time.monotonic() < end:
            if is_so():
                return
            time.sleep(0.1)
        raise SystemExit(f"nothing came of it within {_PATIENCE} s")


def _ended(group: dict[str, Any]) -> bool:
    return group["properties"].get("instanceView", {}).get("state") in {"Succeeded", "Failed"}
