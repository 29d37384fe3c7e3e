"""The real az signs in at the Entra look-alike with the generated profile."""

import datetime as dt
import json
import os
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import jwt
import pytest

from devstack.entra.service import Entra
from devstack.setup import azure_cli
from devstack.signing import SigningKey, new_key
from devstack.stack import az, configs, names
from devstack.stack.credentials import Credentials, client_id, object_id
from devstack.stack.layout import Layout, cache
from devstack.stack.ports import Ports
from devstack.tls import authority
from devstack.web import Listener, running

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Tenant:
    """A running tenant."""

    layout: Layout
    ports: Ports
    credentials: Credentials
    key: SigningKey

    def az(self, *arguments: str, secret: str | None = None) -> subprocess.CompletedProcess[str]:
        owner = self.credentials.principals()[0]
        if secret is not None:
            owner = owner.model_copy(update={"secret": secret})
        az.az_files(self.ports, owner).write(self.layout.az / owner.name)
        argv = [str(azure_cli.ensure(cache())), *arguments]
        environment = az.environment(self.layout, owner.name, os.environ)
        return subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def tenant(tmp_path: Path) -> Iterator[Tenant]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        ports = Ports(probe.getsockname()[1] - Ports(7440).entra + 7440)
    layout = Layout(tmp_path)
    tls = authority.ensure(layout.tls.directory, dt.datetime.now(dt.UTC))
    made = Tenant(layout, ports, Credentials(), new_key())
    service = Entra(configs.directory(ports, made.credentials), made.key)
    with running(Listener(ports.entra, service, tls.leaf, tls.leaf_key)):
        yield made


def test_az_gets_a_token_that_holds(tenant: Tenant) -> None:
    done = tenant.az("account", "get-access-token", "-o", "json")

    assert done.returncode == 0, done.stderr
    claims = jwt.decode(
        json.loads(done.stdout)["accessToken"],
        tenant.key.private.public_key(),
        algorithms=["RS256"],
        audience=names.LEGACY_ARM_AUDIENCE,
        issuer=f"{tenant.ports.authority}/{names.TENANT_ID}/v2.0",
    )
    assert (claims["oid"], claims["appid"], claims["tid"]) == (object_id("owner"), client_id("owner"), names.TENANT_ID)


def test_az_shows_why_a_wrong_secret_is_refused(tenant: Tenant) -> None:
    done = tenant.az("account", "get-access-token", secret="wrong")

    assert done.returncode != 0
    assert "AADSTS7000215" in done.stderr
