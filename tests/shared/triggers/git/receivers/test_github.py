"""GitHub and Enterprise Server: the facts of each event in each of its forms."""

import json
from urllib.parse import urlencode

import pytest

from shared.triggers.git.events import HostKind, Ignored, Ping, PullRequest, PullRequestAction, Push
from shared.triggers.git.hosts import git_host
from tests.shared.triggers.git.payloads import (
    NEW,
    NONE,
    OLD,
    TIP,
    Body,
    encoded,
    github_commit,
    github_pull_request,
    github_push,
    github_repository,
)

GITHUB = git_host(HostKind.GITHUB)


def push(**changes: object) -> Push:
    return as_push(github_push(**changes))


def as_push(body: Body, event: str = "push") -> Push:
    found = GITHUB.parse({"x-github-event": event}, encoded(body)).events[0]
    assert isinstance(found, Push), found
    return found


def pull_request(body: Body) -> PullRequest:
    found = GITHUB.parse({"X-GitHub-Event": "pull_request"}, encoded(body)).events[0]
    assert isinstance(found, PullRequest), found
    return found


def test_a_push() -> None:
    found = push()
    assert (found.ref, found.branch, found.tag) == ("refs/heads/main", "main", "")
    assert (found.before, found.after) == (OLD, NEW)
    assert (found.is_new, found.is_deleted, found.is_forced) == (False, False, False)
    assert found.repository.name == "yard/boat"
    assert found.repository.clone_url == "https://github.example/yard/boat.git"
    assert (found.actor.name, found.actor.id) == ("ada", "9")
    assert [commit.id for commit in found.commits] == [TIP, NEW]
    assert found.paths == frozenset({"hull/paint.txt"})


def test_branch_names_keep_their_slashes() -> None:
    assert push(ref="refs/heads/feature/refs/heads/x").branch == "feature/refs/heads/x"


def test_a_new_branch_a_deleted_one_and_a_forced_push() -> None:
    assert push(before=NONE, created=True).is_new
    deleted = push(after=NONE, deleted=True, head_commit=None, commits=[])
    assert (deleted.is_deleted, deleted.after) == (True, NONE)
    assert push(forced=True).is_forced


def test_flags_that_are_missing_follow_from_the_zeros() -> None:
    body = github_push(before=NONE)
    del body["created"]
    assert as_push(body).is_new
    assert push(after="0" * 64, deleted=None).is_deleted


def test_an_annotated_tag_names_its_object_and_its_commit() -> None:
    found = push(ref="refs/tags/v1", before=NONE, after=TIP, created=True)
    assert (found.tag, found.branch, found.after, found.commit) == ("v1", "", TIP, NEW)


def test_paths_are_unknown_when_a_commit_or_a_list_is_missing() -> None:
    incomplete = github_commit(NEW)
    for member in ("added", "modified", "removed"):
        del incomplete[member]
    assert push(commits=[incomplete]).paths is None
    assert push(commits=[github_commit(NEW)] * 2048).paths is None
    assert push(commits=[]).paths is None
    assert push(forced=True).paths is None


def test_every_kind_of_change_counts_as_a_path() -> None:
    commit = github_commit(NEW, added=["a"], modified=["m"], removed=["r"])
    assert push(commits=[commit]).paths == frozenset({"a", "m", "r"})


@pytest.mark.parametrize("mark", ["[skip ci]", "[ci skip]", "[no ci]", "[SKIP ACTIONS]", "[actions skip]"])
def test_the_newest_message_asks_to_skip(mark: str) -> None:
    assert push(head_commit=github_commit(NEW, f"Paint {mark} more")).asks_to_skip
    assert not push(commits=[github_commit(TIP, mark), github_commit(NEW)]).asks_to_skip


def test_a_trailer_asks_to_skip_and_prose_does_not() -> None:
    assert push(head_commit=github_commit(NEW, "Paint\n\n\nskip-checks: true\n")).asks_to_skip
    assert not push(head_commit=github_commit(NEW, "skip-checks: true\n\nis not the last line")).asks_to_skip
    assert not push(head_commit=github_commit(NEW, "do not skip ci")).asks_to_skip


def test_the_same_event_in_a_form() -> None:
    body = urlencode({"payload": json.dumps(github_push(pusher={"name": "Ärna"}), ensure_ascii=False)}).encode()
    for headers in ({"Content-Type": "application/x-www-form-urlencoded"}, {}):
        found = GITHUB.parse({"X-GitHub-Event": "push"} | headers, body).events[0]
        assert isinstance(found, Push)
        assert (found.before, found.after) == (OLD, NEW)


