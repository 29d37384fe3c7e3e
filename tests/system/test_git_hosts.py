"""Tasks and git hosts' APIs on the running stack: a hook is made, its deliveries start runs, statuses come back.

The repositories are real ones behind HTTPS; the hosts' APIs are doubles that check what they are sent.
"""

import itertools
import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from devstack.stack import names
from shared.triggers.git.events import HostKind
from shared.triggers.git.triggers import TYPE_NAMES
from tests.builder.contexts.repositories import Repository
from tests.builder.contexts.web import Asked, Reply, Site, running_site
from tests.shared.triggers.git import payloads
from tests.shared.triggers.git.rest.hosts import TOKEN, Double, secret_of
from tests.system.waiting import until

if TYPE_CHECKING:
    from tests.system.conftest import Stack

pytestmark = pytest.mark.slow
_NUMBERS = itertools.count(1)
PLACES = {
    HostKind.GITHUB: "yard/boat.git",
    HostKind.GITLAB: "yard/boat.git",
    HostKind.GITEA: "yard/boat.git",
    HostKind.BITBUCKET_SERVER: "bitbucket/scm/yard/boat.git",
    HostKind.AZURE_DEVOPS: "fleet/yard/_git/boat",
}
_APIS = ("/api/", "/bitbucket/rest/", "/fleet/_apis/", "/fleet/yard/_apis/")
_FINAL = {
    HostKind.GITHUB: "success",
    HostKind.GITLAB: "success",
    HostKind.GITEA: "success",
    HostKind.BITBUCKET_SERVER: "SUCCESSFUL",
    HostKind.AZURE_DEVOPS: "succeeded",
}


@dataclass
class Port:
    """A host: its repository, its API, and what it delivers to its one hook."""

    stack: "Stack"
    kind: HostKind
    site: Site
    double: Double
    repository: Repository
    delivered: list[str] = field(default_factory=list)

    def api(self, asked: Asked) -> Reply:
        """Answer what comes for the API, which the double of Azure DevOps knows by its real name."""
        host = "dev.azure.com" if self.kind is HostKind.AZURE_DEVOPS else "localhost"
        request = httpx.Request(asked.method, f"https://{host}{asked.path}", headers=asked.headers, content=asked.body)
        answer = self.double.answer(request)
        return Reply(answer.status_code, answer.content, dict(answer.headers))

    @property
    def hook(self) -> dict[str, Any]:
        return next(iter(self.double.hooks.values()))

    @property
    def hook_url(self) -> str:
        hook = self.hook
        holder = hook.get("config") or hook.get("consumerInputs") or hook
        return str(holder["url"])

    def deliver(self, event: str, body: payloads.Body) -> int:
        number = str(next(_NUMBERS))
        if self.kind is HostKind.AZURE_DEVOPS:
            body |= {"notificationId": int(number)}
        told = {
            HostKind.GITHUB: {"X-GitHub-Delivery": f"{self.repository.url}{number}"},
            HostKind.GITLAB: {"Idempotency-Key": number},
            HostKind.GITEA: {"X-Gitea-Delivery": number},
            HostKind.BITBUCKET_SERVER: {"X-Request-Id": number},
        }.get(self.kind, {})
        request = payloads.signed(self.kind, event, body, secret_of(self.kind, self.hook), **told)
        with self.stack.http() as client:
            return client.post(self.hook_url, content=request.body, headers=dict(request.headers)).status_code

    def push(self, before: str, after: str) -> int:
        moved = {"before": before, "after": after}
        match self.kind:
            case HostKind.GITHUB:
                return self.deliver("push", payloads.github_push(**moved, head_commit=payloads.github_commit(after)))
            case HostKind.GITLAB:
                return self.deliver("Push Hook", payloads.gitlab_push(**moved, checkout_sha=after))
            case HostKind.GITEA:
                return self.deliver("push", payloads.gitea_push(**moved))
            case HostKind.BITBUCKET_SERVER:
                change = payloads.server_change(fromHash=before, toHash=after)
                return self.deliver("repo:refs_changed", payloads.server_push(change))
        return self.deliver("", payloads.azure_push(payloads.azure_update(old=before, new=after)))

    def states(self, commit: str) -> list[str]:
        return [str(body["state"]) for sha, body in self.double.statuses if sha == commit]


@pytest.fixture(params=list(PLACES), ids=str)
def port(request: pytest.FixtureRequest, stack: "Stack", tmp_path: Path) -> Iterator[Port]:
    kind: HostKind = request.param
    with running_site(tmp_path / "site", stack.target.layout.tls, stack.target.ports.guest) as site:
        user = "x-access-token"
        site.login = f"{user}:{TOKEN}"
        found = Port(stack, kind, site, Double(kind), Repository(site, PLACES[kind]))
        site.apps.update(dict.fromkeys(_APIS, found.api))
        yield found


