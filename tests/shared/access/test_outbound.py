"""The app calls the address that was checked, by the name that was asked for, and nothing inside."""

import httpx
import pytest

from shared.access.outbound import CheckedTransport
from shared.network import Allowed


class Recording(httpx.BaseTransport):
    def __init__(self, dead: str = "") -> None:
        self.requests: list[httpx.Request] = []
        self.dead = dead

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.host == self.dead:
            raise httpx.ConnectError("dead")
        self.requests.append(request)
        return httpx.Response(200)


def client(*addresses: str, allowed: tuple[str, ...] = (), dead: str = "") -> tuple[httpx.Client, Recording]:
    inner = Recording(dead)
    transport = CheckedTransport(Allowed.read(allowed), inner, lambda _host, _port: addresses)
    return httpx.Client(transport=transport), inner


def test_a_public_address_is_called_under_its_name() -> None:
    http, inner = client("93.184.216.34")
    assert http.get("https://registry.example/v2/").status_code == 200
    (request,) = inner.requests
    assert request.url.host == "93.184.216.34"
    assert request.headers["host"] == "registry.example"
    assert request.extensions["sni_hostname"] == "registry.example"


@pytest.mark.parametrize(
    "addresses", [("127.0.0.1",), ("10.0.0.1",), ("169.254.169.254",), ("168.63.129.16",), ("93.184.216.34", "::1"), ()]
)
def test_what_leads_inside_is_not_called(addresses: tuple[str, ...]) -> None:
    http, inner = client(*addresses)
    with pytest.raises(httpx.ConnectError):
        http.get("https://registry.example/v2/")
    assert inner.requests == []


@pytest.mark.parametrize("url", ["http://registry.example/", "https://registry.example:5000/"])
def test_only_https_on_an_open_port_is_called(url: str) -> None:
    http, inner = client("93.184.216.34")
    with pytest.raises(httpx.ConnectError):
        http.get(url)
    assert inner.requests == []


def test_an_operator_may_allow_a_registry_inside() -> None:
    http, inner = client("10.0.0.1", allowed=("registry.example:5000",))
    assert http.get("https://registry.example:5000/v2/").status_code == 200
    assert len(inner.requests) == 1


def test_the_next_address_is_called_when_one_does_not_answer() -> None:
    http, inner = client("93.184.216.34", "93.184.216.35", dead="93.184.216.34")
    assert http.get("https://registry.example/").status_code == 200
    assert inner.requests[0].url.host == "93.184.216.35"
