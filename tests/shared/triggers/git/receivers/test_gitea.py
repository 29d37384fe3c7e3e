"""Gitea, Forgejo and Gogs."""

import pytest

from shared.triggers.git.events import HostKind, PullRequest, PullRequestAction, Push
from shared.triggers.git.hosts import git_host
from tests.shared.triggers.git.payloads import (
    NEW,
    NONE,
    OLD,
    SECRET,
    Body,
    encoded,
    gitea_push,
    github_commit,
    github_pull_request,
    github_repository,
    signed,
)

GITEA = git_host(HostKind.GITEA)


def push(body: Body, event: str = "push", name: str = "Gitea") -> Push:
    found = GITEA.parse({f"X-{name}-Event": event}, encoded(body)).events[0]
    assert isinstance(found, Push), found
    return found


@pytest.mark.parametrize("name", ["Gitea", "Forgejo", "Gogs", "GitHub"])
def test_a_push_under_each_name(name: str) -> None:
    found = push(gitea_push(), name=name)
    assert (found.ref, found.before, found.after) == ("refs/heads/main", OLD, NEW)
    assert found.repository.clone_url == "https://gitea.example/yard/boat.git"
    assert found.is_forced is None


def test_a_creation_names_its_commit_and_a_deletion_its_ref() -> None:
    body = {"sha": NEW, "ref": "topic", "ref_type": "branch", "repository": github_repository()}
    created = push(body, "create")
    assert (created.ref, created.before, created.after, created.is_new) == ("refs/heads/topic", NONE, NEW, True)
    deleted = push(body | {"ref": "v1", "ref_type": "tag"}, "delete")
    assert (deleted.ref, deleted.after, deleted.is_deleted) == ("refs/tags/v1", NONE, True)


def test_a_push_names_some_of_its_commits_only() -> None:
    assert push(gitea_push(total_commits=2)).paths == frozenset({"hull/paint.txt"})
    assert push(gitea_push(total_commits=3)).paths is None
    body = gitea_push(commits=[github_commit(NEW)] * 5)
    del body["total_commits"]
    assert push(body).paths is None


def test_null_is_an_empty_list_of_paths() -> None:
    commit = github_commit(NEW) | {"added": None, "removed": None}
    assert push(gitea_push(commits=[commit], total_commits=1)).paths == frozenset({"hull/paint.txt"})


def test_a_pull_request_that_moved() -> None:
    body = encoded(github_pull_request("synchronized"))
    found = GITEA.parse({"X-Gitea-Event": "pull_request", "X-Gitea-Event-Type": "pull_request_sync"}, body).events[0]
    assert isinstance(found, PullRequest)
    assert (found.number, found.action, found.head_commit) == (12, PullRequestAction.UPDATED, NEW)
    assert (found.fetch_ref, found.merge_ref) == ("refs/pull/12/head", "")


@pytest.mark.parametrize(("head", "is_fork"), [(77, False), (78, True)])
def test_a_pull_request_with_its_sides_written_flat(head: int, *, is_fork: bool) -> None:
    flat = {
        "number": 12,
        "merged": False,
        "head_branch": "topic",
        "head_repo": github_repository(id=head),
        "base_branch": "main",
        "base_repo": github_repository(),
    }
    body = {"action": "opened", "number": 12, "pull_request": flat, "repository": github_repository()}
    found = GITEA.parse({"X-Gogs-Event": "pull_request"}, encoded(body)).events[0]
    assert isinstance(found, PullRequest)
    assert (found.number, found.action) == (12, PullRequestAction.OPENED)
    assert (found.head_branch, found.base_branch, found.head_commit) == ("topic", "main", "")
    assert (found.repository.name, found.source.name, found.is_fork) == ("yard/boat", "yard/boat", is_fork)


def test_every_signature_that_is_there_must_hold() -> None:
    request = signed(HostKind.GITEA, "push", gitea_push())
    signature = request.headers["X-Gitea-Signature"]
    both = {"X-Gitea-Signature": signature, "X-Hub-Signature-256": f"sha256={signature}"}
    assert GITEA.verify(both, request.body, [SECRET])
    for name in both:
        assert not GITEA.verify(both | {name: "0" * 64}, request.body, [SECRET])


@pytest.mark.parametrize("header", ["X-Gitea-Signature", "X-Forgejo-Signature", "X-Gogs-Signature"])
def test_each_name_of_the_signature_holds(header: str) -> None:
    request = signed(HostKind.GITEA, "push", gitea_push())
    signature = request.headers["X-Gitea-Signature"]
    assert GITEA.verify({header: signature}, request.body, [SECRET])
    assert GITEA.verify({"X-Hub-Signature-256": f"sha256={signature}"}, request.body, [SECRET])


def test_the_secret_in_the_body_proves_nothing() -> None:
    assert not GITEA.verify({}, encoded(gitea_push(secret=SECRET)), [SECRET])
