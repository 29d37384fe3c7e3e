"""A task and its overrides as a run request."""

from typing import Any

import pytest

from shared.arm.requests import DockerBuildRequest, EncodedTaskRunRequest, FileTaskRunRequest, Overrides
from shared.errors import InvalidRequest
from shared.tasks.checks import parse_task
from shared.tasks.requests import request_of

GIT = "https://example.org/a.git#main"
DOCKER: dict[str, Any] = {
    "type": "Docker",
    "dockerFilePath": "Dockerfile",
    "imageNames": ["app"],
    "contextPath": GIT,
    "contextAccessToken": "tok",
    "target": "last",
    "arguments": [{"name": "A", "value": "1"}, {"name": "S", "value": "hush", "isSecret": True}],
}


def request(step: dict[str, Any], overrides: dict[str, Any] | None = None, **properties: object) -> Any:
    spec = parse_task({"properties": {"step": step, "timeout": 600, "agentPoolName": "pool", **properties}})
    return request_of("mytask", spec, Overrides.model_validate(overrides or {}))


def test_a_docker_step_as_it_is() -> None:
    made = request(DOCKER, platform={"os": "linux", "architecture": "arm64"})
    assert isinstance(made, DockerBuildRequest)
    assert (made.source_location, made.context_access_token, made.target) == (GIT, "tok", "last")
    assert (made.timeout, made.agent_pool_name, made.platform.architecture) == (600, "pool", "arm64")
    assert (made.image_names, made.is_push_enabled, made.docker_file_path) == (("app",), True, "Dockerfile")
    assert [(one.name, one.value, one.is_secret) for one in made.arguments] == [("A", "1", False), ("S", "hush", True)]


def test_overrides_of_a_docker_step() -> None:
    given = [{"name": "A", "value": "2"}, {"name": "B", "value": "3"}, {"name": "S", "value": "x"}]
    made = request(DOCKER, {"file": "Other", "target": "first", "arguments": given})
    assert (made.docker_file_path, made.target) == ("Other", "first")
    assert [(one.name, one.value) for one in made.arguments] == [("A", "2"), ("S", "x"), ("B", "3")]
    assert made.arguments[1].is_secret


@pytest.mark.parametrize(
    ("context", "token"),
    [
        ("https://example.org/b.git", "tok"),
        ("https://EXAMPLE.org/a.git#other", "tok"),
        ("https://example.org:8443/a.git", None),
        ("https://elsewhere.example/a.git", None),
        ("https://example.org/a.tar.gz", None),
        ("source/202611200000/0d7a1c9e-6f0e-4c5e-9d5c-0a4e8f0b7a11.tar.gz", None),
    ],
)
def test_the_token_goes_only_to_the_host_it_is_for(context: str, token: str | None) -> None:
    made = request(DOCKER, {"contextPath": context})
    assert (made.source_location, made.context_access_token) == (context, token)


def test_a_file_step() -> None:
    step = {"type": "FileTask", "taskFilePath": "acb.yaml", "valuesFilePath": "v.yaml", "contextPath": GIT}
    made = request(step | {"values": [{"name": "x", "value": "1"}]}, {"file": "b.yaml", "values": [{"name": "x"}]})
    assert isinstance(made, FileTaskRunRequest)
    assert (made.task_file_path, made.values_file_path) == ("b.yaml", "v.yaml")
    assert [(one.name, one.value) for one in made.values] == [("x", "")]


def test_an_encoded_step_needs_no_context() -> None:
    made = request({"type": "EncodedTask", "encodedTaskContent": "c3RlcHM6IFtdCg=="})
    assert isinstance(made, EncodedTaskRunRequest)
    assert made.source_location is None
    assert made.task_content == "steps: []\n"


def source(name: str, url: str = "https://example.org/s.git") -> dict[str, Any]:
    auth = {"tokenType": "PAT", "token": "source-tok"}
    repository = {"sourceControlType": "Github", "repositoryUrl": url, "branch": "dev"}
    repository |= {"sourceControlAuthProperties": auth}  # type: ignore[dict-item] # JSON
    return {"name": name, "sourceTriggerEvents": ["commit"], "sourceRepository": repository}


@pytest.mark.parametrize(
    ("url", "location"),
    [
        ("https://example.org/s.git", "https://example.org/s.git#dev"),
        ("https://example.org/s.git#x:sub", "https://example.org/s.git#x:sub"),
    ],
)
def test_the_only_source_trigger_stands_in_for_a_context(url: str, location: str) -> None:
    step = {name: value for name, value in DOCKER.items() if not name.startswith("context")}
    made = request(step, trigger={"sourceTriggers": [source("one", url)]})
    assert (made.source_location, made.context_access_token) == (location, "source-tok")


@pytest.mark.parametrize("names", [(), ("one", "two")])
def test_without_a_context_there_is_no_run(names: tuple[str, ...]) -> None:
    step = {name: value for name, value in DOCKER.items() if not name.startswith("context")}
    with pytest.raises(InvalidRequest, match="Cannot determine the build context") as refusal:
        request(step, trigger={"sourceTriggers": [source(name) for name in names]})
    assert refusal.value.code == "ContextUndefined"


def test_a_system_task_cannot_be_run() -> None:
    with pytest.raises(InvalidRequest, match="no step"):
        request_of("quicktask", parse_task({"properties": {"isSystemTask": True}}), Overrides())
