"""Images of registries become root file systems, within limits, once, and only as their digests say."""

import contextlib
import gzip
import hashlib
import io
import json
import os
import stat
import tarfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, override

import httpx
import pytest

from devstack.container_groups.errors import BadRequest
from devstack.container_groups.pulling import Bounds, Puller, PullFailed, credentials_of
from shared.images.credentials import Basic, Bearer

HOST = "reg.test:5000"
NAME = f"{HOST}/team/builder:1"
USUAL = Bounds()


def layer(**files: str) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, text in files.items():
            entry = tarfile.TarInfo(name.replace("__", "/"))
            entry.size, entry.mode = len(text), 0o755
            tar.addfile(entry, io.BytesIO(text.encode()))
    return out.getvalue()


def digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


class Registry(Puller):
    """A puller whose registry is in memory."""

    def __init__(self, folder: Path, *layers: bytes, bounds: Bounds = USUAL, **start: Any) -> None:
        super().__init__([HOST], folder, bounds=bounds)
        self.asked: Counter[str] = Counter()
        self.blobs: dict[str, bytes] = {}
        self.content = {"rootfs": {"diff_ids": [digest(one) for one in layers]}, "config": start}
        self.layers = [self.keep(gzip.compress(one)) for one in layers]

    def keep(self, data: bytes) -> dict[str, object]:
        self.blobs[digest(data)] = data
        return {"digest": digest(data), "size": len(data), "mediaType": "x"}

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.asked[request.url.path] += 1
        if request.headers.get("authorization", "").startswith("Basic"):
            self.asked["login"] += 1
        kind = "application/vnd.oci.image.manifest.v1+json"
        if request.url.path.startswith("/v2/team/builder/manifests/"):
            manifest = {"config": self.keep(json.dumps(self.content).encode()), "layers": self.layers}
            body = json.dumps(manifest).encode()
            return httpx.Response(
                200,
                content=body,
                headers={"content-type": kind, "docker-content-digest": digest(body), "content-length": str(len(body))},
            )
        found = self.blobs.get(request.url.path.rpartition("/")[2])
        return httpx.Response(200, content=found) if found is not None else httpx.Response(404)

    @override
    @contextlib.contextmanager
    def _client(self) -> Iterator[httpx.Client]:
        with httpx.Client(transport=httpx.MockTransport(self.answer)) as client:
            yield client


LAYERS = (layer(bin__start="one", etc__gone="x"), layer(**{"etc__.wh.gone": "", "bin__start": "two"}))


def test_layers_lie_over_each_other_and_the_image_says_how_it_starts(tmp_path: Path) -> None:
    registry = Registry(tmp_path, *LAYERS, Entrypoint=["/bin/start"], Cmd=["x"], Env=["A=b", "broken"])
    found = registry.look(NAME, {})
    upper, lower = found.image.lower
    assert not upper.exists()
    registry.fetch(found)
    assert [(folder / "bin" / "start").read_text() for folder in (upper, lower)] == ["two", "one"]
    whiteout = (upper / "etc" / "gone").lstat()
    assert (stat.S_ISCHR(whiteout.st_mode), whiteout.st_rdev) == (True, 0)
    assert (lower / "etc" / "gone").read_text() == "x"
    assert (found.image.command, found.image.env) == (("/bin/start", "x"), ("A=b",))


@pytest.mark.skipif(os.geteuid() != 0, reason="attributes of overlayfs are root's")
def test_a_directory_can_hide_all_below_it(tmp_path: Path) -> None:
    registry = Registry(tmp_path, layer(**{"a__.wh..wh..opq": "", "a__new": "n"}))
    found = registry.look(NAME, {})
    registry.fetch(found)
    assert os.getxattr(found.image.lower[0] / "a", "trusted.overlay.opaque") == b"y"
    assert [path.name for path in (found.image.lower[0] / "a").iterdir()] == ["new"]


@pytest.mark.parametrize("name", ["link/.wh.hosts", "../.wh.hosts", "/link/.wh.hosts"])
def test_no_whiteout_leads_out_of_its_layer(tmp_path: Path, name: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, str(outside)
        tar.addfile(link)
        tar.addfile(tarfile.TarInfo(name))
    registry = Registry(tmp_path / "pulled", out.getvalue())
    with pytest.raises(PullFailed, match="ValueError"):
        registry.fetch(registry.look(NAME, {}))
    assert list(outside.iterdir()) == []


def test_an_image_is_fetched_once_whoever_asks(tmp_path: Path) -> None:
    registry = Registry(tmp_path, *LAYERS)
    found = [registry.look(NAME, {}) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(registry.fetch, found))
    fetched = [times for path, times in registry.asked.items() if str(registry.layers[0]["digest"]) in path]
    assert fetched == [1]


@pytest.mark.parametrize(
    ("bounds", "spoil"),
    [
        (Bounds(unpacked=1000), False),
        (Bounds(files=1), False),
        (Bounds(), True),
    ],
)
def test_what_is_too_large_or_something_else_leaves_nothing(tmp_path: Path, bounds: Bounds, *, spoil: bool) -> None:
    registry = Registry(tmp_path, *LAYERS, bounds=bounds)
    if spoil:
        registry.content["rootfs"]["diff_ids"][1] = digest(b"other")
    found = registry.look(NAME, {})
    with pytest.raises(PullFailed, match=r"Failed to pull image 'reg\.test:5000/team/builder@?.*': ValueError\."):
        registry.fetch(found)
    assert list(tmp_path.iterdir()) == []


def test_a_layer_that_is_gone_is_a_sentence(tmp_path: Path) -> None:
    registry = Registry(tmp_path, *LAYERS)
    found = registry.look(NAME, {})
    registry.blobs.clear()
    with pytest.raises(PullFailed, match="NotFound"):
        registry.fetch(found)


@pytest.mark.parametrize(
    ("start", "bounds", "why"),
    [
        ({"User": "1000"}, Bounds(), "another user"),
        ({"WorkingDir": "/src"}, Bounds(), "elsewhere"),
        ({}, Bounds(sent=10), "too large"),
        ({"Env": "no list"}, Bounds(), "ValidationError"),
    ],
)
def test_what_cannot_run_here_is_refused_when_it_is_asked_for(
    tmp_path: Path, start: dict[str, Any], bounds: Bounds, why: str
) -> None:
    with pytest.raises(BadRequest, match=why) as refused:
        Registry(tmp_path, *LAYERS, bounds=bounds, **start).look(NAME, {})
    assert refused.value.code == "InaccessibleImage"


@pytest.mark.parametrize("name", [f"{HOST}/nobody:1", f"{HOST}/Team:1", f"{HOST}/"])
def test_an_image_that_is_not_there_is_not_accessible(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadRequest, match="is not accessible"):
        Registry(tmp_path, *LAYERS).look(name, {})


def test_only_registries_of_the_configuration_are_asked(tmp_path: Path) -> None:
    puller = Registry(tmp_path)
    assert puller.serves(NAME)
    assert not puller.serves("reg.test/team/builder:1")
    assert not puller.serves("builder:1")


def test_a_group_brings_its_logins() -> None:
    told = [
        {"server": "a", "username": "u", "password": "p"},
        {"server": "b", "username": "00000000-0000-0000-0000-000000000000", "password": "t"},
        {"server": "c", "identity": "/id"},
    ]
    assert credentials_of({"imageRegistryCredentials": told}) == {"a": Basic("u", "p"), "b": Bearer("t")}
    assert credentials_of({}) == {}
