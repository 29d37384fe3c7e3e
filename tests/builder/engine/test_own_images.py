"""A build that stands on images of its own run gets them from a registry that is there for it alone."""

import hashlib
from pathlib import Path

import httpx
import pytest

from builder.engine.own_images import served
from builder.engine.protocol import ImageBuild
from builder.oci.layout import Layout, read_layout
from devstack.seeds import oci_layout
from devstack.seeds.oci_layout import ImageConfig
from shared.errors import LanguageError
from shared.grant import NamedValue
from shared.images.references import Reference

BASE = Reference.parse("own/base:1")
TEXT = "ARG B=own/base:1\nFROM $B AS one\nFROM busybox:1\nCOPY --from=own/base:1 /a /b\nCOPY --from=one /a /c\n"


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "a").write_text("x" * 5000)
    oci_layout.write(tmp_path / "root", ImageConfig(("x",)), tmp_path / "layout")
    return read_layout(tmp_path / "layout")


def test_its_names_lead_to_the_image_and_only_while_it_lasts(layout: Layout) -> None:
    with served(ImageBuild(Path(), TEXT), {BASE: layout}) as text:
        lines = text.splitlines()
        name = lines[3].removeprefix("COPY --from=").partition(" ")[0]
        assert lines[1] == f"FROM {name} AS one"
        assert [lines[0], lines[2], lines[4]] == [TEXT.splitlines()[index] for index in (0, 2, 4)]
        place, _, digest = name.partition("@")
        assert digest == layout.manifest.digest
        address = f"http://{place.removesuffix('/own')}/v2"
        with httpx.Client(trust_env=False) as client:
            assert client.get(f"{address}/").status_code == 200
            answer = client.get(f"{address}/own/manifests/{digest}")
            assert answer.content == layout.manifest.body
            assert answer.headers["content-type"] == layout.manifest.media_type
            assert answer.headers["docker-content-digest"] == digest
            for blob in layout.blobs:
                asked = f"{address}/own/blobs/{blob.digest}"
                assert client.head(asked).headers["content-length"] == str(blob.size)
                assert hashlib.sha256(client.get(asked).content).hexdigest() == blob.digest.removeprefix("sha256:")
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{address}/", trust_env=False)


@pytest.mark.parametrize(
    "path", ["own/manifests/1", "other/blobs/{}", "own/blobs/../../index.json", "own/blobs/sha256:" + "0" * 64, "own"]
)
def test_it_has_nothing_else(layout: Layout, path: str) -> None:
    with served(ImageBuild(Path(), "FROM own/base:1\n"), {BASE: layout}) as text:
        address = text.removeprefix("FROM ").partition("/")[0]
        answer = httpx.get(f"http://{address}/v2/{path.format(layout.manifest.digest)}", trust_env=False)
        assert answer.status_code == 404
        assert httpx.put(f"http://{address}/v2/own/manifests/1", trust_env=False).status_code == 501


@pytest.mark.parametrize("text", ["FROM busybox\n", "FROM own/base:2\n", "FROM scratch\n"])
def test_a_build_without_such_bases_stays_as_it_is(layout: Layout, text: str) -> None:
    with served(ImageBuild(Path(), text), {BASE: layout}) as same:
        assert same == text


def test_arguments_count(layout: Layout) -> None:
    build = ImageBuild(Path(), TEXT, arguments=(NamedValue(name="B", value="alpine"),), target="one")
    with served(build, {BASE: layout}) as same:
        assert same == TEXT


def test_a_dockerfile_that_cannot_be_read() -> None:
    with pytest.raises(LanguageError), served(ImageBuild(Path(), "NONSENSE\n"), {}):
        pass
