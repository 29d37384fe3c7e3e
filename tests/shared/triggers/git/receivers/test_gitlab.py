"""GitLab: project hooks and system hooks."""

import pytest

from shared.triggers.git.events import HostKind, Ignored, PullRequest, PullRequestAction, Push
from shared.triggers.git.hosts import git_host
from tests.shared.triggers.git.payloads import (
    NEW,
    NONE,
    OLD,
    TIP,
    Body,
    encoded,
    github_commit,
    gitlab_merge_request,
    gitlab_project,
    gitlab_push,
)

GITLAB = git_host(HostKind.GITLAB)


def push(**changes: object) -> Push:
    found = GITLAB.parse({"X-Gitlab-Event": "Push Hook"}, encoded(gitlab_push(**changes))).events[0]
    assert isinstance(found, Push), found
    return found


def merge_request(action: str = "open", *, attributes: Body | None = None, **changes: object) -> PullRequest:
    body = gitlab_merge_request(action, attributes, **changes)
    found = GITLAB.parse({}, encoded(body)).events[0]
    assert isinstance(found, PullRequest), found
    return found


def test_a_push() -> None:
    found = push()
    assert (found.ref, found.before, found.after) == ("refs/heads/main", OLD, NEW)
    assert (found.is_new, found.is_deleted, found.is_forced) == (False, False, None)
    assert found.repository.name == "yard/boat"
    assert found.repository.clone_url == "https://gitlab.example/yard/boat.git"
    assert (found.actor.name, found.actor.id) == ("ada", "4")
    assert found.paths == frozenset({"hull/paint.txt"})


def test_a_deleted_branch() -> None:
    found = push(after=NONE, checkout_sha=None, commits=[], total_commits_count=0)
    assert (found.is_deleted, found.after) == (True, NONE)


def test_paths_are_unknown_when_not_all_commits_are_told() -> None:
    assert push(commits=[github_commit(NEW)] * 20, total_commits_count=21).paths is None


def test_a_tag() -> None:
    changes = {"object_kind": "tag_push", "event_name": "tag_push", "ref": "refs/tags/v1", "before": NONE}
    found = push(**changes, after=TIP, checkout_sha=NEW)
    assert (found.tag, found.after, found.commit, found.is_new) == ("v1", TIP, NEW, True)


def test_a_skip_mark_in_the_newest_message() -> None:
    assert push(commits=[github_commit(NEW, "x [ci skip]"), github_commit(TIP)]).asks_to_skip
    assert not push(commits=[github_commit(TIP, "x [ci skip]"), github_commit(NEW)]).asks_to_skip


def test_old_payloads_tell_the_repository_apart() -> None:
    repository = {"name": "Boat", "git_http_url": "https://old.example/yard/boat.git"}
    assert push(project=None, repository=repository).repository.clone_url == "https://old.example/yard/boat.git"
    page = {"name": "Boat", "url": "git@old.example:yard/boat.git", "homepage": "https://old.example/yard/boat"}
    assert push(project=None, repository=page).repository.clone_url == "https://old.example/yard/boat.git"


def test_a_system_hook_of_a_push_has_no_object_kind() -> None:
    body = gitlab_push()
    del body["object_kind"]
    found = GITLAB.parse({"X-Gitlab-Event": "System Hook"}, encoded(body)).events[0]
    assert isinstance(found, Push)
    assert found.after == NEW


def test_a_repository_update_moves_several_refs() -> None:
    changes = [
        {"before": OLD, "after": NEW, "ref": "refs/heads/main"},
        {"before": NONE, "after": TIP, "ref": "refs/tags/v1"},
    ]
    body = {"event_name": "repository_update", "project": gitlab_project(), "changes": changes, "refs": ["x"]}
    first, second = GITLAB.parse({"X-Gitlab-Event": "System Hook"}, encoded(body)).events
    assert isinstance(first, Push)
    assert isinstance(second, Push)
    assert (first.branch, first.before, first.after) == ("main", OLD, NEW)
    assert (second.tag, second.is_new, second.after) == ("v1", True, TIP)


def test_a_merge_request() -> None:
    found = merge_request()
    assert (found.number, found.action) == (3, PullRequestAction.OPENED)
    assert (found.base_ref, found.head_ref, found.head_commit) == ("refs/heads/main", "refs/heads/topic", NEW)
    assert found.fetch_ref == "refs/merge-requests/3/head"
    assert found.merge_ref == "refs/merge-requests/3/merge"
    assert found.repository.clone_url == "https://gitlab.example/yard/boat.git"
    assert not found.is_fork


@pytest.mark.parametrize(
    ("action", "attributes", "changes", "expected"),
    [
        ("update", {"oldrev": OLD}, {}, PullRequestAction.UPDATED),
        ("update", {}, {"labels": {}}, PullRequestAction.OTHER),
        ("update", {}, {"draft": {"previous": True, "current": False}}, PullRequestAction.READY),
        ("update", {}, {"target_branch": {"previous": "a", "current": "main"}}, PullRequestAction.RETARGETED),
        ("reopen", {}, {}, PullRequestAction.REOPENED),
        ("close", {}, {}, PullRequestAction.CLOSED),
        ("merge", {}, {}, PullRequestAction.MERGED),
        ("approved", {}, {}, PullRequestAction.OTHER),
    ],
)
def test_what_happened(action: str, attributes: Body, changes: Body, expected: PullRequestAction) -> None:
    assert merge_request(action, attributes=attributes, changes=changes).action == expected


def test_the_commit_before() -> None:
    assert merge_request("update", attributes={"oldrev": OLD}).previous_commit == OLD


def test_a_fork_is_another_project() -> None:
    assert merge_request(attributes={"source_project_id": 16}).is_fork
    assert merge_request(attributes={"source_project_id": None}).is_fork


def test_other_events_are_ignored() -> None:
    assert isinstance(GITLAB.parse({}, encoded({"object_kind": "note"})).events[0], Ignored)
    assert isinstance(GITLAB.parse({}, encoded({"event_name": "user_create"})).events[0], Ignored)


def test_two_pushes_of_the_same_commits_are_two_deliveries() -> None:
    body = encoded(gitlab_push())
    one, other = {"Idempotency-Key": "1"}, {"Idempotency-Key": "2"}
    assert GITLAB.key(one, body) != GITLAB.key(other, body)
    assert GITLAB.key(one, body) == GITLAB.key({"idempotency-key": "1", "X-Gitlab-Event-UUID": "9"}, body)
