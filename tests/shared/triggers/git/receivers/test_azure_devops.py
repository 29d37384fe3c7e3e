"""Azure DevOps."""

import pytest

from shared.triggers.git.events import HostKind, Ignored, PullRequest, PullRequestAction, Push
from shared.triggers.git.hosts import git_host
from tests.shared.triggers.git.payloads import (
    NEW,
    NONE,
    OLD,
    TIP,
    Body,
    azure_pull_request,
    azure_push,
    azure_repository,
    azure_update,
    encoded,
)

AZURE = git_host(HostKind.AZURE_DEVOPS)


def pushes(body: Body) -> list[Push]:
    return [event for event in AZURE.parse({}, encoded(body)).events if isinstance(event, Push)]


def pull_request(body: Body) -> PullRequest:
    found = AZURE.parse({}, encoded(body)).events[0]
    assert isinstance(found, PullRequest), found
    return found


@pytest.mark.parametrize("version", ["1.0-preview.1", "1.0", "2.0"])
def test_a_push(version: str) -> None:
    (found,) = pushes(azure_push(resourceVersion=version))
    assert (found.ref, found.before, found.after) == ("refs/heads/main", OLD, NEW)
    assert (found.is_new, found.is_deleted, found.is_forced) == (False, False, None)
    assert found.repository.name == "yard/boat"
    assert found.repository.clone_url == "https://dev.azure.com/harbour/yard/_git/boat"
    assert found.repository.default_branch == "main"
    assert found.actor.name == "ada@x"
    assert [commit.id for commit in found.commits] == [NEW]


def test_each_update_of_a_push_counts() -> None:
    created = azure_update("refs/tags/v1", NONE, TIP)
    deleted = azure_update("refs/heads/topic/a", OLD, NONE)
    main, tag, gone = pushes(azure_push(azure_update(), created, deleted))
    assert (main.branch, main.commits) == ("main", ())
    assert (tag.tag, tag.before, tag.after, tag.is_new) == ("v1", NONE, TIP, True)
    assert (gone.branch, gone.is_deleted) == ("topic/a", True)


def test_the_newest_message_asks_to_skip() -> None:
    body = azure_push()
    body["resource"]["commits"] = [{"commitId": NEW, "comment": "x ***NO_CI***"}]
    assert pushes(body)[0].asks_to_skip


def test_a_push_without_details_is_ignored_with_the_way_out() -> None:
    body = azure_push(resource={"pushId": 14, "repository": azure_repository()})
    found = AZURE.parse({}, encoded(body)).events[0]
    assert isinstance(found, Ignored)
    assert "all resource details" in found.reason


@pytest.mark.parametrize("is_wrapped", [False, True])
def test_a_pull_request(is_wrapped: bool) -> None:  # noqa: FBT001 - a parameter of the test
    body = azure_pull_request()
    if is_wrapped:
        body["resource"] = {"pullRequest": body["resource"]}
    found = pull_request(body)
    assert (found.number, found.action) == (21, PullRequestAction.OPENED)
    assert (found.base_ref, found.base_commit) == ("refs/heads/main", OLD)
    assert (found.head_ref, found.head_commit) == ("refs/heads/topic", NEW)
    assert found.merge_ref == "refs/pull/21/merge"
    assert not found.is_fork


@pytest.mark.parametrize(
    ("event", "sentence", "status", "expected"),
    [
        ("updated", "Ada updated the source branch of pull request 21", "active", PullRequestAction.UPDATED),
        ("updated", "", "active", PullRequestAction.UPDATED),
        ("updated", "Ada changed the reviewer list on pull request 21", "active", PullRequestAction.OTHER),
        ("updated", "Ada reactivated pull request 21", "active", PullRequestAction.REOPENED),
        ("updated", "Ada published the pull request", "active", PullRequestAction.READY),
        ("updated", "Ada marked the pull request as completed", "completed", PullRequestAction.MERGED),
        ("updated", "Ada abandoned the pull request", "abandoned", PullRequestAction.CLOSED),
        ("merged", "Ada has created a pull request merge commit", "active", PullRequestAction.OTHER),
        ("merged", "Ada has created a pull request merge commit", "completed", PullRequestAction.MERGED),
    ],
)
def test_what_happened(event: str, sentence: str, status: str, expected: PullRequestAction) -> None:
    assert pull_request(azure_pull_request(event, sentence, status=status)).action == expected


def test_a_fork_is_named() -> None:
    fork = {"name": "refs/heads/topic", "repository": azure_repository(id="x", remoteUrl="https://y/_git/fork")}
    found = pull_request(azure_pull_request(forkSource=fork, isDraft=True))
    assert (found.is_fork, found.is_draft, found.source.clone_url) == (True, True, "https://y/_git/fork")
    assert pull_request(azure_pull_request(forkSource={})).is_fork
    assert not pull_request(azure_pull_request(forkSource=None)).is_fork
    assert (found.fetch_ref, found.merge_ref) == ("", "refs/pull/21/merge")


def test_the_delivery_is_numbered() -> None:
    assert AZURE.parse({}, encoded(azure_push())).id == "5b000000-0000-0000-0000-000000000001/3"
    assert AZURE.parse({}, encoded(azure_pull_request())).id == "2a000000-0000-0000-0000-000000000001"


def test_other_events_are_ignored() -> None:
    assert isinstance(AZURE.parse({}, encoded({"eventType": "build.complete"})).events[0], Ignored)
    assert isinstance(AZURE.parse({}, b"{}").events[0], Ignored)
