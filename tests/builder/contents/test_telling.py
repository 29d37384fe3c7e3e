"""Telling what images hold: found by digest, told once of each, and never a reason to fail."""

import asyncio
import hashlib
import io
import json
import tarfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from builder.contents.telling import promises, tell_contents
from builder.faults import Fenced
from shared.errors import SlipwayError
from shared.grant import Contents, Grant, Image, Outcome, Report, RunVariables, Source, Work

if TYPE_CHECKING:
    from builder.control import RunLink

REGISTRY = "reg.example"
GRANT = Grant(
    run_id="ca1",
    group="g",
    epoch=1,
    run_token="t",
    work=Work(),
    source=Source(),
    variables=RunVariables(id="ca1", registry=REGISTRY, registry_name="reg", date="x"),
    timeout_seconds=60,
    log_url="",
    result_url="",
    wants_contents=True,
)


@dataclass
class Store:
    """An engine's blobs, and the app that is told of them."""

    folder: Path
    told: list[Contents] = field(default_factory=list)
    refusal: SlipwayError | None = None

    def put(self, content: bytes) -> dict[str, object]:
        digest = hashlib.sha256(content).hexdigest()
        (self.folder / digest).write_bytes(content)
        return {"digest": f"sha256:{digest}", "size": len(content), "mediaType": "application/octet-stream"}

    def image(self, *packages: str, more: dict[str, bytes] | None = None) -> dict[str, object]:
        buffer = io.BytesIO()
        body = "".join(f"Package: {name}\nVersion: 1\n\n" for name in packages).encode()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            for path, content in (more or {}).items():
                other = tarfile.TarInfo(path)
                other.size = len(content)
                tar.addfile(other, io.BytesIO(content))
            entry = tarfile.TarInfo("var/lib/dpkg/status")
            entry.size = len(body)
            tar.addfile(entry, io.BytesIO(body))
        kind = "application/vnd.oci.image.manifest.v1+json"
        manifest = {"mediaType": kind, "layers": [self.put(buffer.getvalue())]}
        return self.put(json.dumps(manifest).encode()) | {"mediaType": kind}

    def index(self, *images: dict[str, object]) -> dict[str, object]:
        kind = "application/vnd.oci.image.index.v1+json"
        entries = [one | {"platform": {"os": "linux", "architecture": f"a{n}"}} for n, one in enumerate(images)]
        return self.put(json.dumps({"mediaType": kind, "manifests": entries}).encode())

    def blob(self, digest: str) -> Path | None:
        file = self.folder / digest.partition(":")[2]
        return file if file.exists() else None

    async def contents(self, told: Contents) -> None:
        if self.refusal:
            raise self.refusal
        self.told.append(told)

    def tell(self, *images: Image) -> None:
        report = Report(run_id="ca1", epoch=1, outcome=Outcome.SUCCEEDED, images=images)
        asyncio.run(tell_contents(self.blob, cast("RunLink", self), GRANT, report))

    def names(self) -> list[list[str]]:
        return [[package.name for package in told.packages] for told in self.told]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def image(blob: dict[str, object], tag: str = "1", registry: str = REGISTRY) -> Image:
    return Image(registry=registry, repository="app", tag=tag, digest=str(blob["digest"]))


def test_each_digest_is_told_once_and_foreign_registries_not_at_all(store: Store) -> None:
    made = store.image("a", "b")
    store.tell(image(made), image(made, "2"), image(store.image("c"), registry="elsewhere.example"))
    assert store.names() == [["a", "b"]]
    assert store.told[0].digest == made["digest"]


def test_an_index_holds_what_its_images_hold(store: Store) -> None:
    store.tell(image(store.index(store.image("a", "b"), store.image("b", "c"))))
    assert store.names() == [["a", "b", "c"]]


def test_a_layer_that_is_not_at_hand_is_said(store: Store) -> None:
    manifest = {"layers": [{"digest": f"sha256:{'0' * 64}"}], "mediaType": "application/vnd.oci.image.manifest.v1+json"}
    store.tell(image(store.put(json.dumps(manifest).encode())))
    assert [told.lacks for told in store.told] == ["layer 1 was not at hand"]


@pytest.mark.parametrize("content", [b"", b"rubbish", b'{"layers": [{"digest": "../../etc/passwd"}]}'])
def test_what_is_no_manifest_is_a_line_in_the_builders_log(
    store: Store, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    store.tell(image(store.put(content)))
    assert [told.packages for told in store.told] in ([], [()])
    assert caplog.text or store.told[0].lacks


def test_a_manifest_that_was_changed_is_not_read(store: Store) -> None:
    made = store.image("a")
    (store.folder / str(made["digest"]).partition(":")[2]).write_bytes(b'{"layers": []}')
    store.tell(image(made))
    assert store.told == []


def test_that_the_app_waits_no_longer_ends_it(store: Store) -> None:
    store.refusal = Fenced("the run has ended")
    store.tell(image(store.image("a")))
    assert store.told == []


def test_only_runs_that_pushed_into_their_own_registry_promise_it() -> None:
    own, foreign = (Image(registry=name, repository="a", digest="sha256:0") for name in (REGISTRY, "elsewhere"))
    assert promises(GRANT, (foreign, own))
    assert not promises(GRANT, (foreign,))
    assert not promises(GRANT.model_copy(update={"wants_contents": False}), (own,))


@pytest.mark.parametrize(
    "more",
    [
        {"node_modules/a\n\x1b[2J/package.json": b" " * (1024**2 + 1)},
        {"node_modules/a/package.json": b'{"name": "\\ud800", "version": "\\u0000"}'},
        {"etc/os-release": b"ID=\xff\xfe\nVERSION_ID=\x00\n"},
        {"a.egg-info": b"Name: \xed\xa0\x80\nVersion: \x85\n\n"},
    ],
    ids=["name", "json", "release", "text"],
)
def test_rubbish_in_a_layer_hides_nothing_else_and_ends_no_builder(store: Store, more: dict[str, bytes]) -> None:
    store.tell(image(store.image("a", more=more)))
    assert "a" in [package.name for told in store.told for package in told.packages]


def test_a_fault_that_nobody_foresaw_ends_no_builder(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def look(*_: object) -> None:
        raise KeyError("none")

    monkeypatch.setattr("builder.contents.telling._look", look)
    store.tell(image(store.image("a")))
    assert store.told == []
