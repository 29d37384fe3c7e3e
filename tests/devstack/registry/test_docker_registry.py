"""The real docker-registry with our configuration obeys our tokens."""

import asyncio
import datetime as dt
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from devstack.registry.access import parse
from devstack.registry.config import RegistryServer, configuration
from devstack.registry.tokens import ACCESS_LIFE_SECONDS, Mint, signing_certificate
from devstack.signing import SigningKey, new_key
from devstack.stack.readiness import HttpCheck, until_ready
from devstack.tls import authority

SERVICE = "localreg.slipway.test"
NOW = dt.datetime.now(dt.UTC)

pytestmark = pytest.mark.skipif(shutil.which("docker-registry") is None, reason="docker-registry is not installed")


@dataclass(frozen=True)
class Registry:
    """A running registry, and what may sign for it."""

    client: httpx.Client
    mint: Mint

    def begin_upload(self, repository: str, token: str) -> int:
        headers = {"authorization": f"Bearer {token}"}
        return self.client.post(f"/v2/{repository}/blobs/uploads/", headers=headers).status_code

    def token(self, *scopes: str) -> str:
        return self.mint.access("someone", parse(scopes))


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    folder = tmp_path_factory.mktemp("registry")
    tls = authority.ensure(folder / "tls", NOW)
    key = new_key()
    mint = Mint("issuer", SERVICE, key, signing_certificate(key, folder / "tokens.crt", NOW))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = RegistryServer(
        folder / "data", port, tls.leaf, tls.leaf_key, "https://localhost/oauth2/token", SERVICE, "issuer",
        folder / "tokens.crt", "secret",
    )  # fmt: skip
    (folder / "registry.yml").write_text(configuration(server))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(["docker-registry", "serve", str(folder / "registry.yml")], stdout=log, stderr=log)
    try:
        asyncio.run(asyncio.wait_for(until_ready(HttpCheck(port, "/v2/", tls.authority)), 20))
        trust = ssl.create_default_context(cafile=str(tls.authority))
        with httpx.Client(base_url=f"https://localhost:{port}", verify=trust, trust_env=False) as client:
            yield Registry(client, mint)
    finally:
        process.terminate()
        process.wait()


def test_without_a_token_it_names_realm_service_and_scope(registry: Registry) -> None:
    answer = registry.client.get("/v2/a/b/tags/list")

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith(
        f'Bearer realm="https://localhost/oauth2/token",service="{SERVICE}",scope="repository:a/b:pull"'
    )


def test_a_push_token_pushes_to_its_repository_alone(registry: Registry) -> None:
    token = registry.token("repository:a/b:pull,push")

    assert registry.begin_upload("a/b", token) == 202
    assert registry.begin_upload("a/c", token) == 401


def test_one_token_may_serve_several_repositories(registry: Registry) -> None:
    token = registry.token("repository:a/b:pull,push", "repository:c:pull,push")

    assert [registry.begin_upload(name, token) for name in ("a/b", "c")] == [202, 202]


def test_a_pull_token_does_not_push(registry: Registry) -> None:
    assert registry.begin_upload("a/b", registry.token("repository:a/b:pull")) == 401


def test_a_catalog_token_lists_repositories(registry: Registry) -> None:
    headers = {"authorization": f"Bearer {registry.token('registry:catalog:*')}"}

    assert registry.client.get("/v2/_catalog", headers=headers).json() == {"repositories": []}


def test_an_expired_token_is_refused(registry: Registry) -> None:
    long_ago = int(NOW.timestamp()) - ACCESS_LIFE_SECONDS - 3600

    assert registry.begin_upload("a/b", registry.mint.access("x", parse(["repository:a/b:push"]), long_ago)) == 401


@pytest.mark.parametrize(
    ("issuer", "service", "key"),
    [("other", SERVICE, None), ("issuer", "other", None), ("issuer", SERVICE, new_key())],
    ids=["issuer", "service", "key"],
)
def test_a_token_of_somebody_else_is_refused(
    registry: Registry, tmp_path: Path, issuer: str, service: str, key: SigningKey | None
) -> None:
    signer = key or registry.mint.key
    mint = Mint(issuer, service, signer, signing_certificate(signer, tmp_path / "tokens.crt", NOW))

    assert registry.begin_upload("a/b", mint.access("x", parse(["repository:a/b:push"]))) == 401


def test_a_refresh_token_is_no_access_token(registry: Registry) -> None:
    assert registry.begin_upload("a/b", registry.mint.refresh("someone")) == 401
