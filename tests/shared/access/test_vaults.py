"""Which addresses are key vaults, and what is made of a vault's answers."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from azure.core.credentials import AccessToken

from shared.access.vaults import KeyVaults, SecretAddress
from shared.errors import InvalidRequest, SlipwayError, Unavailable
from shared.settings import Settings

SUFFIX = ".vault.azure.net"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://Mine.vault.azure.net/secrets/Name", "https://mine.vault.azure.net/secrets/name"),
        ("https://m-1.vault.azure.net/secrets/n/00ff/", "https://m-1.vault.azure.net/secrets/n/00ff"),
    ],
)
def test_addresses(text: str, expected: str) -> None:
    address = SecretAddress.parse(text, SUFFIX)
    assert (address.url, address.resource) == (expected, "https://vault.azure.net")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("http://m.vault.azure.net/secrets/n", "scheme. Expected Https"),
        ("m.vault.azure.net/secrets/n", "scheme. Expected Https"),
        ("https://m.vault.azure.net/secrets", "Bad number of URL segments: 1"),
        ("https://m.vault.azure.net/secrets/a/b/c", "Bad number of URL segments: 4"),
        ("https://m.vault.azure.net/keys/a", "Expected 'secrets' collection, but found: keys"),
        ("https://m.vault.azure.net/secrets/..", "A name consists of"),
        ("https://m.vault.azure.net/secrets/a%2fb", "A name consists of"),
        ("https://evil.example/secrets/n", "not a key vault of this cloud"),
        ("https://vault.azure.net/secrets/n", "not a key vault of this cloud"),
        ("https://.vault.azure.net/secrets/n", "not a key vault of this cloud"),
        ("https://evil.example#.vault.azure.net/secrets/n", "Bad number of URL segments"),
        ("https://evil.example?x.vault.azure.net/secrets/n", "Bad number of URL segments"),
        ("https://user@m.vault.azure.net/secrets/n", "not a key vault of this cloud"),
        ("https://m.vault.azure.net:8080/secrets/n", "not a key vault of this cloud"),
        ("https://a.b.vault.azure.net/secrets/n", "not a key vault of this cloud"),
        ("https://m.vault.azure.net.evil.example/secrets/n", "not a key vault of this cloud"),
        ("https://mvault.azure.net/secrets/n", "not a key vault of this cloud"),
    ],
)
def test_what_is_no_vault_of_this_cloud_is_never_asked(text: str, words: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        SecretAddress.parse(text, SUFFIX)
    assert raised.value.message.startswith("invalid azure keyvault secret URL")
    assert words in raised.value.message


def test_a_suffix_without_a_dot_is_the_one_host() -> None:
    assert SecretAddress.parse("https://localhost:7448/secrets/n", "localhost:7448").host == "localhost:7448"
    with pytest.raises(InvalidRequest):
        SecretAddress.parse("https://evil-localhost:7448/secrets/n", "localhost:7448")


class _Credential:
    def __init__(self, asked: list[str]) -> None:
        self._asked = asked

    def get_token(self, scope: str) -> AccessToken:
        self._asked.append(scope)
        return AccessToken("token-for-vaults", 0)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    def ask(answer: Callable[[httpx.Request], httpx.Response], client_id: str = "") -> str:
        def identity(_: Settings, wanted: str | None) -> Any:
            asked.append(wanted or "own")
            return _Credential(asked)

        monkeypatch.setattr("shared.access.vaults.app_identity", identity)
        values: dict[str, Any] = {"key_vault_suffix": SUFFIX}
        settings = Settings.model_construct(**values)
        client = httpx.Client(transport=httpx.MockTransport(answer))
        return KeyVaults(settings, client).read("https://m.vault.azure.net/secrets/n", client_id)

    asked: list[str] = []
    return ask


def test_a_secret_is_given_exactly(read: Callable[..., str]) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert str(request.url) == "https://m.vault.azure.net/secrets/n?api-version=7.4"
        assert request.headers["Authorization"] == "Bearer token-for-vaults"
        return httpx.Response(200, json={"value": " a\nb ", "id": "x"})

    assert read(answer) == " a\nb "
    assert read(answer, "00000000-0000-0000-0000-000000000001") == " a\nb "


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (httpx.Response(403), InvalidRequest, "does not let this identity read n"),
        (httpx.Response(401), InvalidRequest, "does not let this identity read n"),
        (httpx.Response(404), InvalidRequest, "has no secret n"),
        (httpx.Response(302, headers={"Location": "https://evil.example/"}), Unavailable, "HTTP 302"),
        (httpx.Response(500), Unavailable, "HTTP 500"),
        (httpx.Response(200, text="<html>"), Unavailable, "not a secret"),
        (httpx.Response(200, json={"value": 1}), Unavailable, "not a secret"),
    ],
)
def test_other_answers(read: Callable[..., str], answer: httpx.Response, kind: type[SlipwayError], words: str) -> None:
    with pytest.raises(kind, match=words):
        read(lambda _: answer)


def test_a_client_id_is_a_guid(read: Callable[..., str]) -> None:
    with pytest.raises(InvalidRequest, match="msi client ID is not a valid guid"):
        read(lambda _: httpx.Response(200, json={"value": "v"}), "x&resource=y")
