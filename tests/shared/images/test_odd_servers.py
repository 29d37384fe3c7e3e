"""Registries that misbehave: what they get from us, and what we say of them."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Callable, Iterator

import httpx
import pytest

from shared.errors import (
    Forbidden,
    InvalidRequest,
    NotFound,
    SlipwayError,
    Throttled,
    TooLarge,
    Unauthenticated,
    Unavailable,
)
from shared.images import client, distribution
from shared.images.client import perform, perform_async
from shared.images.credentials import Basic, Credential, EntraToken
from shared.images.exchange import Exchange
from shared.images.manifests import INDEX_TYPES, MANIFEST_TYPES
from shared.images.references import Reference
from shared.images.session import Guard, Session, allow_all

DIGEST = "sha256:" + "a" * 64
IMAGE = Reference.parse("reg.example/app:v1")
PINNED = Reference.parse(f"reg.example/app@{DIGEST}")
BASIC = Basic("owner", "a-password")

type Server = Callable[[httpx.Request], httpx.Response]


def session(credential: Credential | None = None, guard: Guard = allow_all) -> Session:
    return Session(lambda _: credential, guard=guard)


def run[T](operation: Exchange[T], server: Server) -> T:
    with httpx.Client(transport=httpx.MockTransport(server)) as http:
        return perform(http, operation)


def always(status: int, headers: dict[str, str] | None = None, content: bytes = b"") -> Server:
    return lambda _: httpx.Response(status, headers=headers, content=content)


def found(_: httpx.Request) -> httpx.Response:
    return httpx.Response(200, headers={"docker-content-digest": DIGEST, "content-type": MANIFEST_TYPES[0]})


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, InvalidRequest),
        (401, Unauthenticated),
        (403, Forbidden),
        (404, NotFound),
        (405, InvalidRequest),
        (429, Throttled),
        (500, Unavailable),
        (503, Unavailable),
        (204, Unavailable),
        (302, Unavailable),
    ],
)
def test_each_status_has_its_error(status: int, error: type[SlipwayError]) -> None:
    with pytest.raises(error) as caught:
        run(distribution.head(session(), IMAGE), always(status))
    assert "'reg.example/app:v1' of registry 'reg.example'" in caught.value.message
    assert f"(HTTP {status})" in caught.value.message


@pytest.mark.parametrize(
    ("retry_after", "seconds"),
    [("7", 7), ("", 60), ("soon", 60), ("999999999999", 21600), ("Wed, 21 Oct 2015 07:28:00 GMT", 1), ("-1", 60)],
)
def test_a_pause_is_as_long_as_asked(retry_after: str, seconds: int) -> None:
    with pytest.raises(Throttled) as caught:
        run(distribution.head(session(), IMAGE), always(429, {"retry-after": retry_after}))
    assert caught.value.retry_after == seconds


def test_docker_hub_is_called_at_its_api_host_and_named_as_people_do() -> None:
    calls: list[str] = []

    def server(request: httpx.Request) -> httpx.Response:
        calls.append(str(request.url))
        return httpx.Response(404)

    with pytest.raises(NotFound, match=r"Image 'busybox:latest' of registry 'docker\.io'"):
        run(distribution.head(session(), Reference.parse("busybox")), server)
    assert calls == ["https://registry-1.docker.io/v2/library/busybox/manifests/latest"]


def test_every_manifest_type_is_accepted() -> None:
    accepted: list[str] = []

    def server(request: httpx.Request) -> httpx.Response:
        accepted.append(request.headers["accept"])
        return found(request)

    run(distribution.head(session(), IMAGE), server)
    assert set(accepted[0].split(", ")) == {*INDEX_TYPES, *MANIFEST_TYPES}


def _moved_to(location: str, sent: list[httpx.Request]) -> Server:
    """Ask for Basic, then redirect to `location`, which answers."""

    def server(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        if request.url.path.startswith("/moved"):
            return found(request)
        if "authorization" not in request.headers:
            return httpx.Response(401, headers={"www-authenticate": 'Basic realm="x"'})
        return httpx.Response(307, headers={"location": location})

    return server


@pytest.mark.parametrize(
    ("location", "keeps_login"),
    [
        ("/moved", True),
        ("https://reg.example/moved", True),
        ("https://reg.example:443/moved", True),
        ("https://reg.example:8443/moved", False),
        ("https://blobs.example/moved", False),
        ("//blobs.example/moved", False),
        ("https://sub.reg.example/moved", False),
    ],
)
def test_a_redirect_keeps_the_login_at_the_same_origin_only(location: str, *, keeps_login: bool) -> None:
    sent: list[httpx.Request] = []
    run(distribution.head(session(BASIC), IMAGE), _moved_to(location, sent))
    assert ("authorization" in sent[-1].headers) is keeps_login


@pytest.mark.parametrize("location", ["http://reg.example/moved", "ftp://reg.example/moved", "file:///etc/passwd"])
def test_a_redirect_never_leaves_https(location: str) -> None:
    sent: list[httpx.Request] = []
    with pytest.raises((Forbidden, Unavailable)):
        run(distribution.head(session(BASIC), IMAGE), _moved_to(location, sent))
    assert {request.url.scheme for request in sent} == {"https"}


@pytest.mark.parametrize("location", ["https://[::1", "https://x:99999999/", "https://"])
def test_an_address_that_is_none(location: str) -> None:
    with pytest.raises(Unavailable):
        run(distribution.head(session(), IMAGE), always(307, {"location": location}))


def test_redirects_in_a_circle_end() -> None:
    with pytest.raises(Unavailable, match="redirects more than 5 times"):
        run(distribution.head(session(), IMAGE), always(302, {"location": "/v2/again"}))


def test_the_guard_sees_every_address_before_it_is_called() -> None:
    seen: list[str] = []

    def guard(url: str) -> None:
        seen.append(url)
        if "169.254" in url:
            raise Forbidden("no")

    with pytest.raises(Forbidden, match="no"):
        run(distribution.head(session(guard=guard), IMAGE), always(307, {"location": "https://169.254.169.254/x"}))
    assert seen == ["https://reg.example/v2/app/manifests/v1", "https://169.254.169.254/x"]


@pytest.mark.parametrize(
    "realm", ["https://169.254.169.254/token", "http://auth.example/token", "", "token", "https://[::1/token"]
)
def test_a_token_service_is_guarded_and_https(realm: str) -> None:
    def guard(url: str) -> None:
        if "169.254" in url:
            raise Forbidden("no")

    sent: list[httpx.Request] = []

    def server(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(401, headers={"www-authenticate": f'Bearer realm="{realm}",service="s"'})

    with pytest.raises((Forbidden, Unavailable)):
        run(distribution.head(session(BASIC, guard), IMAGE), server)
    assert [request.url.host for request in sent] == ["reg.example"]


def test_azure_exchange_on_the_registrys_own_host() -> None:
    """A login server of Azure names itself as the realm; both posts carry forms, never a header or a query."""
    posts: list[tuple[str, dict[str, str]]] = []
    challenge = 'Bearer realm="https://reg.example/oauth2/token",service="reg.example",scope="repository:app:pull"'

    def server(request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            posts.append((request.url.path, dict(httpx.QueryParams(request.content.decode()))))
            answer = {"refresh_token": "r1"} if request.url.path.endswith("exchange") else {"access_token": "a1"}
            return httpx.Response(200, json=answer)
        if request.headers.get("authorization") == "Bearer a1":
            return found(request)
        return httpx.Response(401, headers={"www-authenticate": challenge})

    talk = session(EntraToken("entra"))
    assert run(distribution.head(talk, IMAGE), server).digest == DIGEST
    assert run(distribution.head(talk, Reference.parse("reg.example/other")), server).digest == DIGEST
    assert [path for path, _ in posts] == ["/oauth2/exchange", "/oauth2/token", "/oauth2/token"]
    assert posts[0][1] == {"grant_type": "access_token", "service": "reg.example", "access_token": "entra"}
    assert posts[1][1] == {
        "grant_type": "refresh_token",
        "service": "reg.example",
        "scope": "repository:app:pull",
        "client_id": "slipway",
        "refresh_token": "r1",
    }


def test_docker_hub_is_anonymous_with_a_token() -> None:
    challenge = 'Bearer realm="https://auth.docker.io/token",service="registry.docker.io"'

    def server(request: httpx.Request) -> httpx.Response:
        if request.url.host == "auth.docker.io":
            assert "authorization" not in request.headers
            assert dict(request.url.params) == {
                "service": "registry.docker.io",
                "scope": "repository:library/busybox:pull",
            }
            return httpx.Response(200, json={"token": "t1"})
        allowed = request.headers.get("authorization") == "Bearer t1" and "busybox" in request.url.path
        return found(request) if allowed else httpx.Response(401, headers={"www-authenticate": challenge})

    assert run(distribution.head(session(), Reference.parse("busybox")), server).digest == DIGEST
    assert run(distribution.head(session(), Reference.parse("busybox")), server).digest == DIGEST


def test_a_private_image_asks_for_a_login_after_the_anonymous_token() -> None:
    challenge = 'Bearer realm="https://reg.example/token",service="s"'

    def server(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/token":
            return httpx.Response(200, json={"token": "anonymous"})
        return httpx.Response(401, headers={"www-authenticate": challenge})

    with pytest.raises(Unauthenticated, match="private or does not exist"):
        run(distribution.head(session(), IMAGE), server)


def test_a_token_that_the_registry_drops_early_is_bought_again() -> None:
    bought: list[str] = []

    def server(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/token":
            bought.append(f"t{len(bought)}")
            return httpx.Response(200, json={"token": bought[-1]})
        if bought and request.headers.get("authorization") == f"Bearer {bought[-1]}" and len(bought) != dropped:
            return found(request)
        return httpx.Response(401, headers={"www-authenticate": 'Bearer realm="https://reg.example/token"'})

    talk, dropped = session(), 0
    run(distribution.head(talk, IMAGE), server)
    dropped = 1
    run(distribution.head(talk, IMAGE), server)
    assert bought == ["t0", "t1"]


@pytest.mark.parametrize("answer", [b"", b"[]", b"{}", b'{"token": ""}', b'{"token": 5}', b"[" * 100_000])
def test_a_token_service_without_a_token(answer: bytes) -> None:
    def server(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/token":
            return httpx.Response(200, content=answer)
        return httpx.Response(401, headers={"www-authenticate": 'Bearer realm="https://reg.example/token"'})

    with pytest.raises(Unavailable, match="answers without a token"):
        run(distribution.head(session(), IMAGE), server)


def test_a_registry_without_digests_costs_one_get() -> None:
    methods: list[str] = []
    body = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST_TYPES[1]}).encode()

    def server(request: httpx.Request) -> httpx.Response:
        methods.append(request.method)
        return httpx.Response(200, content=body if request.method == "GET" else b"")

    head = run(distribution.head(session(), IMAGE), server)
    assert (methods, head.size, head.media_type) == (["HEAD", "GET"], len(body), MANIFEST_TYPES[1])


@pytest.mark.parametrize("digest", ["sha256:zz", "md5:" + "a" * 32, "../../etc", "sha256:" + "A" * 64])
def test_a_digest_that_is_none(digest: str) -> None:
    with pytest.raises(Unavailable, match="names a digest that is none"):
        run(distribution.head(session(), IMAGE), always(200, {"docker-content-digest": digest}))


def test_a_manifest_that_is_not_what_its_digest_says() -> None:
    with pytest.raises(Unavailable, match="has the digest sha256:"):
        run(distribution.get(session(), PINNED), always(200, content=b"{}"))


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"\xff", b'{"manifests": {"a": 1}}', b"[" * 100_000])
def test_a_manifest_that_is_none(body: bytes) -> None:
    with pytest.raises(Unavailable, match="JSON cannot be read"):
        run(distribution.get(session(), IMAGE), always(200, content=body))


def test_a_blob_that_is_not_what_its_digest_says() -> None:
    with pytest.raises(Unavailable, match="not what its digest says"):
        run(distribution.blob(session(), IMAGE, DIGEST, limit=10), always(200, content=b"other"))


class _Endless(httpx.SyncByteStream, httpx.AsyncByteStream):
    def __init__(self) -> None:
        self.sent = 0

    def __iter__(self) -> Iterator[bytes]:
        while True:
            self.sent += 65_536
            yield bytes(65_536)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self:
            yield chunk


def test_an_endless_body_is_cut() -> None:
    stream = _Endless()
    with pytest.raises(TooLarge, match="larger than 4194304 bytes"):
        run(distribution.get(session(), IMAGE), lambda _: httpx.Response(200, stream=stream))
    assert stream.sent <= distribution.MANIFEST_LIMIT + 65_536


def test_an_endless_body_is_cut_in_the_asynchronous_driver_too() -> None:
    async def attempt() -> None:
        transport = httpx.MockTransport(lambda _: httpx.Response(200, stream=_Endless()))
        async with httpx.AsyncClient(transport=transport) as http:
            await perform_async(http, distribution.get(session(), IMAGE))

    with pytest.raises(TooLarge):
        asyncio.run(attempt())


def test_a_compressed_answer_is_refused() -> None:
    with pytest.raises(Unavailable, match="compresses its answer"):
        run(distribution.get(session(), IMAGE), always(200, {"content-encoding": "gzip"}, gzip.compress(b"{}")))


def test_a_slow_body_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = iter(range(0, 10_000, 25))
    monkeypatch.setattr(client, "monotonic", lambda: next(seconds))
    with pytest.raises(Unavailable, match="takes longer than 60 s"):
        run(distribution.get(session(), IMAGE), lambda _: httpx.Response(200, stream=_Endless()))


def test_a_dead_network_is_named_without_its_address() -> None:
    def server(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/signed":
            raise httpx.ReadTimeout("signature=secret")
        return httpx.Response(307, headers={"location": "/signed?signature=secret"})

    with pytest.raises(Unavailable, match=r"reg\.example does not answer \(ReadTimeout\)") as caught:
        run(distribution.blob(session(), IMAGE, DIGEST, limit=10), server)
    assert "secret" not in caught.value.message


@pytest.mark.parametrize("link", ["<https://other.example/v2/x>; rel=next", '<//other.example/x>; rel="next"'])
def test_the_next_page_is_at_the_same_registry(link: str) -> None:
    with pytest.raises(Unavailable, match="goes on at another host"):
        run(distribution.tags(session(), IMAGE), always(200, {"link": link}, b'{"tags": ["a"]}'))


def test_a_list_of_tags_without_end() -> None:
    link = '</v2/app/tags/list?last=a>; rel="next"'
    with pytest.raises(Unavailable, match="more than 100000 tags"):
        run(distribution.tags(session(), IMAGE), always(200, {"link": link}, b'{"tags": ["a"]}'))


def test_no_tags_may_be_null() -> None:
    assert run(distribution.tags(session(), IMAGE), always(200, content=b'{"tags": null}')) == ()


def test_referrers_from_the_api() -> None:
    kinds = ["application/a", "application/b"]
    entries = [{"digest": DIGEST, "artifactType": kind, "annotations": None} for kind in kinds]
    body = json.dumps({"mediaType": INDEX_TYPES[0], "manifests": entries}).encode()
    found = run(distribution.referrers(session(), PINNED, kinds[1]), always(200, content=body))
    assert [entry.artifact_type for entry in found] == [kinds[1]]
