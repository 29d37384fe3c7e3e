import gzip
import hashlib
import io
import json
import os
import tarfile
from pathlib import Path

import pytest

from devstack.seeds import oci_layout
from devstack.seeds.oci_layout import ImageConfig
from devstack.seeds.recipes import SEEDS

CONFIG = ImageConfig(("sh",), {"PATH": "/bin"})


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = tmp_path / "root"
    (made / "bin").mkdir(parents=True)
    (made / "bin" / "tool").write_text("#!/bin/sh\n")
    (made / "bin" / "tool").chmod(0o755)
    (made / "bin" / "link").symlink_to("/bin/tool")
    (made / "bin" / "same").hardlink_to(made / "bin" / "tool")
    return made


def _blob(layout: Path, digest: object) -> bytes:
    content = (layout / "blobs" / "sha256" / str(digest).removeprefix("sha256:")).read_bytes()
    assert f"sha256:{hashlib.sha256(content).hexdigest()}" == digest
    return content


def test_every_reference_of_the_layout_holds(tmp_path: Path, root: Path) -> None:
    layout = tmp_path / "image"
    digest = oci_layout.write(root, CONFIG, layout)

    manifest = json.loads(_blob(layout, digest))
    config = json.loads(_blob(layout, manifest["config"]["digest"]))
    layer = _blob(layout, manifest["layers"][0]["digest"])

    assert json.loads((layout / "index.json").read_text())["manifests"][0]["digest"] == digest
    assert manifest["layers"][0]["size"] == len(layer)
    plain = gzip.decompress(layer)
    assert config["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(plain).hexdigest()}"]
    assert config["config"]["Cmd"] == ["sh"]


def test_files_keep_modes_and_links(tmp_path: Path, root: Path) -> None:
    layout = tmp_path / "image"
    manifest = json.loads(_blob(layout, oci_layout.write(root, CONFIG, layout)))
    with tarfile.open(fileobj=io.BytesIO(_blob(layout, manifest["layers"][0]["digest"])), mode="r:gz") as archive:
        entries = {entry.name.removeprefix("./"): entry for entry in archive}

    assert entries["bin/link"].linkname == "/bin/tool"
    assert {entries["bin/same"].islnk(), entries["bin/tool"].islnk()} == {True, False}
    assert entries["bin/tool"].mode == 0o755


def test_the_same_files_give_the_same_digest_whenever_they_are_packed(tmp_path: Path, root: Path) -> None:
    first = oci_layout.write(root, CONFIG, tmp_path / "one")
    for path in root.rglob("*"):
        os.utime(path, (1, 1), follow_symlinks=False)

    assert oci_layout.write(root, CONFIG, tmp_path / "two") == first


def test_every_seed_lies_under_base_with_a_tag_and_a_cache_key_of_its_own() -> None:
    assert all(seed.repository.startswith("base/") and seed.tags for seed in SEEDS.values())
    assert len({seed.key for seed in SEEDS.values()}) == len(SEEDS)
