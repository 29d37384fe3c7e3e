"""Tasks as az sends them are understood; what cannot be is refused with the member's name."""

from typing import Any

import pytest

from shared.arm.reading import read_as
from shared.errors import InvalidRequest
from shared.tasks.checks import parse_task
from shared.tasks.model import DockerStep, EncodedTaskStep, FileTaskStep, TaskSpec

DOCKER: dict[str, Any] = {
    "type": "Docker",
    "imageNames": ["app:{{.Run.ID}}"],
    "isPushEnabled": True,
    "noCache": False,
    "dockerFilePath": "Dockerfile",
    "arguments": [{"type": "Argument", "name": "A", "value": "1", "isSecret": False}],
    "contextPath": "https://example.org/a.git#main",
    "contextAccessToken": "tok",
}
FILE = {"type": "FileTask", "taskFilePath": "acb.yaml", "contextPath": "https://example.org/a.git"}
ENCODED = {"type": "EncodedTask", "encodedTaskContent": "c3RlcHM6IFtdCg==", "values": []}
SOURCE = {
    "name": "defaultSourceTriggerName",
    "status": "Enabled",
    "sourceTriggerEvents": ["commit"],
    "sourceRepository": {
        "sourceControlType": "Github",
        "repositoryUrl": "https://example.org/a.git",
        "branch": "main",
        "sourceControlAuthProperties": {"tokenType": "PAT", "token": "tok", "scope": "repo"},
    },
}


def task(**properties: object) -> dict[str, Any]:
    return {"location": "here", "properties": {"status": "Enabled", "step": DOCKER, **properties}}


@pytest.mark.parametrize(("step", "kind"), [(DOCKER, DockerStep), (FILE, FileTaskStep), (ENCODED, EncodedTaskStep)])
def test_every_kind_of_step_is_understood(step: dict[str, Any], kind: type[object]) -> None:
    assert type(parse_task(task(step=step)).properties.step) is kind


@pytest.mark.parametrize(
    "variable", ["Commit", "Branch", "GitTag", "TaskName", "TriggeredBy", "Date", "ID", "OS", "Architecture"]
)
def test_an_image_may_be_named_after_what_only_a_run_knows(variable: str) -> None:
    names = [f"app:{{{{.Run.{variable}}}}}"]
    step = parse_task(task(step=DOCKER | {"imageNames": names})).properties.step
    assert isinstance(step, DockerStep)
    assert list(step.image_names) == names


def test_an_image_that_cannot_be_is_quoted_as_it_was_given() -> None:
    with pytest.raises(InvalidRequest, match=r"^'Upper:v1' is not"):
        parse_task(task(step=DOCKER | {"imageNames": ["Upper:v1"]}))


def test_what_is_wrong_already_may_stay_and_may_go() -> None:
    blank = {"userName": {"value": "u"}, "password": {"value": ""}}
    base = {"name": "b", "baseImageTriggerType": "All", "updateTriggerEndpoint": "http://example.org"}
    body = task(trigger={"baseImageTrigger": base}, credentials={"customRegistries": {"https://x.io": blank}})
    known = read_as(TaskSpec, body, "task")
    assert parse_task(body, known) == known
    with pytest.raises(InvalidRequest):
        parse_task(body)


def test_a_name_that_cannot_be_is_refused_in_words() -> None:
    with pytest.raises(InvalidRequest, match="neither '/'"):
        parse_task(task(trigger={"timerTriggers": [TIMER | {"name": "a/b"}]}))
    identity = {"type": "UserAssigned", "userAssignedIdentities": {"me": {}}}
    with pytest.raises(InvalidRequest, match="not the resource id") as refusal:
        parse_task(task() | {"identity": identity})
    assert refusal.value.target == "identity.userAssignedIdentities.me"


def test_a_system_task_needs_no_step() -> None:
    spec = parse_task({"properties": {"isSystemTask": True, "status": "Enabled", "timeout": 3600}})
    assert spec.properties.step is None


def test_null_means_absent_everywhere() -> None:
    nulls = dict.fromkeys(
        ("platform", "trigger", "credentials", "agentConfiguration", "timeout", "status", "logTemplate")
    )
    assert parse_task(task(**nulls)) == parse_task(task())


def test_names_of_enums_are_read_in_any_case() -> None:
    base = {"name": "b", "baseImageTriggerType": "runtime", "status": "disabled", "updateTriggerPayloadType": "token"}
    trigger = parse_task(
        task(status="enabled", trigger={"baseImageTrigger": base})
    ).properties.trigger.base_image_trigger
    assert trigger is not None
    assert (trigger.base_image_trigger_type, trigger.status) == ("Runtime", "Disabled")


def test_a_blanked_login_is_no_login() -> None:
    spec = parse_task(task(credentials={"customRegistries": {"x.io": None}}))
    assert spec.properties.credentials.custom_registries == {}


TIMER = {"name": "t1", "schedule": "0 1 * * *"}
LOGIN = {"userName": {"value": "u"}, "password": {"value": "p"}}


