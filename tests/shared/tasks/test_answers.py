"""Tasks as answers: nobody but listDetails shows a secret, and nulls are where az wants them."""

import json
from datetime import UTC, datetime
from typing import Any

from shared.arm.names import RegistryId
from shared.arm.wire import BaseImage, SystemData
from shared.grant import Image, ImageDependency
from shared.tasks.answers import task_answer, task_details
from shared.tasks.checks import parse_task
from shared.tasks.dependencies import base_images
from shared.tasks.identity import filled
from shared.tasks.record import Task
from shared.tasks.secrets import without_secrets

REGISTRY = RegistryId("sub", "rg", "reg")
NOW = datetime(2026, 1, 2, 3, 4, 5, 678, UTC)
BODY: dict[str, Any] = {
    "location": "here",
    "tags": {"team": "x"},
    "identity": {"type": "SystemAssigned"},
    "properties": {
        "agentConfiguration": {"cpu": 2},
        "step": {
            "type": "Docker",
            "dockerFilePath": "Dockerfile",
            "contextPath": "https://example.org/a.git",
            "contextAccessToken": "hush-1",
            "arguments": [{"name": "A", "value": "1"}, {"name": "S", "value": "hush-2", "isSecret": True}],
        },
        "trigger": {
            "sourceTriggers": [
                {
                    "name": "s",
                    "sourceTriggerEvents": ["commit"],
                    "sourceRepository": {
                        "sourceControlType": "Github",
                        "repositoryUrl": "https://example.org/a.git",
                        "sourceControlAuthProperties": {"tokenType": "PAT", "token": "hush-3"},
                    },
                }
            ],
            "baseImageTrigger": {"name": "b", "baseImageTriggerType": "All", "updateTriggerEndpoint": "https://hush-4"},
        },
        "credentials": {
            "customRegistries": {"x.io": {"userName": {"value": "hush-5"}, "password": {"value": "hush-6"}}}
        },
    },
}
SECRETS = {f"hush-{number}" for number in range(1, 7)}


def stored(body: dict[str, Any], **changes: object) -> Task:
    spec = parse_task(body)
    spec = spec.model_copy(update={"identity": filled(spec.identity, f"{REGISTRY}/tasks/mytask", "tenant")})
    task = Task(
        registry="reg",
        name="mytask",
        spec=without_secrets(spec),
        created=NOW,
        system_data=SystemData.made("me", "User", NOW),
    )
    return task.model_copy(update=changes)


def test_no_secret_is_shown() -> None:
    answer = json.dumps(task_answer(REGISTRY, stored(BODY)))
    assert not [secret for secret in SECRETS if secret in answer]


def test_a_stored_task_holds_no_secret_and_is_read_as_it_was_written() -> None:
    task = stored(BODY)
    text = task.model_dump_json(by_alias=True)
    assert not [secret for secret in SECRETS if secret in text]
    assert Task.model_validate_json(text) == task


def test_the_details_show_every_secret() -> None:
    details = json.dumps(task_details(REGISTRY, stored(BODY), parse_task(BODY)))
    assert [secret for secret in SECRETS if secret not in details] == []


def test_the_details_make_the_same_task_again() -> None:
    details = task_details(REGISTRY, stored(BODY), parse_task(BODY))
    again = parse_task(json.loads(json.dumps(details)))
    assert again.properties == parse_task(BODY).properties


def test_the_shape() -> None:
    answer = task_answer(REGISTRY, stored(BODY))
    assert answer["id"] == f"{REGISTRY}/tasks/mytask"
    assert answer["type"] == "Microsoft.ContainerRegistry/registries/tasks"
    assert answer["tags"] == {"team": "x"}
    assert len(answer["systemData"]) == 6
    properties = answer["properties"]
    assert properties["provisioningState"] == "Succeeded"
    assert properties["creationDate"] == "2026-01-02T03:04:05.0006780+00:00"
    assert properties["credentials"] == {"customRegistries": {"x.io": None}}
    assert properties["step"]["arguments"] == [{"name": "A", "value": "1", "isSecret": False}]
    assert properties["trigger"]["sourceTriggers"][0]["status"] == "Enabled"
    assert "timerTriggers" not in properties["trigger"]
    assert properties["agentConfiguration"] == {"cpu": 2}


def test_empty_parts_are_left_out() -> None:
    body = {"properties": {"isSystemTask": True, "credentials": {}, "trigger": {}}}
    answer = task_answer(REGISTRY, stored(body))
    assert not {"step", "trigger", "credentials"} & set(answer["properties"])
    assert "identity" not in answer


def test_the_details_of_an_identity_always_have_the_member_that_az_reads() -> None:
    task = stored(BODY)
    assert "userAssignedIdentities" not in task_answer(REGISTRY, task)["identity"]
    assert task_details(REGISTRY, task, task.spec)["identity"]["userAssignedIdentities"] == {}


def test_identity_ids_follow_from_the_names() -> None:
    both = {"type": "SystemAssigned, UserAssigned", "userAssignedIdentities": {"/u/1": {}}}
    first, second = (task_answer(REGISTRY, stored(BODY | {"identity": both}))["identity"] for _ in range(2))
    assert first == second
    assert first["tenantId"] == "tenant"
    assert first["principalId"] != first["userAssignedIdentities"]["/u/1"]["principalId"]
    assert set(first["userAssignedIdentities"]["/u/1"]) == {"principalId", "clientId"}


def test_base_images_are_shown_once_each() -> None:
    image = Image(registry="r", repository="base", tag="1", digest="sha256:a")
    other = image.model_copy(update={"repository": "sdk"})
    found = base_images([ImageDependency(runtime=image, buildtime=(other,)), ImageDependency(runtime=image)])
    assert found == (
        BaseImage(type="Runtime", registry="r", repository="base", tag="1", digest="sha256:a"),
        BaseImage(type="Buildtime", registry="r", repository="sdk", tag="1", digest="sha256:a"),
    )
    shown = task_answer(REGISTRY, stored(BODY, base_images=found))["properties"]["step"]["baseImageDependencies"]
    assert [one["type"] for one in shown] == ["Runtime", "Buildtime"]
