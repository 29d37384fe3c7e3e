"""What can be put into a registry (the OCI distribution API), as operations without a network.

An artifact is attached to an image by the `subject` of its manifest. A registry that keeps lists of what is attached
says so in its answer; for any other one the list lies under the tag `sha256-<digest>`, and whoever attaches keeps it
(OCI distribution 1.1, "referrers tag schema").
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from shared.errors import InvalidRequest, Unavailable
from shared.images import distribution
from shared.images.exchange import Exchange, Request, Response, Upload, join_url
from shared.images.manifests import ACCEPTED, INDEX_TYPES, MANIFEST_TYPES
from shared.images.places import expect, repository_url, scope, subject
from shared.images.references import Reference
from shared.images.session import Session

_WRITE: Final = "pull,push"
_MOST_ATTACHED: Final = 1000


@dataclass(frozen=True, slots=True)
class Blob:
    """The bytes of one layer, or of a configuration."""

    media_type: str
    content: bytes = field(repr=False)
    annotations: Mapping[str, str] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """Return its SHA-256 digest."""
        return f"sha256:{hashlib.sha256(self.content).hexdigest()}"

    @property
    def descriptor(self) -> dict[str, Any]:
        """Return what stands for it in a manifest."""
        told = {"mediaType": self.media_type, "digest": self.digest, "size": len(self.content)}
        return told | ({"annotations": dict(self.annotations)} if self.annotations else {})


@dataclass(frozen=True, slots=True)
class Artifact:
    """What is attached to an image: layers of any kind, under one type."""

    artifact_type: str
    config: Blob
    layers: tuple[Blob, ...]
    annotations: Mapping[str, str] = field(default_factory=dict)

    def manifest(self, attached_to: Mapping[str, Any]) -> Blob:
        """Return the manifest that attaches it to the image of a descriptor."""
        body = {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPES[0],
            "artifactType": self.artifact_type,
            "config": self.config.descriptor,
            "layers": [layer.descriptor for layer in self.layers],
            "subject": dict(attached_to),
            "annotations": dict(self.annotations),
        }
        return Blob(MANIFEST_TYPES[0], json.dumps(body, sort_keys=True, separators=(",", ":")).encode())


def attach(session: Session, image: Reference, artifact: Artifact, *, tag: str | None = None) -> Exchange[str]:
    """Attach an artifact to the image of the reference's digest, and answer the digest of its manifest.

    Attaching the same once more changes nothing. With `tag` the manifest is put under that tag as well.
    """
    if image.digest is None:
        raise InvalidRequest(f"{subject(image)}: what is attached belongs to a digest.")
    found = yield from distribution.head(session, image)
    attached_to = {"mediaType": found.media_type, "digest": found.digest, "size": found.size}
    for blob in (artifact.config, *artifact.layers):
        yield from put_blob(session, image, blob)
    manifest = artifact.manifest(attached_to)
    answer = yield from put_manifest(session, image, manifest, manifest.digest)
    if "oci-subject" not in answer.headers:
        entry = manifest.descriptor | {
            "artifactType": artifact.artifact_type,
            "annotations": dict(artifact.annotations),
        }
        yield from _list(session, image, entry)
    if tag:
        yield from put_manifest(session, image, manifest, tag)
    return manifest.digest


def put_blob(session: Session, reference: Reference, blob: Blob) -> Exchange[None]:
    """Put a blob into the reference's repository unless it is there."""
    yield from _put(session, reference, blob.digest, Request("PUT", "", subject(reference), content=blob.content))


def put_file(session: Session, reference: Reference, upload: Upload) -> Exchange[bool]:
    """Put a file into the reference's repository as a blob; answer whether it had to be sent."""
    return (yield from _put(session, reference, upload.digest, Request("PUT", "", subject(reference), upload=upload)))


def _put(session: Session, reference: Reference, digest: str, request: Request) -> Exchange[bool]:
    base = repository_url(session, reference)
    there = yield from _ask(session, reference, Request("HEAD", f"{base}/blobs/{digest}", subject(reference)))
    if there.status == HTTPStatus.OK:
        return False
    opened = yield from _ask(session, reference, Request("POST", f"{base}/blobs/uploads/", subject(reference)))
    expect(opened, reference, HTTPStatus.ACCEPTED)
    place = _upload_place(f"{base}/blobs/uploads/", opened, reference)
    url = f"{place}{'&' if '?' in place else '?'}{urlencode({'digest': digest})}"
    headers = {"content-type": "application/octet-stream"}
    done = yield from _ask(session, reference, replace(request, url=url, headers=headers))
    expect(done, reference, HTTPStatus.CREATED)
    return True


def _upload_place(asked: str, opened: Response, reference: Reference) -> str:
    place = join_url(asked, opened.headers.get("location", ""), subject(reference))
    if urlsplit(place)[:2] != urlsplit(asked)[:2]:
        raise Unavailable(f"{subject(reference)}: the registry wants the upload on another host.")
    return place


def put_manifest(session: Session, reference: Reference, manifest: Blob, target: str) -> Exchange[Response]:
    """Put a manifest under a tag or its digest; all that it names must be there."""
    url = f"{repository_url(session, reference)}/manifests/{target}"
    headers = {"content-type": manifest.media_type}
    request = Request("PUT", url, subject(reference), headers, content=manifest.content)
    answer = yield from _ask(session, reference, request)
    expect(answer, reference, HTTPStatus.CREATED)
    return answer


def _list(session: Session, image: Reference, entry: Mapping[str, Any]) -> Exchange[None]:
    """Add an entry to the list under the image's tag, which is read and written by everybody at their own risk."""
    tag = (image.digest or "").replace(":", "-")
    entries = yield from _listed(session, Reference(image.registry, image.repository, tag))
    if any(one.get("digest") == entry["digest"] for one in entries):
        return
    index = {
        "schemaVersion": 2,
        "mediaType": INDEX_TYPES[0],
        "manifests": [*entries[-_MOST_ATTACHED + 1 :], dict(entry)],
    }
    yield from put_manifest(session, image, Blob(INDEX_TYPES[0], json.dumps(index).encode()), tag)


def _listed(session: Session, place: Reference) -> Exchange[list[dict[str, Any]]]:
    url = f"{repository_url(session, place)}/manifests/{place.tag}"
    headers = {"accept": ACCEPTED}
    request = Request("GET", url, subject(place), headers, limit=distribution.MANIFEST_LIMIT)
    answer = yield from _ask(session, place, request)
    if answer.status == HTTPStatus.NOT_FOUND:
        return []
    expect(answer, place)
    try:
        entries = json.loads(answer.body)["manifests"]
    except (ValueError, KeyError, TypeError):
        entries = None
    if not isinstance(entries, list) or not all(isinstance(one, dict) for one in entries):
        raise Unavailable(f"{subject(place)}: the list of what is attached cannot be read.")
    return entries


def _ask(session: Session, reference: Reference, request: Request) -> Exchange[Response]:
    return (yield from session.ask(request, registry=reference.registry, scope=scope(reference, _WRITE)))
