"""Source triggers as the git room reads them; by values alone."""

from typing import Any

import pytest

from shared.tasks.checks import parse_task
from shared.tasks.model import TaskSpec
from shared.triggers.git.addresses import repository_key
from shared.triggers.git.events import HostKind
from shared.triggers.git.triggers import find_watched, host_kind, location_of, token_of, watched

URL = "https://git.example/yard/boat.git"
COMMIT = "a" * 40


def task(context: str | None, url: str = URL, **source: Any) -> TaskSpec:
    repository = {"sourceControlType": "Github", "repositoryUrl": url} | source
    step = {"type": "Docker", "dockerFilePath": "Dockerfile", "contextPath": context, "contextAccessToken": "of-step"}
    trigger = {"name": "Push", "sourceTriggerEvents": ["commit"], "sourceRepository": repository}
    return parse_task({"properties": {"step": step, "trigger": {"sourceTriggers": [trigger]}}})


@pytest.mark.parametrize(
    ("context", "location"),
    [
        (f"{URL}#main", f"{URL}#{COMMIT}"),
        (f"{URL}#main:a/b", f"{URL}#{COMMIT}:a/b"),
        ("https://GIT.example/Yard/Boat.git", f"https://GIT.example/Yard/Boat.git#{COMMIT}"),
        (None, f"{URL}#{COMMIT}"),
        ("https://git.example/yard/raft.git#main", None),
        ("https://other.example/yard/boat.git#main", None),
        ("oci://registry.example/context:v1", None),
    ],
)
def test_the_context_is_the_tasks_own_at_the_commit(context: str | None, location: str | None) -> None:
    spec = task(context)
    (watch,) = watched(spec.properties)
    assert location_of(spec, watch, COMMIT) == location


def test_the_branch_is_the_triggers_or_that_of_its_address() -> None:
    branches = [
        next(watched(task(None, **one).properties)).trigger.branch
        for one in ({"branch": "x"}, {"url": f"{URL}#y:dir"}, {})
    ]
    assert branches == ["x", "y", "master"]


def test_the_token_is_the_triggers_or_that_of_the_same_repository() -> None:
    auth: dict[str, Any] = {"sourceControlAuthProperties": {"tokenType": "PAT", "token": "of-trigger"}}
    assert token_of(task(f"{URL}#main", **auth), "Push") == "of-trigger"
    assert token_of(task(f"{URL}#main"), "Push") == "of-step"
    assert token_of(task("https://other.example/a/b.git"), "Push") is None
    assert token_of(task(None), "absent") is None


def test_triggers_are_found_in_any_case() -> None:
    properties = task(None).properties
    assert find_watched(properties, "PUSH") is not None
    assert find_watched(properties, "pull") is None


@pytest.mark.parametrize(
    ("told", "url", "kind"),
    [
        ("Github", "https://git.corp/a/b", HostKind.GITHUB),
        ("VisualStudioTeamService", "https://dev.azure.com/o/p/_git/r", HostKind.AZURE_DEVOPS),
        ("VisualStudioTeamService", "https://gitlab.com/a/b.git", HostKind.GITLAB),
        ("VisualStudioTeamService", "https://bitbucket.org/a/b.git", HostKind.BITBUCKET_CLOUD),
        ("VisualStudioTeamService", "https://bitbucket.corp/scm/a/b.git", HostKind.BITBUCKET_SERVER),
        ("VisualStudioTeamService", "https://codeberg.org/a/b.git", HostKind.GITEA),
        ("VisualStudioTeamService", "https://localhost:7454/app.git", HostKind.GITHUB),
        ("gitlab", "https://git.corp/a/b", HostKind.GITLAB),
        ("Unheard", "https://tfs.corp/c/p/_git/r", HostKind.AZURE_DEVOPS),
    ],
)
def test_the_kind_of_host_follows_from_word_and_address(told: str, url: str, kind: HostKind) -> None:
    assert host_kind(told, url) is kind


def test_one_repository_has_one_key_and_two_have_two() -> None:
    azure = "https://dev.azure.com/Org/project/_git/repo"
    assert repository_key(azure) == repository_key("https://org.visualstudio.com/DefaultCollection/project/_git/repo")
    assert repository_key(URL) == repository_key("https://user@GIT.example:443/yard/Boat#main")
    different = [URL, azure, "https://git.example/yard/raft.git", "https://git.example:8443/yard/boat.git"]
    different += ["https://dev.azure.com/other/project/_git/repo", "https://other.example/yard/boat.git"]
    assert len({repository_key(one) for one in different}) == len(different)
