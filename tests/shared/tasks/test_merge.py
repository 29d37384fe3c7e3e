"""PATCH: what is given changes, null removes, everything else stays."""

from typing import Any

import pytest

from shared.errors import InvalidRequest
from shared.tasks.merge import merge_identity, merge_task

TASK: dict[str, Any] = {
    "location": "here",
    "tags": {"a": "1"},
    "properties": {
        "status": "Enabled",
        "timeout": 3600,
        "platform": {"os": "linux", "architecture": "amd64"},
        "step": {
            "type": "Docker",
            "dockerFilePath": "Dockerfile",
            "contextPath": "https://example.org/a.git",
            "target": "last",
            "imageNames": ["a", "b"],
        },
        "trigger": {
            "timerTriggers": [
                {"name": "t1", "status": "Enabled", "schedule": "0 1 * * *"},
                {"name": "t2", "status": "Enabled", "schedule": "0 2 * * *"},
            ],
            "sourceTriggers": [
                {
                    "name": "src",
                    "status": "Enabled",
                    "sourceTriggerEvents": ["commit"],
                    "sourceRepository": {
                        "repositoryUrl": "https://example.org/a.git",
                        "sourceControlAuthProperties": {"tokenType": "PAT", "token": "tok"},
                    },
                }
            ],
            "baseImageTrigger": {"name": "base", "baseImageTriggerType": "Runtime", "status": "Enabled"},
        },
        "credentials": {
            "sourceRegistry": {"identity": "[system]"},
            "customRegistries": {
                "x.io": {"userName": {"value": "u", "type": "Opaque"}, "password": {"value": "p", "type": "Opaque"}}
            },
        },
    },
}
X_IO = TASK["properties"]["credentials"]["customRegistries"]["x.io"]
T1, T2 = TASK["properties"]["trigger"]["timerTriggers"]


def patched(**properties: object) -> dict[str, Any]:
    merged: dict[str, Any] = merge_task(TASK, {"properties": properties})["properties"]
    return merged


@pytest.mark.parametrize(
    "patch",
    [
        {},
        {"properties": {}},
        {"properties": {"platform": {}, "agentConfiguration": {}, "credentials": {}, "trigger": {}}},
        {"properties": {"trigger": {"baseImageTrigger": {"name": "base"}}, "step": {"type": "Docker"}}},
        {"properties": {"trigger": {"timerTriggers": [], "sourceTriggers": [{"name": "src"}]}}},
        {"properties": {"trigger": {"timerTriggers": [{"name": "t1"}]}, "credentials": {"customRegistries": {}}}},
    ],
)
def test_what_is_empty_or_absent_changes_nothing(patch: dict[str, Any]) -> None:
    merged = merge_task(TASK, patch)
    merged["properties"].pop("agentConfiguration", None)
    assert merged == TASK


def test_the_patch_of_az_for_a_platform() -> None:
    merged = patched(
        platform={"os": "linux", "architecture": "arm"},
        agentConfiguration={},
        step={"type": "Docker", "contextPath": "https://example.org/a.git", "isPushEnabled": True},
        trigger={"baseImageTrigger": {"name": "base"}},
        credentials={},
    )
    assert merged["platform"] == {"os": "linux", "architecture": "arm"}
    assert merged["step"] == {**TASK["properties"]["step"], "isPushEnabled": True}
    assert merged["trigger"] == TASK["properties"]["trigger"]
    assert merged["credentials"] == TASK["properties"]["credentials"]


def test_the_task_itself_is_never_changed() -> None:
    before = repr(TASK)
    patched(step={"target": None, "imageNames": []}, trigger={"timerTriggers": [{"name": "t1", "status": "Disabled"}]})
    assert repr(TASK) == before


def test_lists_are_replaced_and_null_removes() -> None:
    step = patched(step={"imageNames": ["c"], "target": None})["step"]
    assert step["imageNames"] == ["c"]
    assert "target" not in step
    assert merge_task(TASK, {"tags": {"a": None, "b": "2"}})["tags"] == {"b": "2"}


def test_another_type_of_step_replaces_it() -> None:
    step = {"type": "FileTask", "taskFilePath": "acb.yaml"}
    assert patched(step=step)["step"] == step


@pytest.mark.parametrize(
    ("timers", "expected"),
    [
        ([{"name": "t3", "schedule": "0 3 * * *"}], [T1, T2, {"name": "t3", "schedule": "0 3 * * *"}]),
        ([{"name": "t1", "status": "Disabled"}], [{**T1, "status": "Disabled"}, T2]),
        ([{"name": "T2", "schedule": "0 4 * * *"}], [T1, {**T2, "schedule": "0 4 * * *"}]),
        ([{"name": "t2", "schedule": "5 * * * *"}, {"name": "t2", "status": "Disabled"}],
         [T1, {"name": "t2", "schedule": "5 * * * *", "status": "Disabled"}]),
    ],
)  # fmt: skip
def test_timers_merge_by_name(timers: list[dict[str, Any]], expected: list[dict[str, Any]]) -> None:
    assert patched(trigger={"timerTriggers": timers})["trigger"]["timerTriggers"] == expected


