"""A base in no index is held against the platform of what is built on it."""

import asyncio
import hashlib
import json
from typing import TYPE_CHECKING

import httpx
import pytest

from builder.lone_bases import Standing, judge, standings
from shared.dockerfile import parse
from shared.errors import LanguageError
from shared.grant import DockerBuild, Outcome, Platform
from shared.images.platforms import parse as platform
from shared.images.references import Reference

if TYPE_CHECKING:
    from tests.builder.conftest import World

BASE = Reference.parse("localreg.example:7455/base:1")
CONFIG = json.dumps({"os": "linux", "architecture": "amd64"}).encode()


def sha256(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def found(text: str, *platforms: str, target: str | None = None) -> list[str]:
    stand = standings(parse(text), {}, target, [platform(one) for one in platforms])
    return [f"{one.line} {one.image.repository} {one.platform}" for one in stand]


def test_stages_that_are_built_for_another_platform_are_asked_about() -> None:
    text = (
        "FROM r.io/a AS a\nFROM r.io/b AS unused\nFROM a AS c\nFROM r.io/d\nCOPY --from=c / /\nCOPY --from=r.io/e / /\n"
    )
    assert found(text, "linux/arm64") == ["1 a linux/arm64", "4 d linux/arm64"]
    assert found(text, "linux/amd64", "linux/386") == ["1 a linux/386", "4 d linux/386"]
    assert found(text, "linux/amd64") == []
    assert found(text, "linux/arm64", target="unused") == ["2 b linux/arm64"]


def test_the_platform_is_that_of_from() -> None:
    text = "FROM --platform=$BUILDPLATFORM r.io/a AS a\nFROM r.io/a\nCOPY --from=a /x /\n"
    assert found(text, "windows/amd64") == ["2 a windows/amd64"]
    assert found("FROM --platform=linux/arm/v6 r.io/a\n", "linux/amd64") == ["1 a linux/arm/v6"]


@pytest.mark.parametrize(
    ("own", "wanted"),
    [("linux/arm64", "linux/arm64/v8"), ("linux/arm/v6", "linux/arm/v7"), ("linux/arm/v7", "linux/arm/v8")],
)
def test_what_runs_there_fits(own: str, wanted: str) -> None:
    assert judge(Standing(1, BASE, platform(wanted)), platform(own)) is None


def test_what_says_nothing_fits() -> None:
    assert judge(Standing(1, BASE, platform("windows/amd64")), None) is None


@pytest.mark.parametrize(("own", "wanted"), [("linux/amd64", "linux/arm64"), ("linux/arm/v7", "linux/arm/v6")])
def test_another_processor_is_a_warning(own: str, wanted: str) -> None:
    said = judge(Standing(1, BASE, platform(wanted)), platform(own))
    assert said
    assert said.startswith(f"{BASE} is for {own} and in no index")
    assert f"for {wanted}" in said


def test_another_system_is_refused() -> None:
    with pytest.raises(LanguageError, match=r"line 3: an image for windows/amd64 cannot stand on .* for linux/amd64\."):
        judge(Standing(3, BASE, platform("windows/amd64")), platform("linux/amd64"))


def build(world: "World", wanted: Platform, config: bytes = CONFIG) -> None:
    manifest = json.dumps({"config": {"digest": sha256(CONFIG)}, "layers": []}).encode()
    headers = {
        "Docker-Content-Digest": sha256(manifest),
        "Content-Type": "application/vnd.oci.image.manifest.v1+json",
    }

    def answer(request: httpx.Request) -> httpx.Response:
        is_blob = "/blobs/" in request.url.path
        content = b"" if request.method == "HEAD" else config if is_blob else manifest
        return httpx.Response(200, stream=httpx.ByteStream(content), headers={} if is_blob else headers)

    world.files["Dockerfile"] = f"FROM {BASE}\nCOPY Dockerfile /\n"
    world.build = DockerBuild(docker_file_path="Dockerfile")
    world.grant["platform"] = wanted
    world.always["registry"] = answer
    asyncio.run(world.live())


def test_the_log_warns_before_the_build(world: "World") -> None:
    build(world, platform("linux/arm64"))
    assert world.report.outcome is Outcome.SUCCEEDED, world.text
    assert world.text.index(f"WARNING: {BASE} is for linux/amd64") < world.text.index("#1 built")


def test_nothing_is_built_for_windows_on_a_base_of_linux(world: "World") -> None:
    build(world, platform("windows/amd64"))
    assert world.report.outcome is Outcome.FAILED
    assert not world.engine.built
    assert "an image for windows/amd64 cannot stand on" in world.text


def test_the_usual_platform_costs_no_question(world: "World") -> None:
    build(world, Platform())
    assert world.report.outcome is Outcome.SUCCEEDED, world.text
    assert world.calls.count("registry") == 1


def test_a_configuration_that_is_not_what_its_digest_says_is_not_believed(world: "World") -> None:
    build(world, platform("linux/arm64"), config=CONFIG + b" ")
    assert world.report.outcome is Outcome.FAILED
    assert "is not what its digest says" in world.text
