import base64
import datetime as dt
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import jwt
import pytest

from devstack.entra.checking import token_check
from devstack.registry.access import Right
from devstack.registry.accounts import Member, TokenServiceConfig, User
from devstack.registry.service import REFRESH_USER, TokenService
from devstack.registry.tokens import Mint, signing_certificate
from devstack.signing import SigningKey, new_key
from devstack.web import Request, Response

SERVICE = "localreg.slipway.test:7455"
SECOND = "second.test:7449"
KEY = new_key()
ENTRA_KEY = new_key()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> TokenService:
    unused = Path("unused")
    config = TokenServiceConfig(
        services=(SERVICE, SECOND),
        issuer="issuer",
        users=(User(name="dev", password="open", right=Right.WRITE),),
        members=(Member(object_id="writer", right=Right.WRITE), Member(object_id="reader", right=Right.READ)),
        entra_issuer="https://entra/",
        entra_jwks_url="https://entra/keys",
        entra_audiences=("https://management.azure.com/",),
        authorities=unused, port=1, certificate=unused, key=unused, signing_key=unused, signing_certificate=unused,
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("keys")
    certificate = signing_certificate(KEY, folder / "tokens.crt", dt.datetime.now(dt.UTC))
    mints = {name: Mint("issuer", name, KEY, certificate) for name in config.services}
    return TokenService(config, mints, token_check(_Keys(), config.entra_issuer, config.entra_audiences, ("tid",)))


class _Keys(jwt.PyJWKClient):
    """The tenant's keys without a server."""

    def __init__(self) -> None:
        super().__init__("https://entra/keys")

    def fetch_data(self) -> object:
        return {"keys": [ENTRA_KEY.jwk()]}


def _basic(name: str, password: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


def _get(service: TokenService, headers: dict[str, str], *scopes: str, named: str = SERVICE) -> Response:
    query = (("service", named), *(("scope", scope) for scope in scopes))
    return service(Request("GET", "/oauth2/token", query, headers))


def _post(to: TokenService, path: str, /, **form: str) -> Response:
    return to(Request("POST", path, body=urlencode(form).encode()))


def _json(response: Response) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(response.body)
    return body


def _access(response: Response) -> Sequence[dict[str, object]]:
    claims = KEY.verify(_json(response)["access_token"], audience=SERVICE, issuer="issuer")
    access = claims["access"]
    assert isinstance(access, list)
    return access


def _entra_token(signed_by: SigningKey = ENTRA_KEY, **changes: object) -> str:
    now = int(dt.datetime.now(dt.UTC).timestamp())
    claims: dict[str, object] = {
        "iss": "https://entra/", "aud": "https://management.azure.com/", "oid": "writer", "tid": "t", "exp": now + 60,
    }  # fmt: skip
    return signed_by.sign(claims | changes, {"kid": ENTRA_KEY.id})


def _exchange(to: TokenService, token: str, /, **changes: str) -> Response:
    form = {"grant_type": "access_token", "service": SERVICE, "access_token": token} | changes
    return _post(to, "/oauth2/exchange", **form)


def test_a_user_gets_all_scopes_in_one_token_for_an_hour(service: TokenService) -> None:
    response = _get(service, _basic("dev", "open"), "repository:a:pull,push", "repository:b:pull")

    assert _json(response)["expires_in"] == 3600
    assert [(entry["name"], entry["actions"]) for entry in _access(response)] == [
        ("a", ["pull", "push"]),
        ("b", ["pull"]),
    ]


@pytest.mark.parametrize(
    "headers",
    [{}, _basic("dev", "wrong"), _basic("", ""), {"authorization": "Basic %%"}, {"authorization": "Bearer x"},
     _basic(REFRESH_USER, "not a token")],
)  # fmt: skip
def test_nobody_is_anonymous(service: TokenService, headers: dict[str, str]) -> None:
    response = _get(service, headers, "repository:a:pull")

    assert response.status == 401
    assert response.headers["www-authenticate"].startswith("Basic ")


def test_another_registrys_service_is_refused(service: TokenService) -> None:
    assert _get(service, _basic("dev", "open"), named="other").status == 400


def test_a_token_of_one_registry_is_worth_nothing_at_another(service: TokenService) -> None:
    refresh = _json(_exchange(service, _entra_token()))["refresh_token"]
    form = {"grant_type": "refresh_token", "scope": "repository:a:pull", "refresh_token": refresh}
    assert _post(service, "/oauth2/token", **form, service=SERVICE).status == 200
    assert _post(service, "/oauth2/token", **form, service=SECOND).status == 401
    access = _json(_get(service, _basic("dev", "open"), "repository:a:pull", named=SECOND))["access_token"]
    assert jwt.decode(access, options={"verify_signature": False})["aud"] == SECOND


def test_an_entra_token_becomes_a_refresh_token_becomes_an_access_token(service: TokenService) -> None:
    refresh = _json(_exchange(service, _entra_token()))["refresh_token"]
    scope = "repository:a:pull,push repository:b:delete"
    by_form = _post(
        service, "/oauth2/token", grant_type="refresh_token", service=SERVICE, scope=scope, refresh_token=refresh
    )
    by_basic = _get(service, _basic(REFRESH_USER, refresh), *scope.split())

    assert _access(by_form) == _access(by_basic)
    assert [entry["name"] for entry in _access(by_form)] == ["a", "b"]


def test_a_reader_may_only_pull(service: TokenService) -> None:
    refresh = _json(_exchange(service, _entra_token(oid="reader")))["refresh_token"]
    form = {"grant_type": "refresh_token", "service": SERVICE, "refresh_token": refresh}
    response = _post(service, "/oauth2/token", **form, scope="repository:a:pull,push")

    assert [entry["actions"] for entry in _access(response)] == [["pull"]]


@pytest.mark.parametrize(
    "token",
    [
        "",
        "no.jwt.atall",
        _entra_token(new_key()),
        _entra_token(aud="https://elsewhere/"),
        _entra_token(iss="https://other/"),
        _entra_token(exp=1),
        _entra_token(oid="stranger"),
    ],
    ids=["empty", "malformed", "foreign key", "audience", "issuer", "expired", "stranger"],
)
def test_an_exchange_wants_a_valid_entra_token_of_a_member(service: TokenService, token: str) -> None:
    assert _exchange(service, token).status == 401


def test_an_exchange_wants_its_grant_type_and_service(service: TokenService) -> None:
    assert _exchange(service, _entra_token(), grant_type="password").status == 400
    assert _exchange(service, _entra_token(), service="other").status == 400


def test_an_access_token_is_no_refresh_token(service: TokenService) -> None:
    access = _json(_get(service, _basic("dev", "open"), "repository:a:pull"))["access_token"]

    response = _post(service, "/oauth2/token", grant_type="refresh_token", service=SERVICE, refresh_token=access)

    assert response.status == 401


def test_a_password_grant_gives_a_refresh_token_when_asked_to(service: TokenService) -> None:
    form = {"grant_type": "password", "service": SERVICE, "username": "dev", "password": "open"}

    assert "refresh_token" not in _json(_post(service, "/oauth2/token", **form))
    assert "refresh_token" in _json(_post(service, "/oauth2/token", **form, access_type="offline"))
