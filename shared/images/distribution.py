"""What can be asked of a registry (the OCI distribution API), as operations without a network.

    session = Session(credentials, guard=guard)
    head = perform(http, distribution.head(session, Reference.parse("busybox:1.35")))

Each operation raises the errors of `exchange.failure` besides its own; all name the image and the registry.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Final
from urllib.parse import urlencode, urlsplit

from pydantic import BaseModel, Field, ValidationError

from shared.errors import InvalidRequest, LanguageError, NotFound, Unavailable
from shared.grant import Platform
from shared.images.exchange import Exchange, Request, Response, Sink, join_url
from shared.images.manifests import ACCEPTED, INDEX_TYPES, Descriptor, Head, Manifest
from shared.images.places import expect, repository_url, scope, subject
from shared.images.platforms import normalise
from shared.images.references import Reference, check_digest
from shared.images.session import Session

MANIFEST_LIMIT: Final = 4 * 1024**2
"""Bytes: what every registry must take for a manifest, and none should exceed (OCI distribution)."""

_PAGE: Final = 1000
_MAX_PAGES: Final = 100
_NEXT: Final = re.compile(r'<([^>]*)>\s*;[^,]*\brel="?next"?')


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a reference stands for now: the digest of the tag, and of the image in it for one platform."""

    reference: Reference
    digest: str
    platform_digest: str


class _Tags(BaseModel):
    tags: tuple[str, ...] | None = None


class _Config(BaseModel):
    os: str = Field(min_length=1)
    architecture: str = Field(min_length=1)
    variant: str | None = None


def head(session: Session, reference: Reference) -> Exchange[Head]:
    """Return what the reference stands for now.

    One HEAD, which Docker Hub does not count as a pull; a registry that does not tell the digest costs a GET.
    """
    response = yield from _manifest(session, "HEAD", reference)
    return (yield from _read_head(session, reference, response))


def head_if_changed(session: Session, reference: Reference, known: str) -> Exchange[Head | None]:
    """Return what the reference stands for now, None if that still is the digest `known`."""
    response = yield from _manifest(session, "HEAD", reference, {"if-none-match": f'"{known}"'})
    if response.status == HTTPStatus.NOT_MODIFIED:
        return None
    found = yield from _read_head(session, reference, response)
    return None if found.digest == known else found


def get(session: Session, reference: Reference) -> Exchange[Manifest]:
    """Return the manifest or index, at most 4 MiB, its bytes checked against the digest."""
    response = yield from _manifest(session, "GET", reference)
    expect(response, reference)
    digest = reference.digest or response.headers.get("docker-content-digest")
    if digest:
        _checked(digest, reference)
    return Manifest.read(response.body, _media_type(response), digest, of=subject(reference))


def resolve(session: Session, reference: Reference, platform: Platform) -> Exchange[Resolved]:
    """Return the digest that the reference has now, and that of its image for the platform.

    Raises `NotFound` for an index without an image for the platform; an image that is not in an index is taken
    as it is.
    """
    found = yield from head(session, reference)
    if not found.is_index:
        return Resolved(reference, found.digest, found.digest)
    index = yield from get(session, reference.with_digest(found.digest))
    entry = index.for_platform(platform)
    if entry is None:
        offered = ", ".join(sorted({str(entry.platform) for entry in index.entries if entry.platform}))
        raise NotFound(f"{subject(reference)} has no image for {platform}; it has {offered or 'none at all'}.")
    return Resolved(reference, found.digest, _checked(entry.digest, reference))


def platform_of(session: Session, reference: Reference) -> Exchange[Platform | None]:
    """Return what a single image says it is for; None for an index, and where nothing is said."""
    manifest = yield from get(session, reference)
    if manifest.is_index or manifest.config is None:
        return None
    digest = _checked(manifest.config.digest, reference)
    try:
        said = _Config.model_validate_json((yield from blob(session, reference, digest, MANIFEST_LIMIT)))
    except ValidationError:
        return None
    return normalise(said.os, said.architecture, said.variant)


def tags(session: Session, reference: Reference) -> Exchange[tuple[str, ...]]:
    """Return all tags of the reference's repository, at most 100,000."""
    found: list[str] = []
    url: str | None = f"{repository_url(session, reference)}/tags/list?n={_PAGE}"
    for _ in range(_MAX_PAGES):
        if url is None:
            return tuple(found)
        response = yield from _read(session, Request("GET", url, subject(reference)), reference)
        expect(response, reference)
        try:
            found += _Tags.model_validate_json(response.body).tags or ()
        except ValidationError:
            raise Unavailable(f"{subject(reference)}: the registry's list of tags cannot be read.") from None
        url = _next(response, url, reference)
    raise Unavailable(f"{subject(reference)}: the registry lists more than {_PAGE * _MAX_PAGES} tags.")


