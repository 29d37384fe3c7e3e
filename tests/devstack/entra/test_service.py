import json
from urllib.parse import urlencode

import jwt
import pytest

from devstack.entra.directory import Directory, ManagedIdentity, Principal
from devstack.entra.service import Entra, ManagedIdentityEndpoint
from devstack.signing import new_key
from devstack.web import Request, Response

KEY = new_key()
DIRECTORY = Directory(
    tenant_id="1111-aa",
    authority="https://localhost:1",
    principals=(Principal(name="owner", client_id="app-1", object_id="oid-1", secret="right"),),
    identity=ManagedIdentity(client_id="app-mi", object_id="oid-mi", header="proof"),
)
SCOPE = "https://management.core.windows.net//.default"


def _entra(method: str, path: str, **form: str) -> Response:
    return Entra(DIRECTORY, KEY)(Request(method, path, body=urlencode(form).encode()))


def _token(**changes: str) -> Response:
    form = {"grant_type": "client_credentials", "client_id": "app-1", "client_secret": "right", "scope": SCOPE}
    return _entra("POST", "/1111-aa/oauth2/v2.0/token", **(form | changes))


def _json(response: Response) -> dict[str, object]:
    body: dict[str, object] = json.loads(response.body)
    return body


@pytest.mark.parametrize("version", ["/v2.0", ""])
def test_discovery_leads_to_keys_that_verify_a_token(version: str) -> None:
    found = _json(_entra("GET", f"/1111-aa{version}/.well-known/openid-configuration"))
    keys = _json(_entra("GET", str(found["jwks_uri"]).removeprefix("https://localhost:1")))
    token = str(_json(_token())["access_token"])

    key = jwt.PyJWKSet.from_dict(keys)[jwt.get_unverified_header(token)["kid"]]
    claims = jwt.decode(
        token, key, algorithms=["RS256"], audience="https://management.core.windows.net/", issuer=str(found["issuer"])
    )

    assert claims["oid"] == "oid-1"


@pytest.mark.parametrize(
    ("changes", "status", "number"),
    [
        ({"client_secret": "wrong"}, 401, 7000215),
        ({"client_secret": ""}, 401, 7000215),
        ({"client_id": "nobody"}, 400, 700016),
        ({"scope": "openid"}, 400, 90014),
        ({"grant_type": "password"}, 400, 70003),
    ],
)
def test_a_refused_token_says_why_in_entras_form(changes: dict[str, str], status: int, number: int) -> None:
    response = _token(**changes)
    body = _json(response)

    assert response.status == status
    assert body["error_codes"] == [number]
    assert str(body["error_description"]).startswith(f"AADSTS{number}: ")


def test_a_secret_is_never_repeated() -> None:
    assert b"hush" not in _token(client_secret="hush").body


def test_another_tenant_is_not_found() -> None:
    for method, path in (("GET", "/other/v2.0/.well-known/openid-configuration"), ("POST", "/other/oauth2/v2.0/token")):
        response = _entra(method, path)
        assert (response.status, _json(response)["error_codes"]) == (400, [90002])


def _identity(header: str | None, *query: tuple[str, str]) -> Response:
    headers = {} if header is None else {"x-identity-header": header}
    return ManagedIdentityEndpoint(DIRECTORY, KEY)(Request("GET", "/msi/token", query, headers))


def test_the_managed_identity_gets_a_token_for_the_resource_as_written() -> None:
    body = _json(_identity("proof", ("resource", "https://management.azure.com/"), ("api-version", "2019-08-01")))
    claims = jwt.decode(str(body["access_token"]), options={"verify_signature": False})

    assert (claims["aud"], claims["oid"]) == ("https://management.azure.com/", "oid-mi")
    assert body["expires_on"] == str(claims["exp"])


@pytest.mark.parametrize("header", [None, "", "guess"])
def test_the_managed_identity_endpoint_wants_its_header(header: str | None) -> None:
    assert _identity(header, ("resource", "https://x")).status == 401


def test_the_managed_identity_endpoint_wants_a_resource() -> None:
    assert _identity("proof").status == 400
