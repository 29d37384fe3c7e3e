"""Layers that kaniko keeps: put into a registry after a build, brought back before the next, and data all the way."""

import asyncio
import gzip
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from builder.engine.executor import NEEDED, Executor
from builder.engine.kaniko_layers import may_keep
from builder.engine.protocol import ImageBuild
from builder.faults import StepFailed
from shared.grant import RegistryLogin
from shared.images.kept import KANIKO_LAYERS
from shared.images.references import Reference
from tests.builder.engine.kaniko_bench import Bench, Registry

RECENT = Executor("v1.28.4", NEEDED | {"secret", "image-format"})
CACHE = Reference.parse("reg.example/app:cache-1")
LOGIN = RegistryLogin(registry="reg.example", token="cache.token")
TEXT = "FROM scratch\nCOPY hello /a\nCOPY hello /b\n"
HITS = "Using caching version of cmd"
OPEN = [
    "ADD https://h.example/x.tar /x",
    "ADD $WHERE /x",
    "RUN --mount=type=bind,source=x,target=/x true",
    "RUN --mount=target=/x true",
    "ONBUILD ADD https://h.example/x.tar /x",
]
TOLD = ["ADD x.tar /x", "RUN --mount=type=cache,target=/c true", "RUN --mount=type=secret,id=s true", "COPY $X /x"]


def save(bench: Bench, text: str = TEXT) -> None:
    build = bench.request(text, keeps=True)
    asyncio.run(bench.engine.save_cache(build, CACHE, (LOGIN,)))


@pytest.fixture
def first(bench: Bench) -> Bench:
    """Give a bench whose registry has the layers of a build."""
    bench.build(TEXT, keeps=True)
    save(bench)
    return bench


def another(folder: Path, registry: Registry) -> Bench:
    """Return a builder of its own with the same registry."""
    home = folder / "another" / "kaniko"
    home.mkdir(parents=True)
    (home / "executor").write_bytes((folder / "kaniko" / "executor").read_bytes())
    (home / "executor").chmod(0o755)
    made = Bench(folder / "another", home / "executor")
    made.registry = registry
    return made


def listed(registry: Registry) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(registry.manifests["cache-1"][1])
    return found


def test_what_was_kept_is_one_manifest_by_which_it_is_told_from_an_image(first: Bench) -> None:
    manifest = listed(first.registry)
    assert manifest["config"]["mediaType"] == KANIKO_LAYERS
    entries = json.loads(first.registry.blobs[manifest["config"]["digest"]])["entries"]
    assert len(entries) == 2
    assert {layer["digest"] for layer in manifest["layers"]} <= set(first.registry.blobs)
    assert first.registry.tokens - {""} == {"Bearer cache.token"}


def test_a_later_build_takes_them(first: Bench, tmp_path: Path) -> None:
    later = another(tmp_path, first.registry)
    later.build(TEXT, cache=CACHE, keeps=True, logins=(LOGIN,))
    assert later.output.decode().count(HITS) == 2
    save(later)
    assert len(listed(first.registry)["layers"]) == 1, "both instructions made the same layer"


def test_what_a_later_build_has_no_use_for_is_kept_no_longer(first: Bench, tmp_path: Path) -> None:
    later = another(tmp_path, first.registry)
    text = TEXT.replace("/b", "/c")
    later.build(text, cache=CACHE, keeps=True, logins=(LOGIN,))
    assert later.output.decode().count(HITS) == 1
    save(later, text)
    last = another(tmp_path / "another", first.registry)
    last.build(TEXT, cache=CACHE, logins=(LOGIN,))
    assert last.output.decode().count(HITS) == 1


def test_a_build_that_may_only_read_writes_none(first: Bench, tmp_path: Path) -> None:
    later = another(tmp_path, first.registry)
    later.build(TEXT + "COPY hello /c\n", cache=CACHE, logins=(LOGIN,))
    assert "--no-push-cache=true" in later.record["argv"]
    assert later.output.decode().count(HITS) == 2


def test_without_a_place_for_layers_kaniko_is_not_told_to_keep_any(bench: Bench) -> None:
    bench.build(TEXT)
    assert "--cache=false" in bench.record["argv"]
    with pytest.raises(StepFailed, match="not all that this build"):
        save(bench)


def test_an_older_release_keeps_none(bench: Bench) -> None:
    (bench.home / "release").write_text("v1.27.2")
    bench.build(TEXT, keeps=True)
    assert "--cache=false" in bench.record["argv"]


@pytest.mark.parametrize("line", OPEN)
def test_what_a_key_does_not_stand_for_is_not_kept(line: str) -> None:
    assert not may_keep(ImageBuild(context=Path("/w"), dockerfile=f"FROM scratch\n{line}\n"), RECENT)


@pytest.mark.parametrize("line", TOLD)
def test_what_a_key_stands_for_is(line: str) -> None:
    assert may_keep(ImageBuild(context=Path("/w"), dockerfile=f"FROM scratch\n{line}\n"), RECENT)


def changed(registry: Registry, change: str) -> None:
    """Put another list of layers into the registry."""
    manifest = listed(registry)
    entries = json.loads(registry.blobs[manifest["config"]["digest"]])["entries"]
    match change:
        case "key":
            entries[0]["key"] = "../../../../tmp/evil"
        case "config":
            entries[0]["config"] += " "
        case "layer":
            other = json.loads(entries[0]["manifest"])
            other["layers"][0]["digest"] = "sha256:../../../evil"
            entries[0]["manifest"] = json.dumps(other)
        case "manifest":
            entries[0]["manifest"] = "[]"
        case "lost":
            registry.blobs.pop(manifest["layers"][0]["digest"])
        case "other bytes":
            registry.blobs[manifest["layers"][0]["digest"]] = gzip.compress(b"evil")
    text = json.dumps({"entries": entries}).encode()
    digest = f"sha256:{hashlib.sha256(text).hexdigest()}"
    registry.blobs[digest] = text
    manifest["config"] |= {"digest": digest, "size": len(text)}
    registry.manifests["cache-1"] = (manifest["mediaType"], json.dumps(manifest).encode())


@pytest.mark.parametrize("change", ["key", "config", "layer", "manifest", "lost", "other bytes"])
def test_a_list_that_is_not_ours_costs_the_build_nothing_but_its_layers(
    first: Bench, tmp_path: Path, change: str
) -> None:
    changed(first.registry, change)
    later = another(tmp_path, first.registry)
    later.build(TEXT, cache=CACHE, keeps=True, logins=(LOGIN,))
    assert "The layers that an earlier build has kept cannot be used: " in later.output.decode()
    assert HITS not in later.output.decode()
    assert not list(tmp_path.rglob("evil"))


def test_layers_of_another_kind_of_engine_are_not_read(first: Bench, tmp_path: Path) -> None:
    kind, body = first.registry.manifests["cache-1"]
    first.registry.manifests["cache-1"] = (kind, body.replace(KANIKO_LAYERS.encode(), b"application/x"))
    later = another(tmp_path, first.registry)
    later.build(TEXT, cache=CACHE, logins=(LOGIN,))
    assert HITS not in later.output.decode()
