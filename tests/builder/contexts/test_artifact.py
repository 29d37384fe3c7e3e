"""Artifacts of a real registry become contexts, with the run's logins and under the limits of every context."""

import datetime as dt
import gzip
import io
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from builder.faults import ContextRefused
from devstack.tls.authority import TlsFiles, ensure
from shared.grant import Limits, LoginRequest, RegistryLogin
from shared.images.manifests import INDEX_TYPES, MANIFEST_TYPES
from tests.builder.contexts.fetching import Fetch
from tests.shared.images.local_registry import LocalRegistry, running_registry

_USERS = "owner:$2b$04$e120gMMiKQHPGbk/t857L.nfrcfjtp891SZvG151F.6iDA1sghjsG\n"
LOGIN = {"username": "owner", "password": "opensesame"}


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> TlsFiles:
    return ensure(tmp_path_factory.mktemp("tls"), dt.datetime.now(dt.UTC))


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory, tls: TlsFiles) -> Iterator[LocalRegistry]:
    """Share a registry behind TLS that lets nobody in but `owner`."""
    folder = tmp_path_factory.mktemp("registry")
    (folder / "users").write_text(_USERS)
    auth = {"htpasswd": {"realm": "tests", "path": str(folder / "users")}}
    with running_registry(folder / "run", auth, httpx.BasicAuth(**LOGIN), tls) as running:
        yield running


@pytest.fixture
def fetch(registry: LocalRegistry, tls: TlsFiles, tmp_path: Path) -> Fetch:
    logins = (RegistryLogin(registry=registry.name, **LOGIN),)
    return Fetch(tmp_path, tls.authority, (registry.name,), logins=logins)


def tar(**files: str) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as archive:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text.encode()))
    return raw.getvalue()


def layer(registry: LocalRegistry, content: bytes, media_type: str = "", **annotations: str) -> dict[str, Any]:
    names = {"title": "org.opencontainers.image.title", "unpack": "io.deis.oras.content.unpack"}
    descriptor = registry.push_blob("ctx", content)
    descriptor["annotations"] = {names[name]: value for name, value in annotations.items()}
    return descriptor | ({"mediaType": media_type} if media_type else {})


def push(registry: LocalRegistry, tag: str, *layers: dict[str, Any]) -> str:
    registry.push("ctx", tag, layers=list(layers))
    return f"oci://{registry.name}/ctx:{tag}"


FILE_TYPE = "application/vnd.oci.image.layer.v1.tar"  # what ORAS calls any file by default
TAR_TYPE = "application/vnd.oci.image.layer.v1.tar+gzip"


def test_files_as_oras_lays_them_out(registry: LocalRegistry, fetch: Fetch) -> None:
    location = push(
        registry,
        "files",
        layer(registry, b"FROM scratch\n", FILE_TYPE, title="Dockerfile"),
        layer(registry, gzip.compress(tar(**{"src/main.c": "int main;"})), TAR_TYPE, title="src", unpack="true"),
        layer(registry, b"deep", FILE_TYPE, title="a/b/c"),
    )
    assert fetch(location).root == fetch.root
    found = {str(path.relative_to(fetch.root)): path.read_text() for path in fetch.root.rglob("*") if path.is_file()}
    assert found == {"Dockerfile": "FROM scratch\n", "src/main.c": "int main;", "a/b/c": "deep"}
    assert list(fetch.private.iterdir()) == []


def test_tar_layers_without_a_title_are_unpacked_one_over_the_other(registry: LocalRegistry, fetch: Fetch) -> None:
    location = push(
        registry,
        "layers",
        layer(registry, gzip.compress(tar(Dockerfile="old", a="1")), TAR_TYPE),
        layer(registry, tar(Dockerfile="new"), "application/vnd.docker.image.rootfs.diff.tar"),
        layer(registry, b"{}", "application/vnd.example.config.v1+json"),
    )
    fetch(location.replace("oci://", "OCI://"))
    assert (fetch.root / "Dockerfile").read_text() == "new"
    assert sorted(path.name for path in fetch.root.iterdir()) == ["Dockerfile", "a"]


def test_the_own_registry_is_allowed_and_its_login_asked_for(registry: LocalRegistry, fetch: Fetch) -> None:
    fetch.registry, fetch.allowed, fetch.logins = registry.name, (), ()
    fetch(push(registry, "own", layer(registry, b"x", title="f")))
    assert fetch.asked == [LoginRequest(pull=("ctx",))]


def test_another_registry_inside_needs_to_be_allowed(registry: LocalRegistry, fetch: Fetch) -> None:
    fetch.allowed = ()
    with pytest.raises(ContextRefused, match="is not called"):
        fetch(push(registry, "inside", layer(registry, b"x", title="f")))


@pytest.mark.parametrize("logins", [(), (RegistryLogin(registry="other.example", **LOGIN),)])
def test_a_login_belongs_to_exactly_one_registry(
    registry: LocalRegistry, fetch: Fetch, logins: tuple[RegistryLogin, ...]
) -> None:
    fetch.logins = logins
    with pytest.raises(ContextRefused, match=r"does not accept the login|asks for a login"):
        fetch(push(registry, "private", layer(registry, b"x", title="f")))


