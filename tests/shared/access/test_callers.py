"""Entra tokens are checked in full, against a key server of our own."""

import io
import json
import threading
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from shared.access.callers import Caller, Callers
from shared.errors import Forbidden, Unauthenticated, Unavailable
from shared.settings import Role, RoleAssignment, Settings

TENANT = "11111111-aaaa-bbbb-cccc-222222222222"
AUDIENCE = "https://management.core.windows.net/"
KEY = rsa.generate_private_key(65537, 2048)
FOREIGN = rsa.generate_private_key(65537, 2048)


@pytest.fixture(scope="module")
def authority() -> Iterator[str]:
    jwk = json.loads(RSAAlgorithm.to_jwk(KEY.public_key())) | {"kid": "k1", "use": "sig"}

    class Keys(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({"keys": [jwk]}).encode())

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Keys)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def callers(authority: str, *roles: RoleAssignment) -> Callers:
    values: dict[str, Any] = {
        "tenant_id": TENANT,
        "authority": authority,
        "audiences": (AUDIENCE,),
        "access": roles,
        "ca_bundle": None,
    }
    return Callers(Settings.model_construct(**values))


def token(authority: str, *, key: Any = KEY, algorithm: str = "RS256", kid: str = "k1", **changes: object) -> str:
    now = datetime.now(UTC)
    claims = {
        "iss": f"{authority}/{TENANT}/v2.0",
        "aud": AUDIENCE,
        "tid": TENANT,
        "oid": "O-1",
        "appid": "A-1",
        "exp": now + timedelta(hours=1),
    } | changes
    claims = {name: value for name, value in claims.items() if value is not None}
    return "Bearer " + jwt.encode(claims, key, algorithm=algorithm, headers={"kid": kid})


def test_a_valid_token_names_its_caller(authority: str) -> None:
    caller = callers(authority).authenticate(token(authority))
    assert caller == Caller("A-1", "Application", frozenset({"o-1", "a-1"}))


def test_a_user_is_named_by_its_sign_in_name(authority: str) -> None:
    caller = callers(authority).authenticate(token(authority, upn="me@example.org"))
    assert (caller.name, caller.kind) == ("me@example.org", "User")


def test_both_issuers_and_both_spellings_of_the_audience_hold(authority: str) -> None:
    known = callers(authority)
    known.authenticate(token(authority, iss=f"https://sts.windows.net/{TENANT}/"))
    known.authenticate(token(authority, aud=AUDIENCE.rstrip("/")))


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": datetime.now(UTC) - timedelta(hours=1)},
        {"exp": None},
        {"aud": "https://graph.microsoft.com"},
        {"aud": None},
        {"iss": "https://sts.windows.net/other/"},
        {"tid": None},
        {"oid": None},
        {"nbf": datetime.now(UTC) + timedelta(hours=1)},
        {"key": FOREIGN},
        {"kid": "unknown"},
        {"key": "secret-secret-secret-secret-secret", "algorithm": "HS256"},
        {"key": "", "algorithm": "none"},
    ],
)
@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
def test_a_token_with_a_fault_is_refused(authority: str, changes: dict[str, Any]) -> None:
    with pytest.raises(Unauthenticated):
        callers(authority).authenticate(token(authority, **changes))


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic dTpw", "Bearer not-a-token", "Bearer a.b.c"])
def test_no_token_is_refused(authority: str, header: str | None) -> None:
    with pytest.raises(Unauthenticated):
        callers(authority).authenticate(header)


@pytest.mark.parametrize("answer", [b"<html>", b"\xff", b"", b'{"keys": []}', b'{"keys": [{"kty": "x"}]}'])
def test_an_answer_without_keys_is_our_fault_too(
    authority: str, monkeypatch: pytest.MonkeyPatch, answer: bytes
) -> None:
    opener = SimpleNamespace(open=lambda *_, **__: io.BytesIO(answer))
    monkeypatch.setattr(urllib.request, "build_opener", lambda *_: opener)
    with pytest.raises(Unavailable):
        callers(authority).authenticate(token(authority))


def test_keys_that_cannot_be_read_are_our_fault(authority: str) -> None:
    with pytest.raises(Unavailable):
        callers("http://127.0.0.1:9").authenticate(token(authority))


@pytest.mark.parametrize(
    ("held", "asked", "registry", "allowed"),
    [
        (Role.READER, Role.READER, "localreg", True),
        (Role.READER, Role.RUNNER, "localreg", False),
        (Role.RUNNER, Role.READER, "localreg", True),
        (Role.CONTRIBUTOR, Role.RUNNER, "localreg", True),
        (Role.CONTRIBUTOR, Role.READER, "other", False),
    ],
)
def test_roles(authority: str, held: Role, asked: Role, registry: str, *, allowed: bool) -> None:
    assignment = RoleAssignment(principal="O-1", role=held, registry="LocalReg")
    known = callers(authority, assignment)
    caller = Caller("me", "User", frozenset({"o-1"}))
    assert known.holds(caller, registry, asked) is allowed
    if not allowed:
        with pytest.raises(Forbidden, match=f"role '{asked}'"):
            known.require(caller, registry, asked)
