"""Run requests: what az sends is understood, what cannot be done is refused with the member's name."""

from typing import Any

import pytest

from shared.arm.names import RegistryId
from shared.arm.requests import (
    DockerBuildRequest,
    EncodedTaskRunRequest,
    TaskRunRequest,
    parse_any_run_request,
    parse_run_request,
    parse_run_update,
)
from shared.errors import InvalidRequest

SENT_BY_AZ: dict[str, Any] = {
    "type": "DockerBuildRequest",
    "imageNames": ["hello:v1"],
    "isPushEnabled": True,
    "sourceLocation": "source/202611200000/0d7a1c9e-6f0e-4c5e-9d5c-0a4e8f0b7a11.tar.gz",
    "dockerFilePath": "0123456789abcdef0123456789abcdef_Dockerfile",
    "arguments": [{"type": "Argument", "name": "A", "value": "1", "isSecret": False}],
    "platform": {"os": "linux", "architecture": "amd64"},
    "credentials": {},
}


def test_a_task_file_is_decoded() -> None:
    body = {"type": "EncodedTaskRunRequest", "encodedTaskContent": "c3RlcHM6IFtdCg==", "values": [{"name": "a"}]}
    request = parse_run_request(body)
    assert isinstance(request, EncodedTaskRunRequest)
    assert (request.task_content, request.values_content) == ("steps: []\n", None)


def test_the_request_of_az_is_understood() -> None:
    request = parse_run_request(SENT_BY_AZ)
    assert isinstance(request, DockerBuildRequest)
    assert request.image_names == ("hello:v1",)
    assert request.arguments[0].name == "A"
    assert request.timeout == 3600


@pytest.mark.parametrize(
    ("member", "value"),
    [("timeout", None), ("platform", None), ("credentials", None), ("arguments", None), ("imageNames", None)],
)
def test_null_means_absent(member: str, value: object) -> None:
    assert parse_run_request(SENT_BY_AZ | {member: value})


def test_platform_names_are_read_in_any_case() -> None:
    platform = parse_run_request(SENT_BY_AZ | {"platform": {"os": "Linux", "architecture": "X86_64"}}).platform
    assert (platform.os, platform.architecture) == ("linux", "amd64")


