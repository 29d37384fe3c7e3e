"""Bitbucket Cloud."""

import pytest

from shared.triggers.git.events import HostKind, Ignored, PullRequest, PullRequestAction, Push
from shared.triggers.git.hosts import git_host
from tests.shared.triggers.git.payloads import (
    NEW,
    NONE,
    OLD,
    TIP,
    Body,
    cloud_change,
    cloud_pull_request,
    cloud_push,
    cloud_repository,
    cloud_side,
    encoded,
)

CLOUD = git_host(HostKind.BITBUCKET_CLOUD)


def pushes(*changes: Body) -> list[Push]:
    events = CLOUD.parse({"X-Event-Key": "repo:push"}, encoded(cloud_push(*changes))).events
    return [event for event in events if isinstance(event, Push)]


def pull_request(word: str, **changes: object) -> PullRequest:
    body = encoded(cloud_pull_request(**changes))
    found = CLOUD.parse({"X-Event-Key": f"pullrequest:{word}"}, body).events[0]
    assert isinstance(found, PullRequest), found
    return found


def test_a_push() -> None:
    (found,) = pushes()
    assert (found.ref, found.before, found.after) == ("refs/heads/main", OLD, NEW)
    assert (found.is_new, found.is_deleted, found.is_forced) == (False, False, False)
    assert found.repository.clone_url == "https://bitbucket.org/yard/boat.git"
    assert (found.repository.name, found.repository.id) == ("yard/boat", "{boat}")
    assert (found.actor.name, found.actor.id) == ("ada", "{ada}")
    assert found.paths is None


def test_the_clone_address_follows_from_the_full_name() -> None:
    repository = cloud_repository() | {"links": {"html": {"href": "https://api.bitbucket.org/yard/hull"}}}
    found = CLOUD.parse({"X-Event-Key": "repo:push"}, encoded(cloud_push() | {"repository": repository})).events[0]
    assert isinstance(found, Push)
    assert found.repository.clone_url == "https://bitbucket.org/yard/boat.git"


def test_each_change_of_a_push_counts() -> None:
    created = cloud_change(old=None, new=cloud_side("v1", TIP, "tag"), created=True)
    closed = cloud_change(old=cloud_side("topic/a", OLD), new=None, closed=True)
    moved, tag, deleted = pushes(cloud_change(forced=True), created, closed)
    assert moved.is_forced
    assert (tag.ref, tag.before, tag.after, tag.is_new) == ("refs/tags/v1", NONE, TIP, True)
    assert (deleted.ref, deleted.before, deleted.after) == ("refs/heads/topic/a", OLD, NONE)
    assert deleted.is_deleted


def test_a_push_without_changes_is_ignored() -> None:
    body = encoded({"push": {"changes": []}, "repository": cloud_repository()})
    assert isinstance(CLOUD.parse({"X-Event-Key": "repo:push"}, body).events[0], Ignored)


def test_the_newest_message_asks_to_skip() -> None:
    (found,) = pushes(cloud_change(new=cloud_side("main", NEW, message="x [skip ci]")))
    assert found.asks_to_skip


def test_a_pull_request() -> None:
    found = pull_request("created")
    assert (found.number, found.action) == (8, PullRequestAction.OPENED)
    assert (found.base_ref, found.base_commit) == ("refs/heads/main", OLD[:12])
    assert (found.head_ref, found.head_commit) == ("refs/heads/topic", NEW[:12])
    assert (found.fetch_ref, found.merge_ref) == ("", "")
    assert not found.is_fork


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("updated", PullRequestAction.UPDATED),
        ("fulfilled", PullRequestAction.MERGED),
        ("rejected", PullRequestAction.CLOSED),
        ("approved", PullRequestAction.OTHER),
        ("comment_created", PullRequestAction.OTHER),
    ],
)
def test_what_happened(word: str, expected: PullRequestAction) -> None:
    assert pull_request(word).action == expected


def test_a_fork_is_another_repository_or_one_that_is_gone() -> None:
    side = {"branch": {"name": "topic"}, "commit": {"hash": NEW[:12]}}
    other = pull_request("created", source=side | {"repository": cloud_repository("ada/boat", "{other}")})
    assert (other.is_fork, other.source.clone_url) == (True, "https://bitbucket.org/ada/boat.git")
    assert pull_request("created", source=side | {"repository": None}).is_fork


def test_the_event_is_known_by_its_shape_without_its_header() -> None:
    assert isinstance(CLOUD.parse({}, encoded(cloud_push())).events[0], Push)
    assert isinstance(CLOUD.parse({}, encoded(cloud_pull_request())).events[0], PullRequest)
    assert isinstance(CLOUD.parse({}, encoded({"issue": {}})).events[0], Ignored)
