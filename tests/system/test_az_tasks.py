"""`az acr task`, `agentpool` and `taskrun`, unmodified, against the whole: what each command line answers."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from devstack.stack import names

if TYPE_CHECKING:
    from tests.system.conftest import Said, Stack

pytestmark = pytest.mark.slow
REPOSITORY = "https://github.com/slipway-example/app.git"
USER_IDENTITY = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/me"


class Tasks:
    """The `az acr task` commands of one registry; what is made here is deleted at the end."""

    def __init__(self, stack: "Stack") -> None:
        self.stack = stack
        self.made: set[str] = set()

    def say(self, command: str, name: str, *arguments: str) -> "Said":
        return self.stack.az("acr", "task", *command.split(), "-r", names.REGISTRY, "-n", name, *arguments)

    def ask(self, command: str, name: str, *arguments: str) -> Any:
        said = self.say(command, name, *arguments)
        assert said.code == 0, said.err
        return said.json() if said.out.strip() else None

    def create(self, name: str, *arguments: str) -> dict[str, Any]:
        self.made.add(name)
        created: dict[str, Any] = self.ask("create", name, *arguments)
        return created

    def refused(self, command: str, name: str, *arguments: str) -> str:
        said = self.say(command, name, *arguments)
        assert said.code != 0, said.out
        assert "Traceback" not in said.err
        return said.err


@pytest.fixture
def tasks(stack: "Stack") -> Iterator[Tasks]:
    tasks = Tasks(stack)
    yield tasks
    with stack.http("owner") as client:
        for name in tasks.made:
            assert client.delete(f"{stack.registry_url}/tasks/{name}").status_code in {200, 204}


def test_a_docker_task_keeps_its_secrets_to_itself(tasks: Tasks) -> None:
    created = tasks.create(
        "dockertask", "-t", "app:{{.Run.ID}}", "-t", "app:latest", "-c", f"{REPOSITORY}#main", "-f", "Dockerfile",
        "--commit-trigger-enabled", "false", "--arg", "A=1", "--secret-arg", "S=hush", "--target", "last",
    )  # fmt: skip
    assert created["provisioningState"] == "Succeeded"
    assert (created["status"], created["timeout"], created["agentConfiguration"]) == ("Enabled", 3600, {"cpu": 2})
    assert created["platform"]["architecture"] == "amd64"
    step = created["step"]
    assert (step["contextPath"], step["dockerFilePath"], step["target"]) == (f"{REPOSITORY}#main", "Dockerfile", "last")
    assert step["arguments"] == [{"name": "A", "value": "1", "isSecret": False}]
    assert all(created["systemData"].values())
    assert len(created["systemData"]) == 6
    assert "hush" not in tasks.say("show", "dockertask").out
    details = tasks.ask("show", "dockertask", "--with-secure-properties")
    assert details["step"]["arguments"][1] == {"name": "S", "value": "hush", "isSecret": True}
    updated = tasks.ask("update", "dockertask", "--platform", "linux/arm", "--arg", "B=2", "--timeout", "600")
    assert (updated["platform"]["architecture"], updated["timeout"]) == ("arm", 600)
    assert updated["creationDate"] == created["creationDate"]
    assert updated["step"]["imageNames"] == ["app:{{.Run.ID}}", "app:latest"]
    assert updated["step"]["arguments"] == [{"name": "B", "value": "2", "isSecret": False}]


def test_a_file_task_with_every_trigger(tasks: Tasks) -> None:
    created = tasks.create(
        "filetask", "-f", "acb.yaml", "-c", f"{REPOSITORY}#dev:sub", "--git-access-token", "tok-en", "--set", "x=1",
        "--set-secret", "y=hush", "--pull-request-trigger-enabled", "true", "--base-image-trigger-type", "All",
        "--update-trigger-endpoint", "https://example.org/hook?code=hush", "--schedule", "daily:0 21 * * *",
    )  # fmt: skip
    assert created["step"]["values"] == [{"name": "x", "value": "1", "isSecret": False}]
    (source,) = created["trigger"]["sourceTriggers"]
    assert source["sourceTriggerEvents"] == ["commit", "pullrequest"]
    assert source["sourceRepository"]["branch"] == "dev"
    assert source["sourceRepository"]["sourceControlAuthProperties"] is None
    assert created["trigger"]["baseImageTrigger"]["baseImageTriggerType"] == "All"
    assert created["trigger"]["baseImageTrigger"]["updateTriggerEndpoint"] is None
    said = json.dumps(created)
    assert "hush" not in said
    assert "tok-en" not in said
    details = tasks.ask("show", "filetask", "--with-secure-properties")
    assert details["step"]["contextAccessToken"] == "tok-en"
    (source,) = details["trigger"]["sourceTriggers"]
    assert source["sourceRepository"]["sourceControlAuthProperties"]["token"] == "tok-en"
    assert details["trigger"]["baseImageTrigger"]["updateTriggerEndpoint"].endswith("hush")


def test_a_contextless_task_is_listed_updated_run_and_deleted(tasks: Tasks) -> None:
    created = tasks.create("cmdtask", "--cmd", "bash echo hi", "-c", "/dev/null", "--timeout", "900")
    assert created["step"]["type"] == "EncodedTask"
    tasks.create("quicktask", "--is-system-task")
    listed = tasks.stack.az("acr", "task", "list", "-r", names.REGISTRY, "-o", "table").out.splitlines()
    assert re.split(r"\s{2,}", listed[0].strip())[:3] == ["NAME", "PLATFORM", "STATUS"]
    rows = [line.split()[0] for line in listed[2:]]
    assert rows.index("cmdtask") < rows.index("quicktask")
    assert tasks.ask("update", "cmdtask", "--status", "Disabled")["status"] == "Disabled"
    assert "is disabled" in tasks.refused("run", "cmdtask", "--no-wait")
    assert tasks.ask("update", "cmdtask", "--status", "Enabled")["status"] == "Enabled"
    run_id = tasks.say("run", "CMDTASK", "--no-wait").run_id
    run = tasks.stack.run(run_id)
    assert (run["task"], run["runType"]) == ("cmdtask", "QuickRun")
    table = tasks.say("list-runs", "cmdtask", "-o", "table").out
    assert re.search(rf"{run_id}\s+cmdtask\s+linux\s+\w+\s+Manual", table)
    cancel = tasks.stack.az("acr", "task", "cancel-run", "-r", names.REGISTRY, "--run-id", run_id)
    assert cancel.code == 0
    logs = tasks.say("logs", "cmdtask")
    assert f"Run ID: {run_id}" in logs.out
    assert "no step" in tasks.refused("run", "quicktask", "--no-wait")
    assert tasks.say("delete", "cmdtask", "-y").code == 0
    assert tasks.say("delete", "cmdtask", "-y").code == 0
    assert "ResourceNotFound" in tasks.refused("show", "cmdtask")


def test_a_docker_task_builds_an_uploaded_context(tasks: Tasks, context: Path) -> None:
    stack = tasks.stack
    dockerfile = f"FROM {stack.login_server}/base/busybox:1.35\nARG WHO\nARG S\nRUN echo hello $WHO $S\n"
    (context / "Dockerfile").write_text(dockerfile)
    tasks.create(
        "buildtask", "-t", "tasks/build:{{.Run.ID}}", "-c", REPOSITORY, "-f", "Dockerfile",
        "--commit-trigger-enabled", "false", "--arg", "WHO=task", "--secret-arg", "S=hush-hush",
    )  # fmt: skip
    said = tasks.say("run", "buildtask", "-c", str(context), "--arg", "WHO=override", "--update-trigger-token", "t")
    assert said.code == 0, said.out + said.err
    assert "hello override" in said.out
    assert "hush-hush" not in said.out
    run = stack.run(said.run_id)
    assert (run["status"], run["task"]) == ("Succeeded", "buildtask")
    assert run["outputImages"][0]["tag"] == said.run_id
    (base,) = tasks.ask("show", "buildtask")["step"]["baseImageDependencies"]
    assert (base["type"], base["repository"], base["tag"]) == ("Runtime", "base/busybox", "1.35")
    assert base["digest"].startswith("sha256:")


def test_credentials(tasks: Tasks) -> None:
    tasks.create("credtask", "--cmd", "bash echo hi", "-c", "/dev/null")
    login = ("--login-server", "other.example.org")
    assert tasks.ask("credential add", "credtask", *login, "-u", "me", "-p", "hush") == {"other.example.org": None}
    updated = tasks.ask("credential update", "credtask", *login, "-u", "you", "-p", "hush2")
    assert updated == {"other.example.org": None}
    shown = tasks.ask("show", "credtask", "--with-secure-properties")["credentials"]["customRegistries"]
    assert shown["other.example.org"]["userName"] == {"type": "Opaque", "value": "you"}
    assert shown["other.example.org"]["password"] == {"type": "Opaque", "value": "hush2"}
    assert "other.example.org" in json.dumps(tasks.ask("credential list", "credtask"))
    vault, third = f"https://{tasks.stack.target.ports.vault_host}", ("--login-server", "third.example.org")
    wrong = tasks.refused("credential add", "credtask", *third, "-u", f"{vault}/keys/u", "-p", f"{vault}/keys/p")
    assert "https://<vault>/secrets/<name>" in wrong
    tasks.ask("credential add", "credtask", *third, "-u", f"{vault}/secrets/u", "-p", f"{vault}/secrets/p")
    shown = tasks.ask("show", "credtask", "--with-secure-properties")["credentials"]["customRegistries"]
    assert shown["third.example.org"]["password"] == {"type": "Vaultsecret", "value": f"{vault}/secrets/p"}
    for one in (login, third):
        tasks.ask("credential remove", "credtask", *one)
    assert not tasks.ask("credential list", "credtask")


def test_identities(tasks: Tasks) -> None:
    tasks.create("idtask", "--cmd", "bash echo hi", "-c", "/dev/null", "--assign-identity")
    shown = tasks.ask("identity show", "idtask")
    assert shown["type"] == "SystemAssigned"
    assert shown["principalId"]
    assert shown["tenantId"]
    assert tasks.say("identity remove", "idtask").code == 0
    both = tasks.ask("identity assign", "idtask", "--identities", "[system]", USER_IDENTITY)["identity"]
    assert both["type"] == "SystemAssigned, UserAssigned"
    assert both["principalId"] == shown["principalId"]
    assert set(both["userAssignedIdentities"][USER_IDENTITY]) >= {"principalId", "clientId"}
    left = tasks.ask("identity remove", "idtask", "--identities", USER_IDENTITY)["identity"]
    assert left["type"] == "SystemAssigned"
    assert tasks.ask("identity remove", "idtask", "--identities", "[all]")["identity"] is None
    assert not tasks.ask("identity show", "idtask")


def test_timers(tasks: Tasks) -> None:
    tasks.create("timertask", "--cmd", "bash echo hi", "-c", "/dev/null", "--set-secret", "s=hush")
    tasks.ask("timer add", "timertask", "--timer-name", "t1", "--schedule", "0 9 * * Mon-Fri")
    tasks.ask("timer add", "timertask", "--timer-name", "t2", "--schedule", "30 9 1 * *", "--enabled", "false")
    tasks.ask("timer update", "timertask", "--timer-name", "t1", "--schedule", "0 12 * * *")
    listed = [(one["name"], one["schedule"], one["status"]) for one in tasks.ask("timer list", "timertask")]
    assert listed == [("t1", "0 12 * * *", "Enabled"), ("t2", "30 9 1 * *", "Disabled")]
    assert "[Hour] field" in tasks.refused("timer add", "timertask", "--timer-name", "t3", "--schedule", "0 25 * * *")
    created = tasks.ask("show", "timertask")["creationDate"]
    tasks.ask("timer remove", "timertask", "--timer-name", "t1")
    after = tasks.ask("show", "timertask", "--with-secure-properties")
    assert [one["name"] for one in after["trigger"]["timerTriggers"]] == ["t2"]
    assert after["step"]["values"][0]["value"] == "hush"
    assert after["creationDate"] == created


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("bad", ("--cmd", "x", "-c", "/dev/null"), "5 to 50"),
        ("badtask", ("--cmd", "x", "-c", "/dev/null", "--timeout", "29000"), "28800"),
        ("badtask", ("--cmd", "x", "-c", "/dev/null", "--schedule", "61 * * * *"), "crontab|higher"),
        ("badtask", ("--cmd", "x", "-c", "/dev/null", "--platform", "windows"), "Windows"),
        ("badtask", ("-t", "Upper:v1", "-f", "D", "-c", REPOSITORY, "--commit-trigger-enabled", "false"), "lower-case"),
        ("badtask", ("-t", "x:v1", "-f", "D", "-c", "http://example.org/x.git", "--commit-trigger-enabled", "false"),
         "https"),
    ],
)  # fmt: skip
def test_a_task_that_cannot_be_is_refused(tasks: Tasks, name: str, arguments: tuple[str, ...], expected: str) -> None:
    assert re.search(expected, tasks.refused("create", name, *arguments))


def test_agent_pools(stack: "Stack") -> None:
    def pool(command: str, *arguments: str) -> "Said":
        return stack.az("acr", "agentpool", command, "-r", names.REGISTRY, *arguments)

    created = pool("create", "-n", "testpool", "--count", "1", "--tier", "S2")
    assert created.code == 0, created.err
    assert (created.json()["provisioningState"], created.json()["tier"]) == ("Succeeded", "S2")
    assert "testpool" in [one["name"] for one in pool("list").json()]
    assert pool("show", "-n", "testpool", "--queue-count").json()["count"] == 0
    assert pool("update", "-n", "testpool", "--count", "0").json()["count"] == 0
    said = stack.az(
        "acr",
        "run",
        "-r",
        names.REGISTRY,
        "--cmd",
        "bash echo hi",
        "--agent-pool",
        "testpool",
        "--no-wait",
        "/dev/null",
    )
    assert said.code == 0, said.err
    assert pool("show", "-n", "testpool", "--queue-count").json()["count"] == 1
    stack.az("acr", "task", "cancel-run", "-r", names.REGISTRY, "--run-id", said.run_id)
    assert pool("delete", "-n", "testpool", "-y").code == 0
    assert pool("show", "-n", "testpool").code == 3
    unknown = stack.az(
        "acr", "run", "-r", names.REGISTRY, "--cmd", "bash echo hi", "--agent-pool", "nopool", "--no-wait", "/dev/null"
    )
    assert "agent pool 'nopool' does not exist" in unknown.err


def test_task_runs(tasks: Tasks) -> None:
    stack = tasks.stack
    tasks.create("trtask", "--cmd", "bash echo hi", "-c", "/dev/null")
    url = f"{stack.registry_url}/taskRuns/mytaskrun?api-version=2019-06-01-preview"
    request = {"type": "TaskRunRequest", "taskId": f"{names.REGISTRY_ID}/tasks/trtask"}

    def put(tag: str) -> dict[str, Any]:
        body = {"properties": {"runRequest": request, "forceUpdateTag": tag}}
        said = stack.az(
            "rest", "--method", "put", "--url", url, "--body", json.dumps(body),
            "--resource", "https://management.core.windows.net/",
        )  # fmt: skip
        assert said.code == 0, said.err
        answer: dict[str, Any] = said.json()["properties"]["runResult"]["properties"]
        return answer

    first = put("1")
    assert first["task"] == "trtask"
    stack.az("acr", "task", "cancel-run", "-r", names.REGISTRY, "--run-id", first["runId"])
    assert put("1")["runId"] == first["runId"]
    second = put("2")
    assert second["runId"] != first["runId"]
    stack.az("acr", "task", "cancel-run", "-r", names.REGISTRY, "--run-id", second["runId"])
    shown = stack.az("acr", "taskrun", "show", "-r", names.REGISTRY, "-n", "mytaskrun").json()
    assert shown["runResult"]["runId"] == second["runId"]
    assert shown["runRequest"]["taskId"] == request["taskId"]
    table = stack.az("acr", "taskrun", "list", "-r", names.REGISTRY, "-o", "table").out
    assert "mytaskrun" in table
    logs = stack.az("acr", "taskrun", "logs", "-r", names.REGISTRY, "-n", "mytaskrun")
    assert f"Run ID: {second['runId']}" in logs.out
    assert stack.az("acr", "taskrun", "delete", "-r", names.REGISTRY, "-n", "mytaskrun", "-y").code == 0
    assert stack.az("acr", "taskrun", "show", "-r", names.REGISTRY, "-n", "mytaskrun").code == 3


def test_roles_of_tasks(tasks: Tasks) -> None:
    tasks.create("roletask", "--cmd", "bash echo hi", "-c", "/dev/null", "--set-secret", "s=hush")
    stack = tasks.stack
    show = ("acr", "task", "show", "-r", names.REGISTRY, "-n", "roletask")
    assert stack.az(*show, principal="reader").code == 0
    assert "AuthorizationFailed" in stack.az(*show, "--with-secure-properties", principal="reader").err
    runner = stack.az(*show, "--with-secure-properties", principal="runner")
    assert runner.code == 0
    assert "hush" not in runner.out
    refused = stack.az("acr", "task", "delete", "-r", names.REGISTRY, "-n", "roletask", "-y", principal="runner")
    assert "AuthorizationFailed" in refused.err