def blob(session: Session, reference: Reference, digest: str, limit: int) -> Exchange[bytes]:
    """Return a blob of at most `limit` bytes of the reference's repository, checked against its digest."""
    check_digest(digest, of=digest)
    url = f"{repository_url(session, reference)}/blobs/{digest}"
    response = yield from _read(session, Request("GET", url, subject(reference), limit=limit), reference)
    expect(response, reference)
    algorithm, _, encoded = digest.partition(":")
    if hashlib.new(algorithm, response.body).hexdigest() != encoded:
        raise Unavailable(f"{subject(reference)}: the blob {digest} is not what its digest says.")
    return response.body


def has_blob(session: Session, reference: Reference, digest: str) -> Exchange[bool]:
    """Tell whether the reference's repository has a blob."""
    check_digest(digest, of=digest)
    url = f"{repository_url(session, reference)}/blobs/{digest}"
    response = yield from _read(session, Request("HEAD", url, subject(reference)), reference)
    return response.status == HTTPStatus.OK


def delete(session: Session, reference: Reference) -> Exchange[None]:
    """Delete the manifest of the reference's digest, and with it every tag that points there."""
    if reference.digest is None:
        raise InvalidRequest(f"{subject(reference)}: deleting needs a digest, since a tag may have moved.")
    response = yield from _manifest(session, "DELETE", reference)
    expect(response, reference, HTTPStatus.ACCEPTED)


def fetch(session: Session, reference: Reference, digest: str, into: Sink) -> Exchange[int]:
    """Hand a blob to a sink and return its size; only the return says that the bytes are what the digest says."""
    check_digest(digest, of=digest)
    algorithm, _, encoded = digest.partition(":")
    seen, size = hashlib.new(algorithm), 0

    def take(piece: bytes) -> None:
        nonlocal size
        seen.update(piece)
        size += len(piece)
        into.write(piece)

    url = f"{repository_url(session, reference)}/blobs/{digest}"
    request = Request("GET", url, subject(reference), sink=replace(into, write=take))
    expect((yield from _read(session, request, reference)), reference)
    if seen.hexdigest() != encoded:
        raise Unavailable(f"{subject(reference)}: the blob {digest} is not what its digest says.")
    return size


def referrers(
    session: Session, reference: Reference, artifact_type: str | None = None
) -> Exchange[tuple[Descriptor, ...]]:
    """Return what is attached to the reference's digest (signatures, SBOMs), of one type or of all.

    A registry without that API keeps the list under the tag `sha256-<digest>` (OCI distribution's fallback).
    """
    if reference.digest is None:
        raise InvalidRequest(f"{subject(reference)}: referrers belong to a digest.")
    query = "?" + urlencode({"artifactType": artifact_type}) if artifact_type else ""
    url = f"{repository_url(session, reference)}/referrers/{reference.digest}{query}"
    request = Request("GET", url, subject(reference), {"accept": INDEX_TYPES[0]}, limit=MANIFEST_LIMIT)
    response = yield from _read(session, request, reference)
    if response.status == HTTPStatus.NOT_FOUND:
        tag = reference.digest.replace(":", "-")
        fallback = Reference(reference.registry, reference.repository, tag)
        response = yield from _manifest(session, "GET", fallback)
        if response.status == HTTPStatus.NOT_FOUND:
            return ()
    expect(response, reference)
    index = Manifest.read(response.body, _media_type(response), None, of=subject(reference))
    return tuple(entry for entry in index.entries if artifact_type in (None, entry.artifact_type))


def _manifest(
    session: Session, method: str, reference: Reference, headers: Mapping[str, str] | None = None
) -> Exchange[Response]:
    url = f"{repository_url(session, reference)}/manifests/{reference.target}"
    wanted = {"accept": ACCEPTED, **(headers or {})}
    request = Request(method, url, subject(reference), wanted, limit=MANIFEST_LIMIT)
    action = "delete" if method == "DELETE" else "pull"
    return (yield from session.ask(request, registry=reference.registry, scope=scope(reference, action)))


def _read(session: Session, request: Request, reference: Reference) -> Exchange[Response]:
    return (yield from session.ask(request, registry=reference.registry, scope=scope(reference, "pull")))


def _read_head(session: Session, reference: Reference, response: Response) -> Exchange[Head]:
    expect(response, reference)
    digest = response.headers.get("docker-content-digest")
    if not digest:
        manifest = yield from get(session, reference)
        return Head(manifest.digest, manifest.media_type, len(manifest.body))
    length = response.headers.get("content-length", "")
    return Head(_checked(digest, reference), _media_type(response), int(length[:18]) if length.isdecimal() else 0)


def _checked(digest: str, reference: Reference) -> str:
    try:
        check_digest(digest, of=digest)
    except LanguageError:
        raise Unavailable(f"{subject(reference)}: the registry names a digest that is none.") from None
    return digest


def _media_type(response: Response) -> str:
    return response.headers.get("content-type", "").partition(";")[0].strip()


def _next(response: Response, url: str, reference: Reference) -> str | None:
    """Return the address of the next page, which must be on the same registry."""
    found = _NEXT.search(response.headers.get("link", ""))
    if found is None:
        return None
    following = join_url(url, str(found[1]), subject(reference))
    if urlsplit(following)[:2] != urlsplit(url)[:2]:
        raise Unavailable(f"{subject(reference)}: the registry's list of tags goes on at another host.")
    return following
