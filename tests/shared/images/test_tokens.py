"""Token authentication, against a real registry that trusts a token service of ours."""

from collections.abc import Iterator

import httpx
import pytest

from shared.errors import Forbidden, Unauthenticated
from shared.images import distribution
from shared.images.client import perform
from shared.images.credentials import Basic, Bearer, Credential, EntraToken, RefreshToken
from shared.images.references import Reference
from shared.images.session import Session, allow_all
from tests.shared.images.local_registry import LocalRegistry, running_registry
from tests.shared.images.token_service import ENTRA_TOKEN, REFRESH_TOKEN, TokenService, running_token_service


class _PushTokens(httpx.Auth):
    def __init__(self, service: TokenService) -> None:
        scopes = tuple(f"repository:{name}:pull,push,delete" for name in ("app", "other"))
        self._header = f"Bearer {service.access_token(scopes)}"

    def auth_flow(self, request: httpx.Request) -> Iterator[httpx.Request]:  # type: ignore[override]
        request.headers["authorization"] = self._header
        yield request


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TokenService]:
    with running_token_service(tmp_path_factory.mktemp("tokens")) as service:
        yield service


@pytest.fixture(scope="module")
def registry(service: TokenService, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalRegistry]:
    folder = tmp_path_factory.mktemp("registry") / "run"
    with running_registry(folder, service.registry_auth, _PushTokens(service)) as registry:
        registry.push("app", "v1")
        yield registry


@pytest.fixture
def asked(service: TokenService) -> list[tuple[str, str, tuple[str, ...]]]:
    service.asked.clear()
    return service.asked


def head(registry: LocalRegistry, session: Session) -> str:
    with httpx.Client(trust_env=False) as http:
        name = Reference.parse(f"{registry.name}/app:v1")
        return perform(http, distribution.head(session, name)).digest


def session_of(registry: LocalRegistry, credential: Credential | None) -> Session:
    return Session(lambda _: credential, guard=allow_all, plain_http=frozenset({registry.name}))


def entra(service: TokenService) -> EntraToken:
    return EntraToken(ENTRA_TOKEN, hosts=frozenset({f"127.0.0.1:{service.port}"}))


PULL = ("repository:app:pull",)


def test_a_password_buys_a_token_for_one_scope(registry: LocalRegistry, asked: list[object]) -> None:
    session = session_of(registry, Basic("owner", "opensesame"))
    assert head(registry, session) == head(registry, session)
    assert asked == [("GET", "/oauth2/token", PULL)]


def test_a_refresh_token_is_posted(registry: LocalRegistry, asked: list[object]) -> None:
    head(registry, session_of(registry, RefreshToken(REFRESH_TOKEN)))
    assert asked == [("POST", "/oauth2/token", PULL)]


def test_an_entra_token_is_exchanged_first(registry: LocalRegistry, service: TokenService, asked: list[object]) -> None:
    head(registry, session_of(registry, entra(service)))
    assert asked == [("POST", "/oauth2/exchange", ()), ("POST", "/oauth2/token", PULL)]


def test_an_entra_token_stays_with_the_hosts_it_is_for(registry: LocalRegistry, asked: list[object]) -> None:
    with pytest.raises(Forbidden, match="on another host"):
        head(registry, session_of(registry, EntraToken(ENTRA_TOKEN)))
    assert asked == []


def test_an_expired_token_is_bought_again(registry: LocalRegistry, asked: list[object]) -> None:
    now = [0.0]
    credential = Basic("owner", "opensesame")
    plain = frozenset({registry.name})
    session = Session(lambda _: credential, guard=allow_all, plain_http=plain, clock=lambda: now[0])
    head(registry, session)
    now[0] = 289
    head(registry, session)
    assert len(asked) == 1
    now[0] = 291
    head(registry, session)
    assert asked == [("GET", "/oauth2/token", PULL)] * 2


def test_a_fixed_token_asks_nobody(registry: LocalRegistry, service: TokenService, asked: list[object]) -> None:
    assert head(registry, session_of(registry, Bearer(service.access_token(PULL))))
    assert asked == []


def test_a_fixed_token_for_another_repository_is_refused(registry: LocalRegistry, service: TokenService) -> None:
    token = service.access_token(("repository:other:pull",))
    with pytest.raises(Unauthenticated, match="does not accept the login") as caught:
        head(registry, session_of(registry, Bearer(token)))
    assert token not in repr(caught.value)


@pytest.mark.parametrize("credential", [None, Basic("owner", "wrong"), RefreshToken("wrong")])
def test_the_token_service_may_refuse(registry: LocalRegistry, credential: Credential | None) -> None:
    with pytest.raises(Unauthenticated, match=r"token service refuses the login \(HTTP 401\)"):
        head(registry, session_of(registry, credential))


def test_deleting_asks_for_its_own_scope(registry: LocalRegistry, asked: list[object]) -> None:
    digest = registry.push("other", None, "to delete")["digest"]
    session = session_of(registry, Basic("owner", "opensesame"))
    name = Reference(registry.name, "other", None, digest)
    with httpx.Client(trust_env=False) as http:
        perform(http, distribution.delete(session, name))
    assert asked == [("GET", "/oauth2/token", ("repository:other:delete",))]
