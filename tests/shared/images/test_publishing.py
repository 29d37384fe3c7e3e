"""What is attached to an image is found again, on a real registry that knows no lists of its own."""

import hashlib
import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import httpx
import pytest

from shared.errors import InvalidRequest, NotFound, Unavailable
from shared.images import distribution
from shared.images.client import perform
from shared.images.exchange import Exchange, Response, Upload
from shared.images.publishing import Artifact, Blob, attach, put_blob, put_file
from shared.images.references import Reference
from shared.images.session import Session, allow_all
from tests.shared.images.local_registry import LocalRegistry

TYPE = "application/vnd.example.statement"
ARTIFACT = Artifact(TYPE, Blob("application/vnd.oci.empty.v1+json", b"{}"), (Blob("application/json", b'"said"'),))


@cache
def http() -> httpx.Client:
    return httpx.Client(trust_env=False, limits=httpx.Limits(max_keepalive_connections=0))


def run[T](operation: Exchange[T]) -> T:
    return perform(http(), operation)


def session_of(registry: LocalRegistry) -> Session:
    return Session(guard=allow_all, plain_http=frozenset({registry.name}))


def image(registry: LocalRegistry, repository: str) -> Reference:
    pushed = registry.push(repository, "v1", repository)
    return Reference.parse(f"{registry.name}/{repository}:v1").with_digest(pushed["digest"])


def test_an_artifact_is_found_with_its_layers(open_registry: LocalRegistry) -> None:
    name, session = image(open_registry, "attach/one"), session_of(open_registry)

    digest = run(attach(session, name, ARTIFACT))

    (found,) = run(distribution.referrers(session, name, TYPE))
    manifest = run(distribution.get(session, name.with_digest(digest)))
    assert found.digest == digest
    assert json.loads(manifest.body)["subject"]["digest"] == name.digest
    assert run(distribution.blob(session, name, manifest.layers[0].digest, 100)) == b'"said"'


def test_attaching_twice_is_attaching_once_and_another_one_comes_beside_it(open_registry: LocalRegistry) -> None:
    name, session = image(open_registry, "attach/twice"), session_of(open_registry)
    other = Artifact(TYPE, ARTIFACT.config, (Blob("application/json", b'"more"'),))

    digests = [run(attach(session, name, each)) for each in (ARTIFACT, ARTIFACT, other)]

    assert [entry.digest for entry in run(distribution.referrers(session, name))] == [digests[0], digests[2]]


def test_a_tag_may_be_put_on_what_is_attached(open_registry: LocalRegistry) -> None:
    name, session = image(open_registry, "attach/tagged"), session_of(open_registry)

    digest = run(attach(session, name, ARTIFACT, tag="said"))

    assert run(distribution.head(session, Reference(name.registry, name.repository, "said"))).digest == digest


def test_nothing_is_attached_to_what_is_not_there(open_registry: LocalRegistry) -> None:
    absent = Reference.parse(f"{open_registry.name}/attach/absent").with_digest(f"sha256:{'0' * 64}")
    with pytest.raises(NotFound):
        run(attach(session_of(open_registry), absent, ARTIFACT))


def test_nothing_is_attached_to_a_tag_alone(open_registry: LocalRegistry) -> None:
    with pytest.raises(InvalidRequest, match="belongs to a digest"):
        run(attach(session_of(open_registry), Reference.parse(f"{open_registry.name}/attach/tag:v1"), ARTIFACT))


def test_a_file_is_put_once_and_only_under_its_own_digest(open_registry: LocalRegistry, tmp_path: Path) -> None:
    name, session, path = image(open_registry, "attach/file"), session_of(open_registry), tmp_path / "blob"
    path.write_bytes(b"x" * 3_000_000)
    digest = f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"
    upload = Upload(path, 3_000_000, digest)

    assert [run(put_file(session, name, upload)) for _ in range(2)] == [True, False]
    assert run(distribution.blob(session, name, digest, 4_000_000)) == path.read_bytes()
    with pytest.raises(InvalidRequest):
        run(put_file(session, name, replace(upload, digest="sha256:" + "0" * 64)))


def test_a_list_that_is_none_is_not_overwritten(open_registry: LocalRegistry) -> None:
    name, session = image(open_registry, "attach/spoilt"), session_of(open_registry)
    tag = str(name.digest).replace(":", "-")
    open_registry.push(name.repository, tag, "an image under the list's tag")
    with pytest.raises(Unavailable, match="cannot be read"):
        run(attach(session, name, ARTIFACT))


@pytest.mark.parametrize("location", ["https://elsewhere.example/upload", "http://registry.example/upload"])
def test_an_upload_never_leaves_the_registry(location: str) -> None:
    """The login goes along with the bytes."""
    operation = put_blob(Session(guard=allow_all), Reference.parse("registry.example/image:v1"), ARTIFACT.config)
    assert next(operation).method == "HEAD"
    assert operation.send(Response(404)).method == "POST"
    with pytest.raises(Unavailable, match="another host"):
        operation.send(Response(202, {"location": location}))
