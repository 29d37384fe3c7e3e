"""Bitbucket Server and Data Center.

Shapes: confluence.atlassian.com, "Event payload". Neither paths nor a forced push are told. Versions before 8
name no commits; versions before 7 leave the addresses of the repository out of some events.
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
    is_no_commit,
)
from shared.triggers.git.host import Headers, Verification
from shared.triggers.git.reading import (
    Told,
    asks_to_skip,
    branch_ref,
    digest,
    first,
    header,
    read_body,
    tag_ref,
)
from shared.triggers.git.signatures import by_basic, by_sha256

_PULL_REQUEST = "pr:"
_PINGS = {"diagnostics:ping"}
_ACTIONS = {
    "opened": PullRequestAction.OPENED,
    "from_ref_updated": PullRequestAction.UPDATED,
    "reopened": PullRequestAction.REOPENED,
    "merged": PullRequestAction.MERGED,
    "declined": PullRequestAction.CLOSED,
    "deleted": PullRequestAction.CLOSED,
}


class BitbucketServer:
    """Deliveries of a self-hosted Bitbucket."""

    def verify(self, headers: Headers, body: bytes, secrets: Sequence[str]) -> Verification:
        """Judge `X-Hub-Signature`, or basic authentication where the hook is set up with that instead."""
        if signature := header(headers, "x-hub-signature"):
            return by_sha256(signature, body, secrets)
        return by_basic(header(headers, "authorization"), secrets)

    def parse(self, headers: Headers, body: bytes) -> Delivery:
        """Read repo:refs_changed and pr:*."""
        told = read_body(headers, body)
        name = header(headers, "x-event-key") or told["eventKey"].text
        return Delivery(id=header(headers, "x-request-id"), events=_events(name, told))

    def key(self, headers: Headers, body: bytes) -> str:
        """Answer a digest of what is signed."""
        del headers
        return digest(body)


def _events(name: str, told: Told) -> tuple[Event, ...]:
    if name in _PINGS or (not name and told["test"].flag):
        return (Ping(),)
    if name == "repo:refs_changed" or (not name and told["changes"].is_list):
        events = tuple(_push(told, change) for change in told["changes"])
        return events or (Ignored(reason="The push moves no ref."),)
    if name.startswith(_PULL_REQUEST):
        return (_pull_request(told, name.removeprefix(_PULL_REQUEST)),)
    return (Ignored(reason=f"Nothing follows from the event {name[:100] or 'without a name'}."),)


def _push(told: Told, change: Told) -> Event:
    name = first(change["refId"].text, change["ref"]["id"].text, change["ref"]["displayId"].text)
    if not name:
        return Ignored(reason="The change of the push names no ref.")
    before, after = change["fromHash"].text, change["toHash"].text
    kind = change["type"].text.upper()
    return Push(
        repository=_repository(told["repository"]),
        ref=tag_ref(name) if change["ref"]["type"].text.upper() == "TAG" else branch_ref(name),
        before=before or (NO_COMMIT if kind == "ADD" else ""),
        after=after or (NO_COMMIT if kind == "DELETE" else ""),
        is_new=kind == "ADD" or is_no_commit(before),
        is_deleted=kind == "DELETE" or is_no_commit(after),
        commits=tuple(Commit(id=commit["id"].text) for commit in told["commits"]) if _is_of(told, after) else (),
        asks_to_skip=_is_of(told, after) and asks_to_skip(told["toCommit"]["message"].message),
        actor=_actor(told["actor"]),
    )


def _is_of(told: Told, after: str) -> bool:
    return bool(after) and told["toCommit"]["id"].text == after


def _pull_request(told: Told, word: str) -> Event:
    request = told["pullRequest"]
    number = request["id"].number
    if number is None:
        return Ignored(reason="The pull request has no number.")
    source, target = request["fromRef"], request["toRef"]
    return PullRequest(
        action=_action(told, word),
        told=word,
        number=number,
        repository=_repository(target["repository"]),
        source=_repository(source["repository"]),
        base_ref=_ref(target),
        base_commit=target["latestCommit"].text,
        head_ref=_ref(source),
        head_commit=source["latestCommit"].text,
        previous_commit=told["previousFromHash"].text,
        fetch_ref=f"refs/pull-requests/{number}/from",
        merge_ref=f"refs/pull-requests/{number}/merge",
        is_fork=_is_fork(source["repository"], target["repository"]),
        is_draft=request["draft"].flag or False,
        actor=_actor(told["actor"]),
    )


def _ref(told: Told) -> str:
    return branch_ref(first(told["id"].text, told["displayId"].text))


def _action(told: Told, word: str) -> PullRequestAction:
    if word == "modified":
        target = told["previousTarget"]
        is_moved = bool(target) and _ref(target) != _ref(told["pullRequest"]["toRef"])
        if is_moved:
            return PullRequestAction.RETARGETED
        if told["previousDraft"].flag and told["pullRequest"]["draft"].flag is False:
            return PullRequestAction.READY
    return _ACTIONS.get(word, PullRequestAction.OTHER)


def _is_fork(source: Told, target: Told) -> bool:
    ours, theirs = source["id"].identifier, target["id"].identifier
    if ours and theirs:
        return ours != theirs
    names = _name(source), _name(target)
    return not all(names) or names[0].lower() != names[1].lower()


def _name(told: Told) -> str:
    project, slug = told["project"]["key"].text, told["slug"].text
    return f"{project}/{slug}" if project and slug else ""


def _repository(told: Told) -> Repository:
    page = next((link["href"].text for link in told["links"]["self"]), "")
    clone = (link["href"].text for link in told["links"]["clone"] if link["name"].text in {"http", "https"})
    return Repository(
        id=told["id"].identifier,
        name=_name(told),
        clone_url=next(clone, "") or _clone_url(page, told),
        web_url=page,
    )


def _clone_url(page: str, told: Told) -> str:
    """Make the address from the one of the page, `…/projects/KEY/repos/slug/browse` or `…/users/name/repos/…`."""
    base, _, rest = page.rpartition("/projects/")
    owner = rest.partition("/")[0]
    if not base:
        base, _, rest = page.rpartition("/users/")
        owner = f"~{rest.partition('/')[0]}"
    slug = told["slug"].text
    return f"{base}/scm/{owner.lower()}/{slug}.git" if base and slug else ""


def _actor(told: Told) -> Actor:
    return Actor(
        name=first(told["name"].text, told["slug"].text, told["username"].text, told["displayName"].text),
        id=told["id"].identifier,
    )