@pytest.mark.parametrize(
    ("change", "target"),
    [
        ({"step": None}, "properties"),
        ({"step": {"type": "Nonsense"}}, "properties.step"),
        ({"step": {}}, "properties.step"),
        ({"step": {"type": "Docker"}}, "properties.step.dockerFilePath"),
        ({"step": {"type": "FileTask"}}, "properties.step.taskFilePath"),
        ({"step": {"type": "EncodedTask"}}, "properties.step.encodedTaskContent"),
        ({"step": {"type": "EncodedTask", "encodedTaskContent": "%"}}, "properties.step.encodedTaskContent"),
        ({"step": DOCKER | {"imageNames": ["Upper:v1"]}}, "properties.step.imageNames"),
        ({"step": DOCKER | {"imageNames": ["a:{{.Values.x}}"]}}, "properties.step.imageNames"),
        ({"step": DOCKER | {"imageNames": ["a"] * 101}}, "properties.step.imageNames"),
        ({"step": DOCKER | {"contextPath": "http://example.org/a.git"}}, "properties.step.contextPath"),
        ({"step": DOCKER | {"contextPath": "/etc"}}, "properties.step.contextPath"),
        ({"step": DOCKER | {"contextPath": "https://u:pw@example.org/a.git"}}, "properties.step.contextPath"),
        ({"step": DOCKER | {"contextPath": "oci://UPPER/x y"}}, "properties.step.contextPath"),
        ({"step": DOCKER | {"arguments": [{"value": "1"}]}}, "properties.step.arguments.0.name"),
        ({"timeout": 299}, "properties.timeout"),
        ({"timeout": 28801}, "properties.timeout"),
        ({"status": "Paused"}, "properties.status"),
        ({"platform": {"os": "windows", "architecture": "arm64"}}, "properties.platform.os"),
        ({"platform": {"os": "linux", "architecture": "vax"}}, "properties.platform.architecture"),
        ({"agentConfiguration": {"cpu": 0}}, "properties.agentConfiguration.cpu"),
        ({"agentConfiguration": {"cpu": "many"}}, "properties.agentConfiguration.cpu"),
        ({"trigger": {"timerTriggers": [{"name": "t1", "schedule": "* * *"}]}},
         "properties.trigger.timerTriggers.schedule"),
        ({"trigger": {"timerTriggers": [{"schedule": "* * * * *"}]}}, "properties.trigger.timerTriggers.0.name"),
        ({"trigger": {"timerTriggers": [TIMER, TIMER | {"name": "T1"}]}}, "properties.trigger.timerTriggers"),
        ({"trigger": {"timerTriggers": [TIMER | {"name": "a/b"}]}}, "properties.trigger.timerTriggers.0.name"),
        ({"trigger": {"sourceTriggers": [SOURCE | {"sourceTriggerEvents": ["tag"]}]}},
         "properties.trigger.sourceTriggers.0.sourceTriggerEvents.0"),
        ({"trigger": {"baseImageTrigger": {"name": "b"}}}, "properties.trigger.baseImageTrigger.baseImageTriggerType"),
        ({"trigger": {"baseImageTrigger": {"name": "b", "baseImageTriggerType": "Some"}}},
         "properties.trigger.baseImageTrigger.baseImageTriggerType"),
        ({"trigger": {"baseImageTrigger": {"name": "b", "baseImageTriggerType": "All", "updateTriggerEndpoint": "x"}}},
         "properties.trigger.baseImageTrigger.updateTriggerEndpoint"),
        ({"credentials": {"customRegistries": {"https://x.io/": LOGIN}}}, "properties.credentials.customRegistries"),
        ({"credentials": {"customRegistries": {"x io": LOGIN}}}, "properties.credentials.customRegistries"),
        ({"credentials": {"customRegistries": {"x.io": LOGIN | {"password": {"type": "Opaque", "value": None}}}}},
         "properties.credentials.customRegistries.x.io"),
        ({"credentials": {"customRegistries": {"x.io": {}}}}, "properties.credentials.customRegistries.x.io"),
        ({"credentials": {"customRegistries": {"x.io": {"userName": {"value": "u"}}}}},
         "properties.credentials.customRegistries.x.io"),
        ({"credentials": {"customRegistries": {"x.io": LOGIN | {"userName": {"type": "Vaultsecret"}}}}},
         "properties.credentials.customRegistries.x.io.userName"),
    ],
)  # fmt: skip
def test_a_bad_member_is_named(change: dict[str, Any], target: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        parse_task(task(**change))
    assert refusal.value.target == target
    assert refusal.value.message.endswith(".")


@pytest.mark.parametrize("body", [None, [], "text", {}, {"properties": []}, {"identity": {"type": "x"}, **task()}])
def test_a_body_that_is_no_task_is_refused(body: object) -> None:
    with pytest.raises(InvalidRequest):
        parse_task(body)


def test_a_refusal_never_quotes_a_secret() -> None:
    hush = ["hunter2"]
    for step in (
        DOCKER | {"contextAccessToken": hush},
        DOCKER | {"arguments": [{"name": "A", "value": hush}]},
        DOCKER | {"contextPath": "https://u:hunter2@example.org/a.git"},
    ):
        with pytest.raises(InvalidRequest) as refusal:
            parse_task(task(step=step))
        assert "hunter2" not in refusal.value.message