def test_the_event_is_known_by_its_shape_without_its_header() -> None:
    assert isinstance(GITHUB.parse({}, encoded(github_push())).events[0], Push)
    assert isinstance(GITHUB.parse({}, encoded(github_pull_request())).events[0], PullRequest)
    assert isinstance(GITHUB.parse({}, encoded({"zen": "Keep it simple.", "hook_id": 1})).events[0], Ping)


def test_creation_and_deletion_name_the_ref() -> None:
    shared = {"ref": "topic", "ref_type": "branch", "repository": github_repository(), "sender": {"login": "ada"}}
    created = as_push(shared | {"master_branch": "main"}, "create")
    assert (created.ref, created.before, created.after, created.is_new) == ("refs/heads/topic", NONE, "", True)
    deleted = as_push(shared | {"ref_type": "tag", "ref": "v1"}, "delete")
    assert (deleted.ref, deleted.after, deleted.is_deleted) == ("refs/tags/v1", NONE, True)
    found = GITHUB.parse({"x-github-event": "create"}, encoded(shared | {"ref_type": "repository"})).events[0]
    assert isinstance(found, Ignored)


def test_a_pull_request() -> None:
    found = pull_request(github_pull_request())
    assert (found.number, found.action, found.told) == (12, PullRequestAction.OPENED, "opened")
    assert (found.base_ref, found.base_commit) == ("refs/heads/main", OLD)
    assert (found.head_ref, found.head_commit) == ("refs/heads/topic", NEW)
    assert (found.fetch_ref, found.merge_ref) == ("refs/pull/12/head", "refs/pull/12/merge")
    assert (found.base_branch, found.head_branch) == ("main", "topic")
    assert not found.is_fork
    assert not found.is_draft


def test_a_pull_request_that_moved() -> None:
    found = pull_request(github_pull_request("synchronize", before=TIP, after=NEW))
    assert (found.action, found.previous_commit, found.head_commit) == (PullRequestAction.UPDATED, TIP, NEW)


@pytest.mark.parametrize(
    ("action", "request_", "expected"),
    [
        ("reopened", {}, PullRequestAction.REOPENED),
        ("ready_for_review", {}, PullRequestAction.READY),
        ("closed", {}, PullRequestAction.CLOSED),
        ("closed", {"merged": True}, PullRequestAction.MERGED),
        ("labeled", {}, PullRequestAction.OTHER),
        ("edited", {}, PullRequestAction.OTHER),
    ],
)
def test_what_happened_to_a_pull_request(action: str, request_: Body, expected: PullRequestAction) -> None:
    assert pull_request(github_pull_request(action, request_)).action == expected


def test_a_pull_request_for_another_branch_now() -> None:
    changes = {"base": {"ref": {"from": "old"}, "sha": {"from": TIP}}}
    assert pull_request(github_pull_request("edited", changes=changes)).action == PullRequestAction.RETARGETED


def head(repository: object) -> Body:
    return {"head": {"ref": "topic", "sha": NEW, "repo": repository}}


def test_a_fork_is_another_repository_not_one_that_is_a_fork() -> None:
    own = github_repository(fork=True)
    base = {"base": {"ref": "main", "sha": OLD, "repo": own}}
    assert not pull_request(github_pull_request(request=head(own) | base)).is_fork
    other = pull_request(github_pull_request(request=head(github_repository(id=78, full_name="ada/boat"))))
    assert (other.is_fork, other.source.name) == (True, "ada/boat")


def test_a_repository_that_is_gone_or_unknown_counts_as_a_fork() -> None:
    assert pull_request(github_pull_request(request=head(None))).is_fork
    assert pull_request(github_pull_request(request={"head": {}, "base": {}})).is_fork


def test_other_events_and_bodies_without_content_are_ignored() -> None:
    for event, body in (("issues", github_push()), ("push", {}), ("pull_request", {}), ("", {})):
        found = GITHUB.parse({"X-GitHub-Event": event}, encoded(body)).events[0]
        assert isinstance(found, Ignored)
        assert found.reason.endswith(".")


def test_the_delivery_and_its_key() -> None:
    headers = {"X-GitHub-Event": "ping", "X-GitHub-Delivery": "72d3"}
    body = encoded({"zen": "x"})
    assert GITHUB.parse(headers, body).id == "72d3"
    assert GITHUB.key(headers, body) == GITHUB.key({}, body)
    assert GITHUB.key(headers, body) != GITHUB.key(headers, body + b" ")
