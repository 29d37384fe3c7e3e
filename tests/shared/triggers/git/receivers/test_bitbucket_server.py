"""Bitbucket Server and Data Center."""

import pytest

from shared.triggers.git.events import HostKind, Ignored, Ping, PullRequest, PullRequestAction, Push
from shared.triggers.git.hosts import git_host
from tests.shared.triggers.git.payloads import (
    NEW,
    NONE,
    OLD,
    SECRET,
    TIP,
    Body,
    basic,
    encoded,
    server_change,
    server_pull_request,
    server_push,
    server_repository,
)

SERVER = git_host(HostKind.BITBUCKET_SERVER)


def pushes(*changes: Body, **members: object) -> list[Push]:
    events = SERVER.parse({"X-Event-Key": "repo:refs_changed"}, encoded(server_push(*changes, **members))).events
    return [event for event in events if isinstance(event, Push)]


def pull_request(word: str, request: Body | None = None, **members: object) -> PullRequest:
    found = SERVER.parse({}, encoded(server_pull_request(f"pr:{word}", request, **members))).events[0]
    assert isinstance(found, PullRequest), found
    return found


def test_a_push() -> None:
    (found,) = pushes()
    assert (found.ref, found.before, found.after) == ("refs/heads/main", OLD, NEW)
    assert (found.is_new, found.is_deleted, found.is_forced) == (False, False, None)
    assert found.repository.name == "YARD/boat"
    assert found.repository.clone_url == "https://git.example/bitbucket/scm/yard/boat.git"
    assert (found.actor.name, found.actor.id) == ("ada", "2")


def test_several_refs_of_a_push() -> None:
    tag = {"id": "refs/tags/v1", "displayId": "v1", "type": "TAG"}
    created = server_change("ADD", ref=tag, refId="refs/tags/v1", fromHash=NONE, toHash=TIP)
    gone = server_change("DELETE", refId="refs/heads/topic", toHash=NONE)
    moved, new, deleted = pushes(server_change(), created, gone)
    assert moved.branch == "main"
    assert (new.tag, new.before, new.after, new.is_new) == ("v1", NONE, TIP, True)
    assert (deleted.branch, deleted.before, deleted.is_deleted) == ("topic", OLD, True)


def test_refs_without_an_id_are_read_by_their_name() -> None:
    (found,) = pushes(server_change(refId=None, ref={"displayId": "v1", "type": "TAG"}))
    assert found.ref == "refs/tags/v1"


def test_the_message_counts_only_for_the_ref_that_it_belongs_to() -> None:
    newest = {"toCommit": {"id": NEW, "message": "x [skip ci]"}, "commits": [{"id": NEW}]}
    mine, other = pushes(server_change(), server_change(toHash=TIP), **newest)
    assert (mine.asks_to_skip, other.asks_to_skip) == (True, False)
    assert ([commit.id for commit in mine.commits], other.commits) == ([NEW], ())


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ("https://git.example/bitbucket/projects/YARD/repos/boat/browse", "https://git.example/bitbucket/scm/yard/"),
        ("https://git.example/users/ada/repos/boat/browse", "https://git.example/scm/~ada/"),
    ],
)
def test_the_clone_address_follows_from_the_page(page: str, expected: str) -> None:
    (found,) = pushes(repository=server_repository(links={"self": [{"href": page}]}))
    assert found.repository.clone_url == f"{expected}boat.git"


def test_a_repository_without_any_address() -> None:
    (found,) = pushes(repository=server_repository(links=None))
    assert (found.repository.clone_url, found.repository.name) == ("", "YARD/boat")


def test_a_pull_request() -> None:
    found = pull_request("opened")
    assert (found.number, found.action) == (11, PullRequestAction.OPENED)
    assert (found.base_ref, found.base_commit) == ("refs/heads/main", OLD)
    assert (found.head_ref, found.head_commit) == ("refs/heads/topic", NEW)
    assert found.fetch_ref == "refs/pull-requests/11/from"
    assert found.repository.clone_url == "https://git.example/bitbucket/scm/yard/boat.git"
    assert not found.is_fork


def test_a_pull_request_that_moved() -> None:
    found = pull_request("from_ref_updated", previousFromHash=OLD)
    assert (found.action, found.previous_commit) == (PullRequestAction.UPDATED, OLD)


@pytest.mark.parametrize(
    ("word", "members", "expected"),
    [
        ("merged", {}, PullRequestAction.MERGED),
        ("declined", {}, PullRequestAction.CLOSED),
        ("deleted", {}, PullRequestAction.CLOSED),
        ("comment:added", {}, PullRequestAction.OTHER),
        ("modified", {"previousTitle": "x"}, PullRequestAction.OTHER),
        ("modified", {"previousTarget": {"id": "refs/heads/old"}}, PullRequestAction.RETARGETED),
        ("modified", {"previousTarget": {"id": "refs/heads/main"}}, PullRequestAction.OTHER),
        ("modified", {"previousDraft": True}, PullRequestAction.READY),
    ],
)
def test_what_happened(word: str, members: Body, expected: PullRequestAction) -> None:
    assert pull_request(word, **members).action == expected


def test_a_fork_is_another_repository() -> None:
    side = {"id": "refs/heads/topic", "latestCommit": NEW}
    assert pull_request("opened", {"fromRef": side | {"repository": server_repository("~ADA", 90)}}).is_fork
    assert pull_request("opened", {"fromRef": side}).is_fork


def test_the_host_tries_the_hook() -> None:
    assert isinstance(SERVER.parse({"X-Event-Key": "diagnostics:ping"}, b'{"test": true}').events[0], Ping)
    assert isinstance(SERVER.parse({}, b'{"test": true}').events[0], Ping)
    assert isinstance(SERVER.parse({"X-Event-Key": "repo:forked"}, b"{}").events[0], Ignored)


def test_basic_authentication_stands_in_only_where_there_is_no_signature() -> None:
    assert SERVER.verify({"Authorization": basic(SECRET)}, b"{}", [SECRET])
    assert not SERVER.verify({"Authorization": basic(SECRET), "X-Hub-Signature": "sha256=00"}, b"{}", [SECRET])
