"""The distribution protocol against real registries."""

import asyncio
import hashlib
import json
from functools import cache

import httpx
import pytest

from shared.errors import InvalidRequest, NotFound, TooLarge, Unauthenticated, Unavailable
from shared.grant import Platform
from shared.images import distribution
from shared.images.client import perform, perform_async
from shared.images.credentials import Basic, Bearer, Credential
from shared.images.exchange import Exchange
from shared.images.manifests import INDEX_TYPES, MANIFEST_TYPES
from shared.images.references import Reference
from shared.images.session import Session, allow_all
from tests.shared.images.local_registry import LocalRegistry


def session_of(registry: LocalRegistry, credential: Credential | None = None) -> Session:
    return Session(lambda _: credential, guard=allow_all, plain_http=frozenset({registry.name}))


@cache
def http() -> httpx.Client:
    return httpx.Client(trust_env=False, limits=httpx.Limits(max_keepalive_connections=0))


def run[T](operation: Exchange[T]) -> T:
    return perform(http(), operation)


def reference(registry: LocalRegistry, text: str) -> Reference:
    return Reference.parse(f"{registry.name}/{text}")


def test_head_tells_the_digest_of_a_tag(open_registry: LocalRegistry) -> None:
    pushed = open_registry.push("head/image", "v1")
    found = run(distribution.head(session_of(open_registry), reference(open_registry, "head/image:v1")))
    assert (found.digest, found.size) == (pushed["digest"], pushed["size"])
    assert found.media_type == MANIFEST_TYPES[0]
    assert not found.is_index


@pytest.mark.parametrize("media_type", INDEX_TYPES)
def test_head_of_an_index_is_the_index_itself(open_registry: LocalRegistry, media_type: str) -> None:
    """A client that accepts images only is given a child's digest, or 404."""
    image = open_registry.push("head/index", None, "child")
    pushed = open_registry.put("head/index", "v1", {"mediaType": media_type, "manifests": [image]})
    found = run(distribution.head(session_of(open_registry), reference(open_registry, "head/index:v1")))
    assert found.digest == pushed["digest"]
    assert found.is_index


def test_an_unchanged_tag_is_none(open_registry: LocalRegistry) -> None:
    name, session = reference(open_registry, "moving:v1"), session_of(open_registry)
    first = open_registry.push("moving", "v1", "one")["digest"]
    assert run(distribution.head_if_changed(session, name, first)) is None
    second = open_registry.push("moving", "v1", "two")["digest"]
    changed = run(distribution.head_if_changed(session, name, first))
    assert changed
    assert changed.digest == second


def test_get_returns_the_bytes_of_the_digest(open_registry: LocalRegistry) -> None:
    pushed = open_registry.push_index("get/index", "v1", "linux/amd64", "linux/arm/v7")
    name = reference(open_registry, "get/index:v1").with_digest(pushed["digest"])
    manifest = run(distribution.get(session_of(open_registry), name))
    assert manifest.digest == f"sha256:{hashlib.sha256(manifest.body).hexdigest()}" == pushed["digest"]
    assert [str(entry.platform) for entry in manifest.entries] == ["linux/amd64", "linux/arm/v7"]


def test_resolve_finds_the_image_for_a_platform(open_registry: LocalRegistry) -> None:
    pushed = open_registry.push_index("resolve", "v1", "linux/amd64", "linux/arm64/v8", "linux/arm/v7")
    child = open_registry.push("resolve", None, "linux/arm64/v8")["digest"]
    operation = distribution.resolve(
        session_of(open_registry), reference(open_registry, "resolve:v1"), Platform(architecture="arm64")
    )
    resolved = run(operation)
    assert (resolved.digest, resolved.platform_digest) == (pushed["digest"], child)


def test_resolve_says_which_platforms_there_are(open_registry: LocalRegistry) -> None:
    open_registry.push_index("platforms", "v1", "linux/arm64", "linux/arm/v6")
    name = reference(open_registry, "platforms:v1")
    with pytest.raises(NotFound, match=r"no image for linux/s390x; it has linux/arm/v6, linux/arm64\."):
        run(distribution.resolve(session_of(open_registry), name, Platform(architecture="s390x")))


def test_an_image_outside_an_index_is_taken_as_it_is(open_registry: LocalRegistry) -> None:
    pushed = open_registry.push("single", "v1")["digest"]
    name = reference(open_registry, "single:v1")
    resolved = run(distribution.resolve(session_of(open_registry), name, Platform()))
    assert resolved.digest == resolved.platform_digest == pushed


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"os": "linux", "architecture": "arm64", "variant": "v8"}, Platform(architecture="arm64")),
        ({"os": "windows", "architecture": "amd64", "os.version": "10.0"}, Platform(os="windows")),
        ({"os": "", "architecture": ""}, None),
        ({}, None),
        ([], None),
    ],
)
def test_an_image_says_what_it_is_for(open_registry: LocalRegistry, config: object, expected: Platform | None) -> None:
    blob = open_registry.push_blob("said", json.dumps(config).encode())
    open_registry.push("said", "v1", config=blob)
    name = reference(open_registry, "said:v1")
    assert run(distribution.platform_of(session_of(open_registry), name)) == expected


