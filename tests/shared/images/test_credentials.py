"""Challenges and the requests that answer them, by values."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.grant import RegistryLogin
from shared.images import credentials
from shared.images.credentials import Basic, Bearer, Challenge, EntraToken, RefreshToken, Token


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        ("", []),
        ('Basic realm="x"', [("basic", {"realm": "x"})]),
        ("Basic", [("basic", {})]),
        (
            'Bearer realm="https://a/token",service="s",scope="repository:x:pull,push"',
            [("bearer", {"realm": "https://a/token", "service": "s", "scope": "repository:x:pull,push"})],
        ),
        ("BEARER Realm=https://a , service = s", [("bearer", {"realm": "https://a", "service": "s"})]),
        (
            'Bearer realm="a",error="invalid_token", Basic realm="b"',
            [("bearer", {"realm": "a", "error": "invalid_token"}), ("basic", {"realm": "b"})],
        ),
        (r'Basic realm="a \"b\" c"', [("basic", {"realm": 'a "b" c'})]),
        ('Bearer realm=""', [("bearer", {"realm": ""})]),
        ('realm="a"', []),
    ],
)
def test_challenges(header: str, wanted: list[tuple[str, dict[str, str]]]) -> None:
    found = credentials.read_challenges(header)
    assert [(challenge.scheme, dict(challenge.parameters)) for challenge in found] == wanted


@given(st.text(max_size=200))
def test_any_header_can_be_read(header: str) -> None:
    assert all(challenge.scheme for challenge in credentials.read_challenges(header))


def test_a_realm_may_have_a_query_of_its_own() -> None:
    challenge = Challenge("bearer", {"realm": "https://a/token?account=x", "service": "a b"})
    url = credentials.token_url(challenge, ["repository:x:pull", "repository:y:pull"])
    assert url == ("https://a/token?account=x&service=a+b&scope=repository%3Ax%3Apull&scope=repository%3Ay%3Apull")


@pytest.mark.parametrize(
    ("body", "token"),
    [
        (b'{"token": "t"}', Token("t", 60)),
        (b'{"access_token": "a", "expires_in": 300}', Token("a", 300)),
        (b'{"token": "t", "access_token": "a"}', Token("t", 60)),
        (b'{"token": "t", "expires_in": -5}', Token("t", 60)),
        (b'{"token": "t", "expires_in": "soon"}', Token("t", 60)),
        (b'{"token": "t", "expires_in": 1e99}', Token("t", 60)),
        (b'{"refresh_token": "r"}', None),
        (b"not json", None),
    ],
)
def test_tokens(body: bytes, token: Token | None) -> None:
    assert credentials.read_token(body, "token", "access_token") == token


@pytest.mark.parametrize(
    ("login", "credential"),
    [
        (RegistryLogin(registry="r", token="t"), Bearer("t")),
        (RegistryLogin(registry="r", username="u", password="p"), Basic("u", "p")),
        (RegistryLogin(registry="r", username="u", password=""), Basic("u", "")),
        (RegistryLogin(registry="r"), None),
    ],
)
def test_what_a_grants_login_is_worth(login: RegistryLogin, credential: object) -> None:
    assert credentials.credential_of(login) == credential


@pytest.mark.parametrize(
    "holder",
    [Basic("u", "hidden"), Bearer("hidden"), RefreshToken("hidden"), EntraToken("hidden"), Token("hidden")],
)
def test_a_secret_is_not_printed(holder: object) -> None:
    assert "hidden" not in repr(holder)
