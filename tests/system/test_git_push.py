"""Pushes to a real git repository over HTTPS start runs of a task that az made, on the running stack."""

import hashlib
import hmac
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from devstack.stack import names
from tests.builder.contexts.repositories import Repository
from tests.builder.contexts.web import Site, running_site
from tests.system.waiting import until

if TYPE_CHECKING:
    from tests.system.conftest import Stack

pytestmark = pytest.mark.slow
TASK = "on-each-push"
TRIGGER = "defaultSourceTriggerName"
TOKEN = "a-token-of-the-git-host"


@pytest.fixture
def site(stack: "Stack", tmp_path: Path) -> Iterator[Site]:
    """Serve git where the stack's builders may reach it; everything asks for the token."""
    with running_site(tmp_path / "site", stack.target.layout.tls, stack.target.ports.guest) as running:
        running.login = f"x-access-token:{TOKEN}"
        yield running


def run_of(stack: "Stack", commit: str) -> dict[str, Any] | None:
    with stack.http("owner") as client:
        listed = client.get(f"{stack.registry_url}/runs", params={"$filter": f"TaskName eq '{TASK}'"}).json()["value"]
    properties = (run["properties"] for run in listed)
    return next((one for one in properties if one.get("sourceTrigger", {}).get("commitId") == commit), None)


def finished(stack: "Stack", commit: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        run = run_of(stack, commit)
        return run if run and "finishTime" in run else None

    return until(look, f"the end of a run of {commit}")


def logs(stack: "Stack", run_id: str) -> str:
    return stack.az("acr", "task", "logs", "-r", names.REGISTRY, "--run-id", run_id).out


def deliver(stack: "Stack", hook: dict[str, Any], repository: Repository, before: str, after: str) -> int:
    told = {
        "ref": "refs/heads/main",
        "before": before,
        "after": after,
        "created": False,
        "deleted": False,
        "forced": False,
        "commits": [{"id": after, "message": "more", "added": [], "modified": ["page"], "removed": []}],
        "head_commit": {"id": after, "message": "more"},
        "repository": {"id": 7, "full_name": "app", "clone_url": repository.url, "html_url": repository.url},
        "sender": {"login": "ada", "id": 9},
    }
    body = json.dumps(told).encode()
    signature = hmac.new(hook["secret"].encode(), body, hashlib.sha256).hexdigest()
    headers = {
        "Content-Type": "application/json",
        "X-GitHub-Event": "push",
        "X-GitHub-Delivery": after,
        "X-Hub-Signature-256": f"sha256={signature}",
    }
    with stack.http() as client:
        return client.post(hook["url"], content=body, headers=headers).status_code


def test_pushes_told_and_missed_are_built_at_their_very_commits(stack: "Stack", site: Site) -> None:
    repository = Repository(site)
    dockerfile = f"FROM {stack.login_server}/base/busybox:1.35\nCOPY page /\nRUN cat /page\n"
    first = repository.commit({"Dockerfile": dockerfile, "page": "page-one\n"})
    create = ("acr", "task", "create", "-r", names.REGISTRY, "-n", TASK, "-f", "Dockerfile")
    source = (
        "-t",
        "pushed:{{.Run.Commit}}",
        "-c",
        f"{repository.url}#main",
        "--git-access-token",
        TOKEN,
        "--commit-trigger-enabled",
        "true",
    )
    said = stack.az(*create, *source, "-o", "none")
    assert said.code == 0, said.err
    try:
        with stack.http("owner") as client:
            answer = client.post(f"{stack.registry_url}/tasks/{TASK}/sourceTriggers/{TRIGGER}/listHook")
            hook = answer.raise_for_status().json()
        assert hook["sourceControlType"] == "Github"
        second = repository.commit({"page": "page-two\n"})
        third = repository.commit({"page": "page-three\n"})
        assert deliver(stack, hook, repository, first, second) == 200
        run = finished(stack, second)
        text = logs(stack, run["runId"])
        assert run["status"] == "Succeeded", text
        assert "page-two" in text
        assert [image["tag"] for image in run["outputImages"]] == [second]
        assert "page-three" not in text
        assert TOKEN not in text
        listed = stack.az("acr", "task", "list-runs", "-r", names.REGISTRY, "-n", TASK, "-o", "table").out
        assert "Commit" in next(row for row in listed.splitlines() if run["runId"] in row)

        missed = finished(stack, third)
        assert missed["status"] == "Succeeded"
        asked = stack.az("acr", "task", "run", "-r", names.REGISTRY, "-n", TASK)
        assert [image["tag"] for image in stack.run(asked.run_id)["outputImages"]] == [third]
        with stack.http("owner") as client:
            told = client.get(f"{stack.registry_url}/runs/{missed['runId']}/explain").json()
        assert "no delivery of its host told" in told["reason"]
        assert deliver(stack, hook, repository, second, third) == 200
        time_of_decision = until(lambda: _suppressed(stack), "the decision about the late delivery")
        assert "it has its run already" in time_of_decision
    finally:
        stack.az("acr", "task", "delete", "-r", names.REGISTRY, "-n", TASK, "-y")
    assert deliver(stack, hook, repository, third, first) in {200, 401}


def _suppressed(stack: "Stack") -> str | None:
    with stack.http("owner") as client:
        decisions = client.get(f"{stack.registry_url}/tasks/{TASK}/explain").raise_for_status().json()["decisions"]
    return next((one["reason"] for one in decisions if one["verdict"] == "suppressed"), None)
