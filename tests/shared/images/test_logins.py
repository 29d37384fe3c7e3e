"""The app's logins of its own registries: what they ask for, and whom."""

from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from azure.core.exceptions import ClientAuthenticationError
from pydantic import ValidationError

from shared.errors import InvalidRequest, SlipwayError, Unavailable
from shared.grant import LoginRequest
from shared.images import logins
from shared.images.logins import LoginIssuer
from shared.settings import RegistrySettings, Settings

HOST = "reg.slipway.test"
REGISTRY = RegistrySettings(
    id="/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerRegistry/registries/registry",
    login_server=HOST,
    location="local",
)
OTHER = "other.slipway.test"
OWN, TASKS, UNKNOWN = (f"{digit * 8}-0000-0000-0000-000000000000" for digit in "123")
SCOPES = [
    "app:pull repository:victim",
    "app:pull,push repository:victim",
    "victim:pull,push",
    "app\nrepository:victim",
    "app,push",
    "*",
    "app%20repository",
    "App",
    "app/",
    "",
]


def refuse(_audience: str) -> None:
    raise ClientAuthenticationError("there is no such identity")


NOBODY = SimpleNamespace(get_token=refuse)


class Service:
    """A registry and its token service: keeps what was asked of it."""

    def __init__(self, realm: str = f"https://{HOST}/oauth2/token", answer: bytes = b'{"access_token": "a"}') -> None:
        self.realm, self.answer, self.forms, self.exchange = realm, answer, list[str](), 200

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/v2/":
            return httpx.Response(401, headers={"www-authenticate": f'Bearer realm="{self.realm}",service="{HOST}"'})
        self.forms.append(request.content.decode())
        if request.url.path.endswith("/exchange"):
            return httpx.Response(self.exchange, content=b'{"refresh_token": "r"}')
        return httpx.Response(200, content=self.answer)


@pytest.fixture
def issuer(monkeypatch: pytest.MonkeyPatch) -> Any:
    identity = SimpleNamespace(get_token=lambda _: SimpleNamespace(token="entra"))
    monkeypatch.setattr(
        logins, "app_identity", lambda _settings, client_id: NOBODY if client_id == UNKNOWN else identity
    )
    values: dict[str, Any] = {
        "resource_manager_audience": "https://management.azure.com",
        "authority": "https://login.slipway.test",
        "tenant_id": "t",
        "ca_bundle": None,
        "identity_client_id": OWN,
        "registry_suffix": ".slipway.test",
    }
    settings = Settings.model_construct(**values)
    return lambda service: LoginIssuer(settings, httpx.Client(transport=httpx.MockTransport(service)))


def test_a_login_is_for_what_was_named(issuer: Any) -> None:
    service = Service()
    assert issuer(service)(REGISTRY, ("base/os",), ("a.b/c__d-e",)).token == "a"
    asked = httpx.QueryParams(service.forms[-1])["scope"]
    assert asked == "repository:a.b/c__d-e:pull,push repository:base/os:pull"


def test_an_identity_of_tasks_logs_in_to_another_registry(issuer: Any) -> None:
    service = Service(f"https://{OTHER}/oauth2/token")
    login = issuer(service).by_identity(OTHER, TASKS)
    assert (login.registry, login.username, login.password) == (OTHER, "00000000-0000-0000-0000-000000000000", "r")
    (form,) = service.forms
    assert httpx.QueryParams(form)["access_token"] == "entra"


@pytest.mark.parametrize(
    ("host", "client_id", "words"),
    [
        ("registry.example", TASKS, "registries of Azure alone"),
        ("slipway.test", TASKS, "registries of Azure alone"),
        ("evil.example/.slipway.test", TASKS, "registries of Azure alone"),
        ("evil.example#.slipway.test", TASKS, "registries of Azure alone"),
        ("user@evil.slipway.test", TASKS, "registries of Azure alone"),
        ("evil.slipway.test:443/x", TASKS, "registries of Azure alone"),
        (OTHER, OWN, "the app's own identity"),
        (OTHER, OWN.upper(), "the app's own identity"),
        (OTHER, UNKNOWN, "the app has no identity"),
    ],
)
def test_no_token_of_an_identity_goes_elsewhere(issuer: Any, host: str, client_id: str, words: str) -> None:
    service = Service(f"https://{OTHER}/oauth2/token")
    with pytest.raises(InvalidRequest, match=words):
        issuer(service).by_identity(host, client_id)
    assert service.forms == []


def test_a_registry_that_does_not_know_the_identity(issuer: Any) -> None:
    service = Service(f"https://{OTHER}/oauth2/token")
    service.exchange = 401
    with pytest.raises(InvalidRequest, match="refuses the identity"):
        issuer(service).by_identity(OTHER, TASKS)


@pytest.mark.parametrize("name", SCOPES)
def test_a_name_that_asks_for_more_is_refused_before_anybody_is_asked(issuer: Any, name: str) -> None:
    service = Service()
    for pull, push in (((name,), ()), ((), (name,))):
        with pytest.raises(InvalidRequest):
            issuer(service)(REGISTRY, pull, push)
    with pytest.raises(InvalidRequest):
        issuer(service).deleting(REGISTRY, name)
    assert service.forms == []


@pytest.mark.parametrize("name", SCOPES)
def test_a_builder_cannot_even_ask_for_such_a_name(name: str) -> None:
    for member in ("pull", "push"):
        with pytest.raises(ValidationError):
            LoginRequest.model_validate({member: [name]})


@pytest.mark.parametrize(
    "realm",
    [
        "https://evil.example/oauth2/token",
        f"https://{HOST}.evil.example/oauth2/token",
        f"https://{HOST}@evil.example/oauth2/token",
        f"http://{HOST}/oauth2/token",
        "https://169.254.169.254/token",
        "",
    ],
)
def test_the_identity_of_the_app_goes_to_the_registry_itself_alone(issuer: Any, realm: str) -> None:
    service = Service(realm)
    with pytest.raises(Unavailable):
        issuer(service)(REGISTRY, ("app",), ())
    assert service.forms == []


@pytest.mark.parametrize(
    "answer", [b"", b"<html>", b"[]", b'{"access_token": 7}', b'{"expires_in": "x"}', b"\xff", b"[" * 100_000]
)
def test_an_answer_that_is_none_is_told_as_such(issuer: Any, answer: bytes) -> None:
    with pytest.raises(SlipwayError):
        issuer(Service(answer=answer))(REGISTRY, ("app",), ())
