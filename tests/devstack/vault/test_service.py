"""The local vault gives exact bytes, and to the app alone."""

import datetime as dt
import json
from pathlib import Path

import jwt
import pytest

from devstack.entra.checking import token_check
from devstack.signing import SigningKey, new_key
from devstack.vault.service import VaultConfig, VaultService
from devstack.web import Request, Response

KEY = new_key()
VALUE = " two\nlines, a tab\t and ünïcode \n"


class _Keys(jwt.PyJWKClient):
    """The tenant's keys without a server."""

    def __init__(self) -> None:
        super().__init__("https://entra/keys")

    def fetch_data(self) -> object:
        return {"keys": [KEY.jwk()]}


@pytest.fixture
def vault(tmp_path: Path) -> VaultService:
    unused = Path("unused")
    config = VaultConfig(
        secrets=tmp_path,
        readers=("app",),
        entra_issuer="https://entra/",
        entra_jwks_url="https://entra/keys",
        audiences=("https://vault.azure.net",),
        authorities=unused, port=7448, certificate=unused, key=unused,
    )  # fmt: skip
    (tmp_path / "token").write_text(VALUE)
    return VaultService(config, token_check(_Keys(), config.entra_issuer, config.audiences))


def bearer(signed_by: SigningKey = KEY, **changes: object) -> str:
    now = int(dt.datetime.now(dt.UTC).timestamp())
    claims: dict[str, object] = {
        "iss": "https://entra/", "aud": "https://vault.azure.net", "oid": "app", "exp": now + 3600,
    } | changes  # fmt: skip
    return f"Bearer {signed_by.sign(claims)}"


def ask(vault: VaultService, path: str, token: str = "", version: str = "7.4", method: str = "GET") -> Response:
    query = (("api-version", version),) if version else ()
    return vault(Request(method, path, query, {"authorization": token or bearer()}))


def test_a_secret_is_given_byte_for_byte_and_by_its_version(vault: VaultService) -> None:
    newest = json.loads(ask(vault, "/secrets/token").body)
    assert newest["value"] == VALUE
    path = newest["id"].removeprefix("https://localhost:7448")
    assert json.loads(ask(vault, path).body)["value"] == VALUE


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/secrets/other", 404),
        ("/secrets/token/0123", 404),
        ("/secrets/..", 400),
        ("/secrets", 400),
        ("/secrets/a/b/c", 400),
        ("/keys/token", 404),
        ("/", 404),
    ],
)
def test_what_is_not_there(vault: VaultService, path: str, status: int) -> None:
    assert ask(vault, path).status == status


def test_no_other_method_and_no_call_without_version(vault: VaultService) -> None:
    assert ask(vault, "/secrets/token", method="PUT").status == 404
    assert ask(vault, "/secrets/token", version="").status == 400


@pytest.mark.parametrize(
    ("token", "status"),
    [
        ("nothing", 401),
        ("Bearer x.y.z", 401),
        (bearer(new_key()), 401),
        (bearer(aud="https://management.azure.com"), 401),
        (bearer(iss="https://other/"), 401),
        (bearer(exp=1), 401),
        (bearer(oid="somebody"), 403),
    ],
)
def test_only_the_app_may_read(vault: VaultService, token: str, status: int) -> None:
    answer = ask(vault, "/secrets/token", token)
    assert answer.status == status
    assert VALUE.strip().encode() not in answer.body
