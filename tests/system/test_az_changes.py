"""`az acr task` and `taskrun`, unmodified: changes, overrides, filters, and what is wrong or not there."""

import re
from typing import TYPE_CHECKING, Any

import pytest

from devstack.stack import names
from tests.system.test_az_tasks import REPOSITORY, Tasks, tasks

if TYPE_CHECKING:
    from tests.system.conftest import Stack

__all__ = ["tasks"]
pytestmark = pytest.mark.slow
ECHO = "$Registry/base/busybox:1.35 echo said {{.Values.who}}"


def test_a_task_with_a_source_trigger_is_updated(tasks: Tasks) -> None:
    created = tasks.create(
        "gittask", "-c", f"{REPOSITORY}#main", "-f", "Dockerfile", "-t", "app:{{.Run.Commit}}", "--git-access-token",
        "tok-en", "--source-trigger-name", "mine", "--base-image-trigger-name", "base",
        "--pull-request-trigger-enabled", "true",
    )  # fmt: skip
    assert created["step"]["imageNames"] == ["app:{{.Run.Commit}}"]
    updated = tasks.ask(
        "update", "gittask", "--cpu", "1", "--status", "Disabled", "--base-image-trigger-enabled", "false"
    )
    assert (updated["agentConfiguration"], updated["status"]) == ({"cpu": 1}, "Disabled")
    assert updated["trigger"]["baseImageTrigger"]["status"] == "Disabled"
    details = tasks.ask("show", "gittask", "--with-secure-properties")
    (source,) = details["trigger"]["sourceTriggers"]
    assert (source["name"], source["sourceTriggerEvents"]) == ("mine", ["commit", "pullrequest"])
    assert source["sourceRepository"]["sourceControlAuthProperties"]["token"] == "tok-en"
    assert "az acr task create" in tasks.refused("update", "gittask", "--commit-trigger-enabled", "false")


def test_a_task_without_triggers_gets_some(tasks: Tasks) -> None:
    plain = ("--cmd", "bash echo hi", "-c", "/dev/null", "--base-image-trigger-enabled", "false")
    assert tasks.create("plaintask", *plain, "--auth-mode", "None")["trigger"] is None
    assert not tasks.ask("timer list", "plaintask")
    base = tasks.ask("update", "plaintask", "--base-image-trigger-enabled", "true")["trigger"]["baseImageTrigger"]
    assert (base["status"], base["baseImageTriggerType"]) == ("Enabled", "Runtime")
    endpoint = ("--update-trigger-endpoint", "http://example.org")
    assert "https" in tasks.refused("update", "plaintask", *endpoint)
    assert "No timer" in tasks.refused("timer remove", "plaintask", "--timer-name", "none")


def test_what_a_login_lacks(tasks: Tasks) -> None:
    tasks.create("logintask", "--cmd", "bash echo hi", "-c", "/dev/null")
    login = ("--login-server", "other.example.org")
    assert "password" in tasks.refused("credential add", "logintask", *login, "-u", "me")
    host = ("--login-server", "https://other.example.org/")
    assert "not a login server" in tasks.refused("credential add", "logintask", *host, "-u", "me", "-p", "hush")
    tasks.ask("credential add", "logintask", *login, "-u", "me", "-p", "hush")
    tasks.ask("credential update", "logintask", *login, "-u", "you")
    kept = tasks.ask("show", "logintask", "--with-secure-properties")["credentials"]["customRegistries"]
    one = kept["other.example.org"]
    assert (one["userName"]["value"], one["password"]["value"]) == ("you", "hush")
    tasks.ask("credential update", "logintask", *login, "--use-identity", "[system]")
    (one,) = tasks.ask("credential list", "logintask").values()
    assert (one["identity"], one["password"]) == ("[system]", None)


def test_overrides_and_lists_of_runs(tasks: Tasks) -> None:
    tasks.create("saytask", "--cmd", ECHO, "-c", "/dev/null", "--set", "who=task")
    said = tasks.say("run", "saytask", "--set", "who=somebody")
    assert said.code == 0, said.err
    assert "said somebody" in said.out
    runs = ("acr", "task", "list-runs", "-r", names.REGISTRY, "-n", "saytask")
    listed = tasks.stack.az(*runs, "--run-status", "Succeeded", "--query", "[].[runId,runType]", "-o", "tsv")
    assert listed.out.split() == [said.run_id, "QuickRun"]
    assert tasks.stack.az(*runs, "--run-status", "Failed", "-o", "json").json() == []

    def of_run(command: str, *arguments: str) -> Any:
        answer = tasks.stack.az(
            "acr", "task", command, "-r", names.REGISTRY, "--run-id", said.run_id, *arguments
        )  # fmt: skip
        assert answer.code == 0, answer.err
        return answer

    assert re.search(rf"{said.run_id}\s+saytask\s+linux\s+Succeeded\s+Manual", of_run("show-run", "-o", "table").out)
    assert of_run("update-run", "--no-archive", "false").json()["isArchiveEnabled"] is True
    assert of_run("update-run").json()["isArchiveEnabled"] is True
    assert "said somebody" in of_run("logs").out
    assert of_run("cancel-run").out == ""


@pytest.mark.parametrize(
    ("command", "code", "expected"),
    [
        ("task run -n nosuch", 3, "ResourceNotFound"),
        ("task update -n nosuch --cpu 1", 3, "ResourceNotFound"),
        ("task credential list -n nosuch", 3, "ResourceNotFound"),
        ("task show-run --run-id nosuch", 3, "ResourceNotFound"),
        ("task cancel-run --run-id nosuch", 3, "ResourceNotFound"),
        ("task logs -n nosuch", 1, "Could not find the last created run"),
        ("task list-runs --top 0", 1, "from 1 to 1000"),
        ("taskrun show -n nosuch", 3, "ResourceNotFound"),
        ("agentpool show -n nosuch --queue-count", 3, "ResourceNotFound"),
        ("agentpool create -n mypool --tier Z9", 1, "tier"),
    ],
)
def test_what_is_not_there_or_wrong(stack: "Stack", command: str, code: int, expected: str) -> None:
    said = stack.az("acr", *command.split(), "-r", names.REGISTRY)
    assert (said.code, "Traceback" in said.err) == (code, False)
    assert expected in said.err
