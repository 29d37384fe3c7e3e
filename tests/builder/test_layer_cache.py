"""Layers of earlier builds: when they are read, when they are kept, and that they never fail a run."""

import asyncio
import hashlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import httpx
import pytest

from builder import layer_cache
from builder.engine.protocol import Kind
from builder.layer_cache import Scope, place
from shared.grant import DockerBuild, LayerCache, NamedValue, Outcome
from shared.images.references import Reference

if TYPE_CHECKING:
    from tests.builder.conftest import World

REGISTRY = "localreg.example:7455"
SCOPE = Scope("Dockerfile", "", "linux/amd64")
KEPT = Reference(REGISTRY, "shop/hello", SCOPE.tag)
BLOBS = tuple("sha256:" + letter * 64 for letter in "abc")
MANIFEST = json.dumps(
    {"config": {"digest": BLOBS[0]}, "layers": [{"digest": BLOBS[1]}, {"digest": BLOBS[2]}, {"digest": BLOBS[1]}]}
).encode()
DIGEST = "sha256:" + hashlib.sha256(MANIFEST).hexdigest()


@pytest.fixture(autouse=True)
def every_build_is_worth_keeping(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layer_cache, "WORTH_SECONDS", 0.0)


def build(world: "World", *, is_writable: bool = True, repository: str = "{repository}", **changes: object) -> None:
    """Build and push `shop/hello`; the run must succeed."""
    values: dict[str, object] = {"docker_file_path": "Dockerfile", "image_names": ("shop/hello:v1",)}
    world.build = DockerBuild.model_validate(values | {"is_push_enabled": True} | changes)
    world.grant["cache"] = LayerCache(repository=repository, is_writable=is_writable)
    asyncio.run(world.live())
    assert world.report.outcome is Outcome.SUCCEEDED, world.text


def is_known(world: "World") -> None:
    """Have layers been kept before."""
    name = f"{KEPT.repository}:{KEPT.tag}"
    world.manifests[name], world.bodies[name] = DIGEST, MANIFEST
    world.blobs |= set(BLOBS)


def test_the_first_build_keeps_its_layers_beside_the_image_after_the_push(world: "World") -> None:
    build(world)
    assert world.engine.built[0].cache is None
    ((kept, where, logins),) = world.engine.kept
    assert (kept, where) == (world.engine.built[0], KEPT)
    use = {"repository": KEPT.repository, "tag": KEPT.tag, "replaced": ""}
    assert world.logins[0] == {"pull": ["shop/hello"], "push": [], "layers": use}
    assert world.logins[-1] == {"pull": ["shop/hello"], "push": ["shop/hello"], "layers": use}
    assert [login.token for login in logins] == [f"registry-token-{len(world.logins)}"]
    assert world.text.index("Successfully pushed image") < world.text.index("Keeping the layers of this build in")


@pytest.mark.parametrize("is_writable", [True, False])
def test_an_engine_is_told_beforehand_whether_layers_will_be_asked_for(world: "World", *, is_writable: bool) -> None:
    build(world, is_writable=is_writable)
    assert [built.keeps for built in world.engine.built] == [is_writable]


def test_what_one_kind_of_engine_keeps_lies_apart_from_that_of_the_other(world: "World") -> None:
    is_known(world)
    world.engine.kind = Kind.CONFINED
    build(world)
    assert world.engine.built[0].cache is None
    ((_, where, _),) = world.engine.kept
    assert where == replace(KEPT, tag=replace(SCOPE, kind=Kind.CONFINED).tag)
    assert where != KEPT


def test_a_later_build_reads_them(world: "World") -> None:
    is_known(world)
    build(world)
    assert world.engine.built[0].cache == KEPT
    assert f"Using the layers that an earlier build has kept in {KEPT}" in world.text
    assert world.logins[-1]["layers"]["replaced"] == DIGEST


def test_layers_of_which_the_registry_has_lost_one_are_not_used_but_replaced(world: "World") -> None:
    is_known(world)
    world.blobs.discard(BLOBS[2])
    build(world)
    assert world.engine.built[0].cache is None
    assert f"The layers that an earlier build has kept in {KEPT} are not complete" in world.text
    assert world.logins[-1]["layers"]["replaced"] == DIGEST
    assert len(world.engine.kept) == 1


def test_what_is_no_kept_layers_is_not_used(world: "World") -> None:
    is_known(world)
    name = f"{KEPT.repository}:{KEPT.tag}"
    world.bodies[name] = json.dumps({"layers": [{"digest": BLOBS[1]}]}).encode()
    world.manifests[name] = "sha256:" + hashlib.sha256(world.bodies[name]).hexdigest()
    build(world)
    assert world.engine.built[0].cache is None