def make(port: Port, name: str) -> None:
    """Make a task: with az where it has a word for the host, else with ARM's."""
    if port.kind in {HostKind.GITHUB, HostKind.AZURE_DEVOPS}:
        source = ("-c", f"{port.repository.url}#main", "-f", "Dockerfile", "--git-access-token", TOKEN)
        more = ("--no-push", "true", "--pull-request-trigger-enabled", "true", "-o", "none")
        said = port.stack.az("acr", "task", "create", "-r", names.REGISTRY, "-n", name, *source, *more)
        assert said.code == 0, said.err
        return
    repository = {
        "sourceControlType": TYPE_NAMES[port.kind],
        "repositoryUrl": port.repository.url,
        "branch": "main",
        "sourceControlAuthProperties": {"tokenType": "PAT", "token": TOKEN},
    }
    trigger = {"name": "git", "sourceTriggerEvents": ["commit", "pullrequest"], "sourceRepository": repository}
    step = {
        "type": "Docker",
        "dockerFilePath": "Dockerfile",
        "isPushEnabled": False,
        "contextPath": f"{port.repository.url}#main",
        "contextAccessToken": TOKEN,
    }
    body = {"location": "local", "properties": {"step": step, "trigger": {"sourceTriggers": [trigger]}}}
    with port.stack.http("owner") as client:
        answer = client.put(f"{port.stack.registry_url}/tasks/{name}", json=body)
        assert answer.is_success, answer.text


def runs(stack: "Stack", name: str) -> list[dict[str, Any]]:
    with stack.http("owner") as client:
        listed = client.get(f"{stack.registry_url}/runs", params={"$filter": f"TaskName eq '{name}'"}).json()["value"]
    return [run["properties"] for run in listed]


def test_hook_push_run_status_and_no_hook_any_more(port: Port) -> None:
    name = f"at-{port.kind}-{uuid.uuid4().hex[:8]}"
    # Long enough for its beginning to be told: a host hears how a run is, not how it was.
    dockerfile = f"FROM {port.stack.login_server}/base/busybox:1.35\nCOPY page /\nRUN sleep 4\n"
    first = port.repository.commit({"Dockerfile": dockerfile, "page": "one\n"})
    make(port, name)
    try:
        assert port.double.hooks
        assert port.hook_url.startswith(f"{port.stack.target.ports.public_url}/hooks/")
        second = port.repository.commit({"page": "two\n"})
        assert port.push(first, second) == 200
        until(lambda: _FINAL[port.kind] in port.states(second), f"the status of {second}")
        (run,) = runs(port.stack, name)
        assert (run["status"], run["sourceTrigger"]["commitId"]) == ("Succeeded", second)
        assert run["sourceTrigger"]["providerType"] == TYPE_NAMES[port.kind]
        assert port.states(second)[0] != _FINAL[port.kind]
        assert run["runId"] in str(port.double.statuses)
        assert TOKEN not in json.dumps(port.double.statuses)
    finally:
        port.stack.az("acr", "task", "delete", "-r", names.REGISTRY, "-n", name, "-y")
    assert port.double.hooks == {}


@pytest.mark.parametrize("port", [HostKind.GITHUB], indirect=True)
def test_pull_requests_forks_other_branches_and_lacking_scopes(port: Port) -> None:
    name = f"requests-{uuid.uuid4().hex[:8]}"
    port.repository.commit({"Dockerfile": "FROM scratch\nCOPY page /\n", "page": "one\n"})
    port.double.lacks = True
    create = ("acr", "task", "create", "-r", names.REGISTRY, "-n", name, "-f", "Dockerfile")
    said = port.stack.az(*create, "-c", f"{port.repository.url}#main", "--git-access-token", TOKEN, "--no-push", "true")
    assert said.code == 1
    assert "the token lacks admin:repo_hook" in said.err
    port.double.lacks = False
    make(port, name)
    try:
        opened, updated, forked = (port.repository.commit({"page": f"{word}\n"}) for word in ("pr", "more", "fork"))
        for number, (action, sha) in enumerate((("opened", opened), ("synchronize", updated))):
            side = {"label": "yard:topic", "ref": "topic", "sha": sha, "repo": payloads.github_repository()}
            body = payloads.github_pull_request(action, {"head": side})
            assert port.deliver("pull_request", body) == 200, number
        fork = {"label": "f:t", "ref": "t", "sha": forked, "repo": payloads.github_repository(id=78, fork=True)}
        assert port.deliver("pull_request", payloads.github_pull_request("opened", {"head": fork})) == 200
        assert port.deliver("push", payloads.github_push(ref="refs/heads/other", after=forked)) == 200
        for sha in (opened, updated):
            until(lambda sha=sha: "success" in port.states(sha), f"the status of {sha}")  # type: ignore[misc] # bound now
        assert port.states(forked) == []
        found = runs(port.stack, name)
        assert {run["sourceTrigger"]["commitId"] for run in found} == {opened, updated}
        assert {run["sourceTrigger"]["pullRequestId"] for run in found} == {"12"}
        listed = port.stack.az("acr", "task", "list-runs", "-r", names.REGISTRY, "-n", name, "-o", "table").out
        assert "Pull Request" in listed
    finally:
        port.stack.az("acr", "task", "delete", "-r", names.REGISTRY, "-n", name, "-y")
    assert port.double.hooks == {}