def test_a_digest_names_the_artifact(registry: LocalRegistry, fetch: Fetch) -> None:
    old = registry.push("ctx", "moved", layers=[layer(registry, b"old", title="f")])
    registry.push("ctx", "moved", layers=[layer(registry, b"new", title="f")])
    fetch(f"oci://{registry.name}/ctx:moved@{old['digest']}")
    assert (fetch.root / "f").read_text() == "old"


def test_an_index_gives_the_image_of_the_platform(registry: LocalRegistry, fetch: Fetch) -> None:
    entries = [
        registry.push("ctx", None, layers=[layer(registry, arch.encode(), title="f")])
        | {"platform": {"os": "linux", "architecture": arch}}
        for arch in ("arm64", "amd64")
    ]
    registry.put("ctx", "index", {"mediaType": INDEX_TYPES[0], "manifests": entries})
    fetch(f"oci://{registry.name}/ctx:index")
    assert (fetch.root / "f").read_text() == "amd64"


def test_an_index_without_the_platform(registry: LocalRegistry, fetch: Fetch) -> None:
    registry.push_index("ctx", "foreign", "linux/s390x")
    with pytest.raises(ContextRefused, match="has nothing for linux/amd64"):
        fetch(f"oci://{registry.name}/ctx:foreign")


@pytest.mark.parametrize("title", ["../evil", "/etc/evil", "a/../../evil", ".", "a\0b"])
def test_a_file_that_leaves_the_context(registry: LocalRegistry, fetch: Fetch, title: str) -> None:
    with pytest.raises(ContextRefused):
        fetch(push(registry, "evil", layer(registry, b"x", title=title)))
    assert not (fetch.folder / "evil").exists()


def test_a_file_through_a_link_of_an_earlier_layer(registry: LocalRegistry, fetch: Fetch, tmp_path: Path) -> None:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as archive:
        info = tarfile.TarInfo("out")
        info.type, info.linkname = tarfile.SYMTYPE, str(tmp_path)
        archive.addfile(info)
    location = push(
        registry, "link", layer(registry, raw.getvalue(), TAR_TYPE), layer(registry, b"x", title="out/evil")
    )
    with pytest.raises(ContextRefused, match="is a link or a file"):
        fetch(location)
    assert not (tmp_path / "evil").exists()


def test_a_file_takes_the_place_of_a_link(registry: LocalRegistry, fetch: Fetch, tmp_path: Path) -> None:
    (tmp_path / "target").write_text("untouched")
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as archive:
        info = tarfile.TarInfo("f")
        info.type, info.linkname = tarfile.SYMTYPE, str(tmp_path / "target")
        archive.addfile(info)
    fetch(push(registry, "over", layer(registry, raw.getvalue(), TAR_TYPE), layer(registry, b"x", title="f")))
    assert (tmp_path / "target").read_text() == "untouched"
    assert not (fetch.root / "f").is_symlink()


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (Limits(archive_bytes=1000), "larger than 1000 bytes"),
        (Limits(unpacked_bytes=1500), "unpacks to more than 1500 bytes"),
        (Limits(entries=1), "more than 1 entries"),
    ],
)
def test_the_limits_count_all_layers_together(
    registry: LocalRegistry, fetch: Fetch, limits: Limits, words: str
) -> None:
    fetch.limits = limits
    with pytest.raises(ContextRefused, match=words):
        fetch(push(registry, "big", layer(registry, b"a" * 800, title="a"), layer(registry, b"b" * 800, title="b")))


@pytest.mark.slow
def test_a_layer_that_is_mostly_compression(registry: LocalRegistry, fetch: Fetch) -> None:
    bomb = gzip.compress(tar(zeros="0" * 80 * 1024**2))
    with pytest.raises(ContextRefused, match="more than 200 times its size"):
        fetch(push(registry, "bomb", layer(registry, bomb, TAR_TYPE)))


def test_a_layer_that_is_not_what_its_digest_says(registry: LocalRegistry, fetch: Fetch) -> None:
    """The registry's own store is falsified behind its back."""
    descriptor = layer(registry, b"the true content", title="f")
    location = push(registry, "falsified", descriptor)
    name = descriptor["digest"].removeprefix("sha256:")
    (stored,) = (registry.folder / "data").glob(f"**/sha256/{name[:2]}/{name}/data")
    stored.write_bytes(b"another content!")
    with pytest.raises(ContextRefused, match="not what its digest says"):
        fetch(location)
    assert not (fetch.root / "f").exists()


@pytest.mark.parametrize("text", ["", "UPPER/case:1", "{name}/ctx:no-such-tag", "{name}/no-such-repository"])
def test_what_is_no_artifact(registry: LocalRegistry, fetch: Fetch, text: str) -> None:
    with pytest.raises(ContextRefused):
        fetch(f"oci://{text.format(name=registry.name)}")


def test_an_artifact_without_files(registry: LocalRegistry, fetch: Fetch) -> None:
    registry.put(
        "ctx", "none", {"mediaType": MANIFEST_TYPES[0], "config": registry.push_blob("ctx", b"{}"), "layers": []}
    )
    with pytest.raises(ContextRefused, match="holds no files"):
        fetch(f"oci://{registry.name}/ctx:none")
