"""Pushes while the app is down, hostile names, and a stranger's pull request, on the running stack."""

import hashlib
import hmac
import json
import os
import signal
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.builder.contexts.repositories import Repository, git
from tests.builder.contexts.web import Site, running_site
from tests.system.waiting import until

if TYPE_CHECKING:
    from tests.system.conftest import Stack

pytestmark = pytest.mark.slow
TRIGGER = "watch"
HOSTILE = "$(id>pwned)`id`'\"{{.Run.ID}}"
_PATIENCE = 240
_NONE = "0" * 40


@dataclass(frozen=True)
class Watched:
    """A repository, the task that watches it, and the hook through which its host tells of pushes."""

    stack: "Stack"
    repository: Repository
    task: str
    hook: dict[str, Any]

    def commit(self, branch: str) -> str:
        """Commit to a branch, which begins at the newest commit if there is none."""
        git(self.repository.place, "checkout", "-q", "-B", branch)
        return self.repository.commit({"page": f"{branch} {time.monotonic_ns()}"})

    def deliver(self, event: str, told: dict[str, Any]) -> None:
        body = json.dumps(told | {"repository": self.told, "sender": {"login": "ada", "id": 9}}).encode()
        signature = hmac.new(self.hook["secret"].encode(), body, hashlib.sha256).hexdigest()
        headers = {"X-GitHub-Event": event, "X-Hub-Signature-256": f"sha256={signature}"}
        with self.stack.http() as client:
            client.post(self.hook["url"], content=body, headers=headers).raise_for_status()

    @property
    def told(self) -> dict[str, Any]:
        url = self.repository.url
        return {"id": 7, "full_name": "app", "clone_url": url, "html_url": url}

    def push(self, branch: str, before: str, after: str) -> None:
        self.deliver("push", {"ref": f"refs/heads/{branch}", "before": before, "after": after, "commits": []})

    def runs(self) -> list[dict[str, Any]] | None:
        """Answer the task's runs; None while the app does not answer."""
        query = {"$filter": f"TaskName eq '{self.task}'"}
        try:
            with self.stack.http("owner") as client:
                answer = client.get(f"{self.stack.registry_url}/runs", params=query)
        except httpx.TransportError:
            return None
        return [one["properties"] for one in answer.json()["value"]] if answer.is_success else None

    def ended(self, *commits: str) -> list[dict[str, Any]]:
        """Wait until each commit has a run that has ended, and answer all runs."""

        def look() -> list[dict[str, Any]] | None:
            runs = self.runs()
            done = {one["sourceTrigger"]["commitId"] for one in runs or () if "finishTime" in one}
            return runs if done.issuperset(commits) else None

        return until(look, "the end of a run of each commit", seconds=_PATIENCE)

    def log(self, run: dict[str, Any]) -> str:
        with self.stack.http("owner") as client:
            url = client.post(f"{self.stack.registry_url}/runs/{run['runId']}/listLogSasUrl").json()["logLink"]
            return str(client.get(url).text)


@pytest.fixture
def site(stack: "Stack", tmp_path: Path) -> Iterator[Site]:
    """Serve git where the stack's builders may reach it."""
    with running_site(tmp_path / "site", stack.target.layout.tls, stack.target.ports.guest) as running:
        yield running


@pytest.fixture
def watched(stack: "Stack", site: Site) -> Iterator[Watched]:
    """Answer a repository whose every branch and pull request is watched by a task that only says what it is told."""
    repository, task = Repository(site), f"outage-{uuid.uuid4().hex[:8]}"
    image = f"{stack.login_server}/base/busybox:1.35"
    text = (
        f"version: v1.1.0\nsteps:\n  - cmd: {image} echo branch {{{{.Run.Branch}}}} end\n"
        f"  - cmd: {image} sh -c 'cat /workspace/page; ls /workspace'\n"
    )
    repository.commit({"task.yaml": text, "page": "first"})
    source = {
        "name": TRIGGER,
        "sourceTriggerEvents": ["commit", "pullrequest"],
        "sourceRepository": {"sourceControlType": "Github", "repositoryUrl": repository.url, "branch": "main"},
        "rules": {"branches": ["**"], "allowsForks": True},
    }
    step = {"type": "FileTask", "taskFilePath": "task.yaml", "contextPath": f"{repository.url}#main"}
    properties = {"platform": {"os": "linux"}, "step": step, "trigger": {"sourceTriggers": [source]}}
    address = f"{stack.registry_url}/tasks/{task}"
    with stack.http("owner") as client:
        client.put(address, json={"location": "local", "properties": properties}).raise_for_status()
        hook = client.post(f"{address}/sourceTriggers/{TRIGGER}/listHook").raise_for_status().json()
    try:
        yield Watched(stack, repository, task, hook)
    finally:
        with stack.http("owner") as client:
            client.delete(address)


def _kill_app(stack: "Stack") -> None:
    services = json.loads(stack.target.layout.record.read_text())["services"]
    os.kill(int(next(one["pid"] for one in services if one["name"] == "functions")), signal.SIGKILL)


def test_each_commit_of_an_outage_is_built_once_and_names_are_data(stack: "Stack", watched: Watched) -> None:
    first, other, odd = watched.commit("main"), watched.commit("release"), watched.commit(HOSTILE)
    for branch, commit in (("main", first), ("release", other), (HOSTILE, odd)):
        watched.push(branch, _NONE, commit)
    _kill_app(stack)
    git(watched.repository.place, "checkout", "-q", "main")
    main = [watched.commit("main") for _ in range(3)]
    git(watched.repository.place, "checkout", "-q", "release")
    release = [watched.commit("release") for _ in range(2)]
    until(watched.runs, "the app's return", seconds=_PATIENCE)
    watched.push("main", main[1], main[2])
    watched.ended(first, other, odd, *main, *release)

    watched.push("main", first, main[0])
    watched.push("main", main[0], main[1])
    fork = git(watched.repository.place, "commit-tree", "-m", "theirs", "-p", first, f"{first}^{{tree}}")
    git(watched.repository.place, "update-ref", "refs/pull/1/head", fork)
    theirs = {"ref": HOSTILE, "sha": fork, "repo": {"id": 8, "full_name": "eve/app"}}
    request = {"number": 1, "head": theirs, "base": {"ref": "main", "sha": main[2], "repo": watched.told}}
    watched.deliver("pull_request", {"action": "opened", "number": 1, "pull_request": request})
    runs = watched.ended(fork)

    meant = {first: "first", other: "other", odd: "odd", fork: "fork"}
    meant |= {commit: f"main {number}" for number, commit in enumerate(main)}
    meant |= {commit: f"release {number}" for number, commit in enumerate(release)}
    built = {meant.get(run["sourceTrigger"]["commitId"], "another"): run for run in runs}
    assert (sorted(built), len(runs)) == (sorted(meant.values()), len(meant))
    stranger = built.pop("fork")
    assert (stranger["sourceTrigger"]["pullRequestId"], stranger["status"]) == ("1", "Failed")
    assert "failed to authorize" in watched.log(stranger)
    assert "pwned" not in watched.log(stranger).splitlines()
    for run in built.values():
        source, said = run["sourceTrigger"], watched.log(run)
        assert run["status"] == "Succeeded", said
        assert f"branch {source['branchName']} end" in said
        assert git(watched.repository.place, "show", f"{source['commitId']}:page") in said
        assert "pwned" not in said.splitlines()
