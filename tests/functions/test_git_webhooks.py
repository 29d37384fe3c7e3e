"""The door for git hosts: what each outcome is answered with, alone and in the real functions host."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import azure.functions as func
import httpx
import pytest

from bench.webhooks import app_settings, delivery, functions_host
from functions import git_webhooks
from shared.access.keys import read_keys
from shared.errors import Conflict, InvalidRequest, TooLarge, Unauthenticated, Unavailable
from shared.settings import read_settings
from shared.storage import Storage, open_storage
from shared.triggers.git.events import HostKind
from shared.triggers.git.hooks import Hook, HookStore
from shared.triggers.git.host import MAX_BODY
from shared.triggers.git.receive import Receipt, ReceiptState


class Running(Protocol):
    @property
    def connection(self) -> str: ...


def answer(monkeypatch: pytest.MonkeyPatch, outcome: Receipt | Exception) -> func.HttpResponse:
    def receive(*_: object) -> Receipt:
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    monkeypatch.setattr(git_webhooks, "_desk", lambda: None)
    monkeypatch.setattr(git_webhooks, "receive", receive)
    request = func.HttpRequest("POST", "/hooks/x", route_params={"hook": "x"}, body=b"{}")
    built: Any = git_webhooks.git_hook
    response = built.build(func.AuthLevel.ANONYMOUS).get_user_function()(request)
    assert isinstance(response, func.HttpResponse)
    return response


@pytest.mark.parametrize("state", ReceiptState)
def test_whatever_a_known_sender_sent_is_answered_with_200(
    monkeypatch: pytest.MonkeyPatch, state: ReceiptState
) -> None:
    response = answer(monkeypatch, Receipt(state, "A reason."))
    assert response.status_code == 200
    assert json.loads(response.get_body()) == {"state": state.value, "reason": "A reason."}


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (Unauthenticated("no"), 401),
        (TooLarge("no"), 413),
        (Unavailable("no"), 503),
        (Conflict("no"), 503),
        (InvalidRequest("no"), 503),
        (RuntimeError("a secret"), 503),
        (KeyError("a secret"), 503),
    ],
)
def test_what_may_pass_is_answered_with_503(monkeypatch: pytest.MonkeyPatch, fault: Exception, status: int) -> None:
    response = answer(monkeypatch, fault)
    assert response.status_code == status
    assert b"secret" not in response.get_body()
    assert "WWW-Authenticate" not in response.headers


class Place:
    """The app in the real functions host, with one hook."""

    def __init__(self, url: str, storage: Storage, hook: Hook) -> None:
        self.url, self.storage, self.hook = url, storage, hook

    def post(self, path: str, body: bytes, headers: dict[str, str]) -> httpx.Response:
        return httpx.post(self.url + path, content=body, headers=headers, timeout=60, trust_env=False)

    def pending(self) -> int:
        return sum(1 for _ in self.storage.deliveries.query("bench", "p", "q"))

    def kept(self) -> int:
        return sum(1 for _ in self.storage.deliveries.query("bench", "d", "e"))


@pytest.fixture
def place(azurite: Running, tmp_path: Path) -> Iterator[Place]:
    values = app_settings(azurite.connection, tmp_path / "key")
    (tmp_path / "settings.json").write_text(json.dumps({"IsEncrypted": False, "Values": values}))
    settings = read_settings(values)
    storage = open_storage(settings)
    hook = HookStore(storage.hooks, read_keys(settings)).create("bench", HostKind.GITHUB, "https://x/yard/boat")
    with functions_host(tmp_path / "settings.json", tmp_path / "host.log") as url:
        yield Place(url, storage, hook)


@pytest.mark.slow
def test_the_door_in_the_real_host(place: Place) -> None:
    one = delivery(place.hook)
    first = place.post(one.path, one.body, one.headers)
    assert (first.status_code, first.json()["state"]) == (200, "accepted")
    assert place.kept() == 1
    assert place.post(one.path, one.body, one.headers).json()["state"] == "repeated"

    refusals = [
        place.post(one.path, one.body + b" ", one.headers),
        place.post(f"/hooks/{'0' * 32}", one.body, one.headers),
        place.post("/hooks/nonsense", one.body, one.headers),
        place.post(one.path, one.body, {}),
    ]
    assert {(refusal.status_code, refusal.content) for refusal in refusals} == {(401, refusals[0].content)}
    alike = {"date", "x-request-id"}
    shown = [{k: v for k, v in refusal.headers.items() if k not in alike} for refusal in refusals]
    assert shown == [shown[0]] * 4

    for path in (one.path, "/hooks/nonsense"):
        assert place.post(path, b" " * (MAX_BODY + 1), one.headers).status_code == 413
    assert httpx.get(place.url + one.path, trust_env=False).status_code in {404, 405}
    end = time.monotonic() + 20
    while place.pending() and time.monotonic() < end:
        time.sleep(0.1)
    assert place.pending() == 0
    assert place.kept() == 1