def test_an_index_says_nothing_of_the_kind(open_registry: LocalRegistry) -> None:
    open_registry.push_index("said", "index", "linux/arm64")
    name = reference(open_registry, "said:index")
    assert run(distribution.platform_of(session_of(open_registry), name)) is None


@pytest.mark.parametrize("missing", ["nothing:v1", "head/image:absent"])
def test_what_is_missing_is_named(open_registry: LocalRegistry, missing: str) -> None:
    open_registry.push("head/image", "v1")
    with pytest.raises(NotFound) as caught:
        run(distribution.head(session_of(open_registry), reference(open_registry, missing)))
    assert missing in caught.value.message
    assert open_registry.name in caught.value.message


def test_tags_come_page_by_page(open_registry: LocalRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = [f"v{number}" for number in range(5)]
    for tag in wanted:
        open_registry.push("paged", tag)
    monkeypatch.setattr(distribution, "_PAGE", 2)
    found = run(distribution.tags(session_of(open_registry), reference(open_registry, "paged")))
    assert sorted(found) == wanted


def test_a_blob_is_read_within_its_limit(open_registry: LocalRegistry) -> None:
    blob = open_registry.push_blob("blobs", b"some bytes")
    name, session = reference(open_registry, "blobs"), session_of(open_registry)
    assert run(distribution.blob(session, name, blob["digest"], limit=10)) == b"some bytes"
    with pytest.raises(TooLarge, match="larger than 9 bytes"):
        run(distribution.blob(session, name, blob["digest"], limit=9))


def test_delete_takes_a_digest_and_every_tag_of_it(open_registry: LocalRegistry) -> None:
    session, name = session_of(open_registry), reference(open_registry, "deleted:v1")
    digest = open_registry.push("deleted", "v1")["digest"]
    with pytest.raises(InvalidRequest, match="needs a digest"):
        run(distribution.delete(session, name))
    run(distribution.delete(session, name.with_digest(digest)))
    with pytest.raises(NotFound):
        run(distribution.head(session, name))


def test_referrers_are_found_under_the_fallback_tag(open_registry: LocalRegistry) -> None:
    digest = open_registry.push("signed", "v1")["digest"]
    name, session = reference(open_registry, "signed:v1").with_digest(digest), session_of(open_registry)
    assert run(distribution.referrers(session, name)) == ()
    types = ["application/spdx+json", "application/example"]
    attached = [open_registry.push("signed", None, kind) | {"artifactType": kind} for kind in types]
    tag = digest.replace(":", "-")
    open_registry.put("signed", tag, {"mediaType": INDEX_TYPES[0], "manifests": attached})
    assert [found.digest for found in run(distribution.referrers(session, name))] == [
        entry["digest"] for entry in attached
    ]
    assert [found.artifact_type for found in run(distribution.referrers(session, name, types[0]))] == [types[0]]


def test_basic_authentication(locked_registry: LocalRegistry) -> None:
    pushed = locked_registry.push("private", "v1")["digest"]
    session = session_of(locked_registry, Basic("owner", "opensesame"))
    for _ in range(2):
        assert run(distribution.head(session, reference(locked_registry, "private:v1"))).digest == pushed


@pytest.mark.parametrize(
    ("credential", "why"),
    [
        (None, "private or does not exist"),
        (Basic("owner", "wrong-password"), "does not accept the login"),
        (Bearer("wrong-password"), "does not accept the login"),
    ],
)
def test_a_refused_login_says_why_but_not_what(
    locked_registry: LocalRegistry, credential: Credential | None, why: str
) -> None:
    session = session_of(locked_registry, credential)
    with pytest.raises(Unauthenticated, match=why) as caught:
        run(distribution.head(session, reference(locked_registry, "private:v1")))
    assert "wrong-password" not in repr(caught.value) + repr(credential)


def test_the_asynchronous_driver_gives_the_same(open_registry: LocalRegistry) -> None:
    pushed = open_registry.push("async", "v1")["digest"]
    session = session_of(open_registry)

    async def heads() -> list[str]:
        async with httpx.AsyncClient(trust_env=False) as http:
            names = [reference(open_registry, "async:v1")] * 4
            found = await asyncio.gather(*(perform_async(http, distribution.head(session, name)) for name in names))
            return [head.digest for head in found]

    assert asyncio.run(heads()) == [pushed] * 4


def test_a_registry_that_is_not_there() -> None:
    session = Session(guard=allow_all, plain_http=frozenset({"127.0.0.1:1"}))
    with pytest.raises(Unavailable, match=r"registry '127\.0\.0\.1:1': 127\.0\.0\.1 does not answer"):
        run(distribution.head(session, Reference.parse("127.0.0.1:1/x")))
