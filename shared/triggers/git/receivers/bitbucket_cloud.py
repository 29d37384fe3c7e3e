"""Bitbucket Cloud.

Shapes: support.atlassian.com, "Event payloads". No clone address is told, so it is made from the address of
the repository's page. Commits of pull requests are abbreviated, pull requests have no refs of their own, and
no paths are told.
"""

from collections.abc import Sequence

from shared.triggers.git.events import (
    NO_COMMIT,
    Actor,
    Commit,
    Delivery,
    Event,
    Ignored,
    Ping,
    PullRequest,
    PullRequestAction,
    Push,
    Repository,
)
from shared.triggers.git.host import Headers, Verification
from shared.triggers.git.reading import (
    Told,
    asks_to_skip,
    branch_ref,
    commit_or_none,
    digest,
    first,
    header,
    read_body,
    tag_ref,
)
from shared.triggers.git.signatures import by_sha256

_PULL_REQUEST = "pullrequest:"
_ACTIONS = {
    "created": PullRequestAction.OPENED,
    "updated": PullRequestAction.UPDATED,
    "fulfilled": PullRequestAction.MERGED,
    "rejected": PullRequestAction.CLOSED,
}
_BY_STATE = {
    "OPEN": "updated",
    "MERGED": "fulfilled",
    "DECLINED": "rejected",
    "SUPERSEDED": "rejected",
}
_TAG_KINDS = {"tag", "annotated_tag"}


class BitbucketCloud:
    """Deliveries of bitbucket.org."""

    def verify(self, headers: Headers, body: bytes, secrets: Sequence[str]) -> Verification:
        """Judge `X-Hub-Signature`, which is SHA-256 here."""
        return by_sha256(header(headers, "x-hub-signature"), body, secrets)

    def parse(self, headers: Headers, body: bytes) -> Delivery:
        """Read repo:push and pullrequest:*."""
        told = read_body(headers, body)
        return Delivery(id=header(headers, "x-request-uuid"), events=_events(_event_key(headers, told), told))

    def key(self, headers: Headers, body: bytes) -> str:
        """Answer a digest of what is signed."""
        del headers
        return digest(body)


def _event_key(headers: Headers, told: Told) -> str:
    if name := header(headers, "x-event-key"):
        return name
    if told["push"]:
        return "repo:push"
    if told["pullrequest"]:
        return _PULL_REQUEST + _BY_STATE.get(told["pullrequest"]["state"].text, "")
    return ""


def _events(name: str, told: Told) -> tuple[Event, ...]:
    if name == "repo:push":
        events = tuple(_push(told, change) for change in told["push"]["changes"])
        return events or (Ignored(reason="The push moves no ref."),)
    if name.startswith(_PULL_REQUEST):
        return (_pull_request(told, name.removeprefix(_PULL_REQUEST)),)
    if name == "diagnostics:ping":
        return (Ping(),)
    return (Ignored(reason=f"Nothing follows from the event {name[:100] or 'without a name'}."),)


def _push(told: Told, change: Told) -> Event:
    old, new = change["old"], change["new"]
    side = new or old
    name, kind = side["name"].text, side["type"].text
    if not name:
        return Ignored(reason="The change of the push names no ref.")
    after = commit_or_none(new["target"]["hash"].text) if new else NO_COMMIT
    commits = tuple(Commit(id=commit["hash"].text) for commit in change["commits"])
    return Push(
        repository=_repository(told["repository"]),
        ref=tag_ref(name) if kind in _TAG_KINDS else branch_ref(name),
        before=old["target"]["hash"].text if old else NO_COMMIT,
        after=after,
        is_new=bool(change["created"].flag) or not old,
        is_deleted=bool(change["closed"].flag) or not new,
        is_forced=change["forced"].flag,
        commits=commits,
        asks_to_skip=asks_to_skip(new["target"]["message"].message),
        actor=_actor(told["actor"]),
    )


def _pull_request(told: Told, word: str) -> Event:
    request = told["pullrequest"]
    number = request["id"].number
    if number is None:
        return Ignored(reason="The pull request has no number.")
    source, target = request["source"], request["destination"]
    return PullRequest(
        action=_ACTIONS.get(word, PullRequestAction.OTHER),
        told=word,
        number=number,
        repository=_repository(told["repository"] or target["repository"]),
        source=_repository(source["repository"]),
        base_ref=branch_ref(target["branch"]["name"].text),
        base_commit=target["commit"]["hash"].text,
        head_ref=branch_ref(source["branch"]["name"].text),
        head_commit=source["commit"]["hash"].text,
        is_fork=_is_fork(source["repository"], target["repository"] or told["repository"]),
        is_draft=request["draft"].flag or False,
        actor=_actor(told["actor"]),
    )


def _is_fork(source: Told, target: Told) -> bool:
    for member in ("uuid", "full_name"):
        ours, theirs = source[member].text.lower(), target[member].text.lower()
        if ours and theirs:
            return ours != theirs
    return True


def _repository(told: Told) -> Repository:
    name = told["full_name"].text
    page = told["links"]["html"]["href"].text
    address = f"https://bitbucket.org/{name}" if name else page
    return Repository(
        id=told["uuid"].text,
        name=name,
        clone_url=f"{address.rstrip('/')}.git" if address else "",
        web_url=page,
        default_branch=told["mainbranch"]["name"].text,
    )


def _actor(told: Told) -> Actor:
    return Actor(
        name=first(told["nickname"].text, told["username"].text, told["display_name"].text),
        id=first(told["uuid"].text, told["account_id"].text),
    )