@pytest.mark.parametrize(
    ("change", "target"),
    [
        ({"timeout": 299}, "timeout"),
        ({"timeout": 28801}, "timeout"),
        ({"timeout": "soon"}, "timeout"),
        ({"dockerFilePath": ""}, "dockerFilePath"),
        ({"dockerFilePath": None}, "dockerFilePath"),
        ({"imageNames": "hello"}, "imageNames"),
        ({"imageNames": [""]}, "imageNames.0"),
        ({"imageNames": ["x"] * 101}, "imageNames"),
        ({"platform": {"os": "beos"}}, "platform.os"),
        ({"platform": {"os": "linux", "architecture": "m68k"}}, "platform.architecture"),
        ({"platform": {"os": "linux", "architecture": "amd64", "variant": "v7"}}, "platform.variant"),
        ({"platform": {"os": "windows", "architecture": "arm64"}}, "platform.os"),
        ({"type": "FileTaskRunRequest", "taskFilePath": "t", "platform": {"os": "windows"}}, "platform.os"),
        ({"platforms": ["linux/amd64", "linux/m68k"]}, "platforms"),
        ({"platforms": ["linux/amd64/v9"]}, "platforms"),
        ({"platforms": ["windows/arm64"]}, "platforms"),
        ({"platforms": "linux/amd64"}, "platforms"),
        ({"platforms": ["linux/amd64"] * 17}, "platforms"),
        ({"arguments": [{"value": "1"}]}, "arguments.0.name"),
        ({"arguments": [{"name": "A", "value": "x" * 70000}]}, "arguments.0.value"),
        ({"type": "TaskRunRequest"}, "type"),
        ({"type": "FileTaskRunRequest"}, "taskFilePath"),
        ({"type": "EncodedTaskRunRequest"}, "encodedTaskContent"),
        ({"type": "EncodedTaskRunRequest", "encodedTaskContent": "%%%"}, "encodedTaskContent"),
        ({"type": "EncodedTaskRunRequest", "encodedTaskContent": "/w=="}, "encodedTaskContent"),
        ({"type": "Nonsense"}, "type"),
        ({"type": None}, "type"),
    ],
)
def test_a_bad_member_is_named(change: dict[str, Any], target: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        parse_run_request(SENT_BY_AZ | change)
    assert refusal.value.target == target
    assert refusal.value.message.endswith(".")


def test_several_platforms_are_named_once_each() -> None:
    request = parse_run_request(SENT_BY_AZ | {"platforms": ["Linux/arm/v7", "linux/amd64", "linux/x86_64"]})
    assert isinstance(request, DockerBuildRequest)
    assert [str(one) for one in request.all_platforms] == ["linux/arm/v7", "linux/amd64"]


def test_an_argument_names_platforms_where_the_client_lets_one_through() -> None:
    argument = {"name": "SLIPWAY_PLATFORMS", "value": "linux/arm64, windows/amd64"}
    request = parse_run_request(SENT_BY_AZ | {"arguments": [argument]})
    assert isinstance(request, DockerBuildRequest)
    assert [str(one) for one in request.all_platforms] == ["linux/arm64", "windows/amd64"]


@pytest.mark.parametrize("value", ["", "linux/amd64,", "linux/nothing", "a b", "linux/amd64/v7"])
def test_an_argument_that_names_no_platform_is_refused(value: str) -> None:
    request = parse_run_request(SENT_BY_AZ | {"arguments": [{"name": "SLIPWAY_PLATFORMS", "value": value}]})
    assert isinstance(request, DockerBuildRequest)
    with pytest.raises(InvalidRequest, match=r"SLIPWAY_PLATFORMS: '.*' is no platform that can be built for"):
        _ = request.all_platforms


def test_one_platform_is_what_the_request_says() -> None:
    request = parse_run_request(SENT_BY_AZ | {"platform": {"os": "windows"}})
    assert isinstance(request, DockerBuildRequest)
    assert [str(one) for one in request.all_platforms] == ["windows/amd64"]


@pytest.mark.parametrize("body", [None, [], "text", 7])
def test_a_body_that_is_no_object_is_refused(body: object) -> None:
    with pytest.raises(InvalidRequest):
        parse_run_request(body)


def test_a_refusal_never_quotes_a_value() -> None:
    arguments = [{"name": "TOKEN", "value": ["hunter2"], "isSecret": True}]
    with pytest.raises(InvalidRequest) as refusal:
        parse_run_request(SENT_BY_AZ | {"arguments": arguments})
    assert "hunter2" not in refusal.value.message


REGISTRY = RegistryId("sub", "rg", "reg")


def test_a_run_request_of_a_task_is_understood() -> None:
    body = {
        "type": "TaskRunRequest",
        "taskId": f"{REGISTRY}/tasks/MyTask".lower(),
        "overrideTaskStepProperties": {"arguments": [], "values": [{"name": "a"}], "updateTriggerToken": "dA=="},
    }
    request = parse_any_run_request(body)
    assert isinstance(request, TaskRunRequest)
    assert request.task_name(REGISTRY) == "mytask"
    assert request.override_task_step_properties.values[0].name == "a"


@pytest.mark.parametrize(
    "task_id",
    ["", "mytask", f"{REGISTRY}", f"{REGISTRY}/tasks/x", f"{REGISTRY}/runs/mytask", f"{REGISTRY}x/tasks/mytask"],
)
def test_a_task_of_elsewhere_is_refused(task_id: str) -> None:
    request = parse_any_run_request({"type": "TaskRunRequest", "taskId": task_id})
    assert isinstance(request, TaskRunRequest)
    with pytest.raises(InvalidRequest) as refusal:
        request.task_name(REGISTRY)
    assert refusal.value.target == "taskId"


@pytest.mark.parametrize(
    ("change", "target"),
    [
        ({"taskId": None}, "taskId"),
        ({"overrideTaskStepProperties": {"updateTriggerToken": "%"}}, "overrideTaskStepProperties.updateTriggerToken"),
        ({"overrideTaskStepProperties": {"arguments": [{}]}}, "overrideTaskStepProperties.arguments.0.name"),
    ],
)
def test_a_bad_member_of_a_run_request_of_a_task_is_named(change: dict[str, Any], target: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        parse_any_run_request({"type": "TaskRunRequest", "taskId": "x", **change})
    assert refusal.value.target == target


def test_archive_requests() -> None:
    assert parse_run_update({"isArchiveEnabled": True}) is True
    assert parse_run_update({}) is None
    refused: list[object] = [{"isArchiveEnabled": "yes"}, None, []]
    for body in refused:
        with pytest.raises(InvalidRequest):
            parse_run_update(body)
