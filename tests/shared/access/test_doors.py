"""Every door of the app that calls a user's address goes through the one that checks; no spelling gets past it."""

import ast
import socket
from pathlib import Path

import httpx
import pytest

from shared.access.outbound import CheckedTransport, resolve
from shared.network import Allowed

ROOT = Path(__file__).parents[3]
OWN_CLIENTS = {
    "functions/provenance.py": "the deployment's own registries",
    "functions/upkeep.py": "the deployment's own registries",
    "shared/access/signing.py": "the deployment's own vault",
    "shared/access/vaults.py": "vaults below the configured suffix",
    "shared/images/logins.py": "the deployment's own registries and Azure's token service",
    "shared/sight/exporting.py": "the operator's own collector, and Application Insights",
    "shared/provenance/__main__.py": "a program for a person at a terminal",
    "shared/access/outbound.py": "the checked one itself",
}
"""Who may open a client without checks, and whom it calls. An update trigger, a polled registry or a looked-at
repository is not among them: those are handed the checked one."""

SPELLINGS = [
    "2852039166",
    "0xA9FEA9FE",
    "0251.0376.0251.0376",
    "169.16689662",
    "169.254.169.254",
    "168.63.129.16",
    "127.1",
    "0",
    "localhost",
    "[::1]",
    "[::ffff:169.254.169.254]",
    "[::ffff:a9fe:a9fe]",
    "[::169.254.169.254]",
    "[64:ff9b::a9fe:a9fe]",
    "[2002:a9fe:a9fe::]",
    "[2001:0:a9fe:a9fe::1]",
    "[fec0::1]",
    "[fe80::1]",
    "224.0.0.1",
    "192.88.99.1",
    "192.0.0.192",
    "user@169.254.169.254",
    "8.8.8.8@169.254.169.254",
    "169.254.169.254.",
]


class Never(httpx.BaseTransport):
    """An address that must not be called."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        pytest.fail(f"{request.url.host} was called")


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_no_spelling_of_an_inner_address_is_called(spelling: str) -> None:
    """The system's own resolver reads each; none needs a network."""
    refused = pytest.raises((httpx.HTTPError, httpx.InvalidURL))
    with httpx.Client(transport=CheckedTransport(Allowed(), Never(), resolve)) as http, refused:
        http.get(f"https://{spelling}/latest/meta-data")


def test_a_backslash_does_not_hide_the_host() -> None:
    asked = []

    def recording(host: str, _port: int) -> tuple[str, ...]:
        asked.append(host)
        return ("169.254.169.254",)

    refused = pytest.raises((httpx.HTTPError, httpx.InvalidURL))
    with httpx.Client(transport=CheckedTransport(Allowed(), Never(), recording)) as http, refused:
        http.get("https://a.com\\@169.254.169.254/")
    assert "a.com" not in asked


def test_a_name_is_resolved_once_for_judging_and_calling() -> None:
    """The second answer of a rebinding server is never asked for."""
    answers = [("93.184.216.34",), ("169.254.169.254",)]
    called = []

    class Recording(httpx.BaseTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            called.append(request.url.host)
            return httpx.Response(302, headers={"Location": "https://rebinding.example/again"})

    transport = CheckedTransport(Allowed(), Recording(), lambda _host, _port: answers.pop(0))
    with httpx.Client(transport=transport, follow_redirects=True) as http, pytest.raises(httpx.ConnectError):
        http.get("https://rebinding.example/")
    assert (called, answers) == (["93.184.216.34"], [])


def test_only_doors_to_known_hosts_open_a_client_without_checks() -> None:
    found = {
        str(path.relative_to(ROOT))
        for room in ("shared", "functions")
        for path in (ROOT / room).rglob("*.py")
        if _opens_client(ast.parse(path.read_text()))
    }
    assert found == set(OWN_CLIENTS)


def _opens_client(module: ast.Module) -> bool:
    names = {ast.unparse(node.func) for node in ast.walk(module) if isinstance(node, ast.Call)}
    opening = {"httpx.Client", "httpx.AsyncClient", "httpx.HTTPTransport", "urlopen", "urllib.request.urlopen"}
    return bool(names & opening or {name for name in names if name.startswith("requests.")})


def test_the_system_knows_the_spellings_that_are_no_addresses() -> None:
    """The control: without a check of what they resolve to, these lead inside."""
    for spelling in ("2852039166", "0xA9FEA9FE", "0251.0376.0251.0376"):
        found = {entry[4][0] for entry in socket.getaddrinfo(spelling, 443, type=socket.SOCK_STREAM)}
        assert found == {"169.254.169.254"}
