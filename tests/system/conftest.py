"""The whole on real parts: the stack that `./dev test` started, and the real az in front of it."""

import json
import os
import re
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from devstack.cli.az import command
from devstack.cli.demo import Pushed, read_back
from devstack.cli.seed import seed
from devstack.cli.target import BASE_VARIABLE, STATE_VARIABLE, Target
from devstack.stack import credentials, names
from devstack.stack.layout import CHECKOUT, Layout
from devstack.stack.ports import Ports

_QUEUED = re.compile(r"Queued an? (?:build|run) with ID: (\w+)")


@dataclass(frozen=True)
class Said:
    """What one az command answered."""

    code: int
    out: str
    err: str

    @property
    def run_id(self) -> str:
        """The id of the run that it queued."""
        found = _QUEUED.search(self.err)
        assert found, self.err
        return found[1]

    def json(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True)
class Stack:
    """The running stack, as a user of it."""

    target: Target

    @property
    def registry_url(self) -> str:
        return f"{self.target.ports.public_url}{names.REGISTRY_ID}"

    @property
    def login_server(self) -> str:
        return self.target.ports.login_server

    def az(self, *arguments: str, principal: str = "owner", timeout: float = 300) -> Said:
        argv, environment = command(self.target, ("--as", principal, *arguments))
        environment |= {"PYTHONUNBUFFERED": "1"}
        done = subprocess.run(
            argv, env=environment, cwd=CHECKOUT, capture_output=True, text=True, timeout=timeout, check=False
        )
        return Said(done.returncode, done.stdout, done.stderr)

    def build(self, context: Path, *arguments: str, **options: Any) -> Said:
        return self.az("acr", "build", "-r", names.REGISTRY, *arguments, str(context), **options)

    def run(self, run_id: str) -> dict[str, Any]:
        said = self.az("acr", "task", "show-run", "-r", names.REGISTRY, "--run-id", run_id)
        assert said.code == 0, said.err
        answer: dict[str, Any] = said.json()
        return answer

    def read_back(self, image: str) -> Pushed:
        return read_back(self.target, image)

    def token(self, principal: str = "owner") -> str:
        secrets = credentials.load_or_create(self.target.layout)
        with self.http() as client:
            answer = client.post(
                f"{self.target.ports.authority}/{names.TENANT_ID}/oauth2/v2.0/token",
                data={
                    "grant_type": "client_credentials",
                    "client_id": credentials.client_id(principal),
                    "client_secret": secrets.clients[principal],
                    "scope": "https://management.core.windows.net//.default",
                },
            )
        return str(answer.raise_for_status().json()["access_token"])

    def http(self, principal: str | None = None) -> httpx.Client:
        headers = {"Authorization": f"Bearer {self.token(principal)}"} if principal else {}
        trust = ssl.create_default_context(cafile=self.target.layout.tls.bundle)
        return httpx.Client(verify=trust, headers=headers, timeout=60, trust_env=False)


@pytest.fixture(scope="session")
def stack() -> Stack:
    """Answer the stack that `./dev test` started."""
    if STATE_VARIABLE not in os.environ:
        pytest.fail("the system tests need the stack that `./dev test` starts")
    target = Target(Layout(Path(os.environ[STATE_VARIABLE])), Ports(int(os.environ[BASE_VARIABLE])))
    target.require_running()
    seed(target, ["busybox"])
    return Stack(target)


@pytest.fixture
def context(tmp_path: Path) -> Path:
    """Answer an empty folder for a build context."""
    folder = tmp_path / "context"
    folder.mkdir()
    return folder