def test_a_source_trigger_keeps_its_token() -> None:
    given = {
        "name": "src",
        "sourceTriggerEvents": ["pullrequest"],
        "sourceRepository": {"branch": "dev", "sourceControlAuthProperties": {"tokenType": "PAT"}},
    }
    (source,) = patched(trigger={"sourceTriggers": [given]})["trigger"]["sourceTriggers"]
    assert source["sourceTriggerEvents"] == ["pullrequest"]
    assert source["sourceRepository"] == {
        "repositoryUrl": "https://example.org/a.git",
        "branch": "dev",
        "sourceControlAuthProperties": {"tokenType": "PAT", "token": "tok"},
    }


@pytest.mark.parametrize(
    ("registries", "expected"),
    [
        ({"X.io": None}, {}),
        ({"y.io": None}, {"x.io": X_IO}),
        ({"x.io": {"identity": "[system]"}}, {"x.io": {"identity": "[system]"}}),
        ({"x.io": {"password": {"value": "q"}}}, {"x.io": {**X_IO, "password": {"value": "q", "type": "Opaque"}}}),
        ({"y.io": {"identity": "i"}}, {"x.io": X_IO, "y.io": {"identity": "i"}}),
    ],
)
def test_logins_merge_by_host(registries: dict[str, Any], expected: dict[str, Any]) -> None:
    assert patched(credentials={"customRegistries": registries})["credentials"]["customRegistries"] == expected


def test_the_identity_of_the_own_registry_is_cleared_by_null() -> None:
    credentials = patched(credentials={"sourceRegistry": {"identity": None}})["credentials"]
    assert credentials["sourceRegistry"] == {}


SYSTEM = {"type": "SystemAssigned"}
BOTH = {"type": "SystemAssigned, UserAssigned", "userAssignedIdentities": {"/u/1": {}, "/u/2": {}}}
USERS = {"type": "UserAssigned", "userAssignedIdentities": {"/u/1": {}}}


@pytest.mark.parametrize(
    ("old", "patch", "expected"),
    [
        ({}, SYSTEM, SYSTEM),
        ({}, USERS, USERS),
        (BOTH, SYSTEM, SYSTEM),
        (BOTH, {"type": "None"}, {"type": "None"}),
        (SYSTEM, BOTH, BOTH),
        (SYSTEM, {"type": "systemassigned,UserAssigned", "userAssignedIdentities": {"/u/1": {}}},
         {"type": "SystemAssigned, UserAssigned", "userAssignedIdentities": {"/u/1": {}}}),
        (BOTH, {"type": "UserAssigned", "userAssignedIdentities": {"/u/1": {}, "/u/2": {}}},
         {"type": "UserAssigned", "userAssignedIdentities": {"/u/1": {}, "/u/2": {}}}),
        (BOTH, {"type": "UserAssigned", "userAssignedIdentities": {"/U/1": None}},
         {"type": "SystemAssigned, UserAssigned", "userAssignedIdentities": {"/u/2": {}}}),
        (USERS, {"type": "UserAssigned", "userAssignedIdentities": {"/u/1": None}},
         {"type": "None", "userAssignedIdentities": {}}),
        (USERS, {"type": "UserAssigned", "userAssignedIdentities": {"/u/2": {}}},
         {"type": "UserAssigned", "userAssignedIdentities": {"/u/1": {}, "/u/2": {}}}),
    ],
)  # fmt: skip
def test_identities(old: dict[str, Any], patch: dict[str, Any], expected: dict[str, Any]) -> None:
    assert merge_identity(old, patch) == expected


@pytest.mark.parametrize(
    "patch",
    [
        None,
        [],
        "text",
        {"properties": []},
        {"properties": {"trigger": {"timerTriggers": ["x"]}}},
        {"identity": {"type": "Nonsense"}},
        {"identity": []},
    ],
)
def test_a_patch_that_makes_no_sense_is_refused(patch: object) -> None:
    with pytest.raises(InvalidRequest):
        merge_task(TASK, patch)


def test_a_patch_nested_without_end_is_refused() -> None:
    nested: dict[str, Any] = {}
    for _ in range(200):
        nested = {"platform": nested}
    with pytest.raises(InvalidRequest, match="nested"):
        merge_task(TASK, {"properties": nested})


def test_what_az_leaves_blank_of_a_login_stays() -> None:
    blank = {"type": "Opaque", "value": None}
    login = {"userName": {"type": "Opaque", "value": "you"}, "password": blank, "identity": None}
    merged = patched(credentials={"customRegistries": {"x.io": login}})["credentials"]["customRegistries"]["x.io"]
    assert merged == X_IO | {"userName": {"type": "Opaque", "value": "you"}}


def test_a_base_image_trigger_that_is_switched_on_looks_at_the_runtime_image() -> None:
    bare: dict[str, Any] = {"properties": {}}
    trigger = {"baseImageTrigger": {"name": "b", "status": "Enabled"}}
    merged = merge_task(bare, {"properties": {"trigger": trigger}})["properties"]["trigger"]["baseImageTrigger"]
    assert merged == {"name": "b", "status": "Enabled", "baseImageTriggerType": "Runtime"}
