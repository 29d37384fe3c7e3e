"""What is stated of a run, and what never is."""

import json
from datetime import UTC, datetime

import pytest

from shared.arm.requests import parse_run_request
from shared.arm.wire import BaseImage, SourceTriggerCause
from shared.provenance.slsa import Origin, provenance, without_login
from shared.runs.causes import Cause, CauseKind
from shared.runs.model import Requester, Run

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
ORIGIN = Origin("https://slipway.example", "/subscriptions/s/registries/reg", "reg.example/builder:1")
BASE = BaseImage(type="Runtime", registry="reg.example", repository="base/os", tag="1", digest=f"sha256:{'a' * 64}")


def run(**changes: object) -> Run:
    made = Run(
        id="c0000001",
        registry="reg",
        created=NOW,
        updated=NOW,
        started=NOW,
        finished=NOW,
        timeout_seconds=60,
        requester=Requester(name="ada", kind="User"),
        base_images=(BASE,),
    )
    return made.model_copy(update=changes)


def docker_build(**members: object) -> dict[str, object]:
    request = {"type": "DockerBuildRequest", "dockerFilePath": "Dockerfile", "platform": {"os": "Linux"}, **members}
    return provenance(run(), parse_run_request(request), ORIGIN)


def test_what_was_asked_for_is_told() -> None:
    told = docker_build(imageNames=["app:v1"], target="final", sourceLocation="https://git.example/a/b.git#main")
    asked = told["buildDefinition"]["externalParameters"]  # type: ignore[index] # JSON
    assert (asked["images"], asked["target"], asked["dockerfile"]) == (["app:v1"], "final", "Dockerfile")
    assert asked["context"] == "https://git.example/a/b.git#main"


def test_secret_values_are_named_and_never_told() -> None:
    arguments = [{"name": "KEY", "value": "hunter2", "isSecret": True}, {"name": "MODE", "value": "fast"}]
    told = docker_build(arguments=arguments)
    assert "hunter2" not in json.dumps(told)
    assert told["buildDefinition"]["externalParameters"]["arguments"] == {"MODE": "fast"}  # type: ignore[index] # JSON
    assert told["buildDefinition"]["externalParameters"]["secretArguments"] == ["KEY"]  # type: ignore[index] # JSON


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://ada:token@git.example/a.git#main:dir", "https://git.example/a.git#main:dir"),
        ("https://files.example/a.tar.gz?sig=token", "https://files.example/a.tar.gz"),
        ("source/2026/a.tar.gz", "source/2026/a.tar.gz"),
        ("", ""),
    ],
)
def test_an_address_is_told_without_its_login(address: str, shown: str) -> None:
    assert without_login(address) == shown


def test_a_task_text_is_told_by_its_digest() -> None:
    request = {"type": "EncodedTaskRunRequest", "encodedTaskContent": "c3RlcHM6IFtd", "platform": {"os": "linux"}}
    told = provenance(run(task="nightly"), parse_run_request(request), ORIGIN)
    asked = told["buildDefinition"]["externalParameters"]
    assert set(asked["taskText"]) == {"sha256"}
    assert asked["task"] == "nightly"


def test_digests_that_only_the_builder_knows_are_its_word() -> None:
    (base,) = docker_build()["buildDefinition"]["resolvedDependencies"]  # type: ignore[index] # JSON
    assert base == {
        "uri": "docker://reg.example/base/os:1",
        "digest": {"sha256": "a" * 64},
        "annotations": {"statedBy": "builder", "type": "Runtime"},
    }


def test_a_commit_is_told_as_the_host_named_it() -> None:
    source = SourceTriggerCause(
        id="1", event_type="commit", commit_id="c" * 40, repository_url="https://u:p@git.example/a"
    )
    cause = Cause(kind=CauseKind.COMMIT, source_trigger=source)
    request = parse_run_request({"type": "DockerBuildRequest", "dockerFilePath": "D", "platform": {"os": "linux"}})
    told = provenance(run(cause=cause), request, ORIGIN)
    assert told["buildDefinition"]["resolvedDependencies"][0] == {
        "uri": "git+https://git.example/a",
        "digest": {"gitCommit": "c" * 40},
    }