def test_a_run_that_has_pushed_does_not_time_out_while_it_keeps(
    world: "World", monkeypatch: pytest.MonkeyPatch
) -> None:
    async def for_ever(*_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(world.engine, "save_cache", for_ever)
    monkeypatch.setattr(layer_cache, "_MARGIN", 600.0)
    world.grant["timeout_seconds"] = 601
    build(world)
    assert "The layers of this build could not be kept: timed out" in world.text


def test_a_short_build_is_not_worth_it(world: "World", monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layer_cache, "WORTH_SECONDS", 60.0)
    build(world)
    assert world.engine.kept == []


def test_without_cache_neither_is_done(world: "World") -> None:
    is_known(world)
    build(world, no_cache=True)
    assert (world.engine.built[0].cache, world.engine.kept) == (None, [])


@pytest.mark.parametrize(
    "changes",
    [
        {"is_push_enabled": False},
        {"arguments": (NamedValue(name="TOKEN", value="hidden", is_secret=True),)},
        {"is_writable": False},
    ],
    ids=["no push", "a secret argument", "an untrusted run"],
)
def test_what_may_only_read(world: "World", changes: dict[str, object]) -> None:
    is_known(world)
    build(world, **changes)  # type: ignore[arg-type] # by name
    assert world.engine.built[0].cache == KEPT
    assert world.engine.kept == []


@pytest.mark.parametrize("status", [401, 403, 429, 500, 301])
def test_a_registry_that_does_not_tell_is_none(world: "World", status: int) -> None:
    world.scripted["registry"] = [status]
    build(world)
    assert world.engine.built[0].cache is None


def test_layers_that_cannot_be_kept_fail_nothing(world: "World") -> None:
    world.engine.cache_error = "the registry is full"
    build(world)
    assert "The layers of this build could not be kept: the registry is full" in world.text


@pytest.mark.parametrize("status", [400, 403])
def test_a_login_that_is_refused_for_layers_fails_nothing(world: "World", status: int) -> None:
    ordinary = world.ordinary

    def as_ever(request: httpx.Request) -> httpx.Response:
        return ordinary("login", request)

    world.scripted["login"] = [as_ever, as_ever, status]
    build(world)
    assert "The layers of this build could not be kept: the app refuses" in world.text


def test_a_full_disk_while_keeping_layers_fails_nothing(world: "World", monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(*_: object) -> None:
        raise OSError(28, "no room")

    monkeypatch.setattr(world.engine, "save_cache", full)
    build(world)
    assert "The layers of this build could not be kept: OSError" in world.text


def test_a_run_that_is_given_up_keeps_nothing(world: "World") -> None:
    ordinary = world.ordinary

    def as_ever(request: httpx.Request) -> httpx.Response:
        return ordinary("login", request)

    world.scripted["login"] = [as_ever, as_ever, 409]
    world.build = DockerBuild(docker_file_path="Dockerfile", image_names=("shop/hello:v1",), is_push_enabled=True)
    world.grant["cache"] = LayerCache(repository="{repository}", is_writable=True)
    asyncio.run(world.live())
    assert (world.engine.kept, world.reports) == ([], [])


def test_layers_may_lie_in_a_repository_of_their_own(world: "World") -> None:
    build(world, repository="caches/{repository}/layers")
    ((_, where, _),) = world.engine.kept
    assert where.repository == "caches/shop/hello/layers"
    assert world.logins[-1]["push"] == ["caches/shop/hello/layers"]


def test_builds_share_layers_by_dockerfile_target_and_platform() -> None:
    tags = {
        Scope("Dockerfile", "", "linux/amd64").tag,
        Scope("Dockerfile", "test", "linux/amd64").tag,
        Scope("Dockerfile", "", "linux/arm64").tag,
        Scope("app/Dockerfile", "", "linux/amd64").tag,
    }
    assert len(tags) == 4
    assert Scope("0123456789abcdef0123456789abcdef_Dockerfile", "", "linux/amd64").tag == SCOPE.tag


def test_images_of_other_registries_keep_none() -> None:
    other = Reference("other.example", "shop/hello", "v1")
    cache = LayerCache(repository="{repository}", is_writable=True)
    assert place(cache, REGISTRY, (other,), SCOPE) is None
    assert place(cache, REGISTRY, (other, KEPT), SCOPE) == KEPT
    assert place(None, REGISTRY, (KEPT,), SCOPE) is None
