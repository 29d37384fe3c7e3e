"""GitHub and GitHub Enterprise Server.

Shapes: docs.github.com, "Webhook events and payloads". `create` and `delete` come beside a push that tells
more: a creation has no commit in it, so nothing can be built from that event alone.
"""

from collections.abc import Sequence

from shared.triggers.git.events import (
    NO_COMMIT,
    TAGS,
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
    MAX_ITEMS,
    Told,
    asks_to_skip,
    branch_ref,
    digest,
    first,
    header,
    read_body,
    tag_ref,
)
from shared.triggers.git.signatures import by_sha256

_MAX_COMMITS = 2048
"""Commits that a push names at most."""
ACTIONS = {
    "opened": PullRequestAction.OPENED,
    "synchronize": PullRequestAction.UPDATED,
    "synchronized": PullRequestAction.UPDATED,
    "reopened": PullRequestAction.REOPENED,
    "ready_for_review": PullRequestAction.READY,
}


class GitHub:
    """Deliveries of github.com and of GitHub Enterprise Server."""

    def verify(self, headers: Headers, body: bytes, secrets: Sequence[str]) -> Verification:
        """Judge `X-Hub-Signature-256`; the older SHA-1 header is not looked at."""
        return by_sha256(header(headers, "x-hub-signature-256"), body, secrets)

    def parse(self, headers: Headers, body: bytes) -> Delivery:
        """Read push, create, delete, pull_request and ping."""
        told = read_body(headers, body)
        name = header(headers, "x-github-event") or event_by_shape(told)
        return Delivery(id=header(headers, "x-github-delivery"), events=(read_event(name, told),))

    def key(self, headers: Headers, body: bytes) -> str:
        """Answer a digest of what is signed: a redelivery has the same body, and its id is not signed."""
        del headers
        return digest(body)


def event_by_shape(told: Told) -> str:
    """Answer the event that a body without its header must be."""
    if told["pull_request"]:
        return "pull_request"
    if told["zen"].text:
        return "ping"
    if told["ref_type"].text:
        return "create" if "master_branch" in _members(told) or told["sha"].text else "delete"
    return "push" if told["ref"].text and (told["after"].text or told["before"].text) else ""


def read_event(name: str, told: Told, max_commits: int = _MAX_COMMITS) -> Event:
    """Read one event by its name; a push that names `max_commits` commits may have more."""
    match name:
        case "ping":
            return Ping()
        case "push":
            return _push(told, max_commits)
        case "create" | "delete":
            return _created_or_deleted(name, told)
        case "pull_request" | "pull_request_sync":
            return _pull_request(told)
    return Ignored(reason=f"Nothing follows from the event {name[:100] or 'without a name'}.")


def _push(told: Told, max_commits: int) -> Event:
    ref = told["ref"].text
    if not ref:
        return Ignored(reason="The push names no ref.")
    before, after, full = told["before"].text, told["after"].text, branch_ref(ref)
    is_deleted = told["deleted"].flag or is_no_commit(after)
    commits = tuple(_commit(commit) for commit in told["commits"])
    return Push(
        repository=read_repository(told["repository"]),
        ref=full,
        before=before,
        after=after,
        commit=told["head_commit"]["id"].text if full.startswith(TAGS) else "",
        is_new=told["created"].flag or is_no_commit(before),
        is_deleted=is_deleted,
        is_forced=told["forced"].flag,
        commits=commits,
        is_complete=_is_complete(told, commits, max_commits),
        asks_to_skip=asks_to_skip(_newest_message(told, after)),
        actor=_actor(told),
    )


def _is_complete(told: Told, commits: tuple[Commit, ...], max_commits: int) -> bool:
    total = told["total_commits"].number
    has_all = len(commits) < max_commits if total is None else len(commits) >= total
    return bool(commits) and has_all and all(commit.paths is not None for commit in commits)


def _newest_message(told: Told, after: str) -> str:
    head = told["head_commit"]
    if head:
        return head["message"].message
    return next((commit["message"].message for commit in told["commits"] if commit["id"].text == after), "")


def _commit(told: Told) -> Commit:
    return Commit(id=told["id"].text or told["sha"].text, paths=read_paths(told))


def read_paths(told: Told) -> tuple[str, ...] | None:
    """Answer the files that a commit added, changed or removed, or None when they are not told.

    Gitea writes null for an empty list.
    """
    lists = [told[name] for name in ("added", "modified", "removed")]
    if not any(paths.is_list for paths in lists) or not all(paths.is_list or paths.is_null for paths in lists):
        return None
    paths = tuple(path.text for paths in lists for path in paths)
    is_cut = any(len(paths) > MAX_ITEMS for paths in lists)
    return paths if all(paths) and not is_cut else None


def _created_or_deleted(name: str, told: Told) -> Event:
    ref, kind = told["ref"].text, told["ref_type"].text
    if not ref or kind not in {"branch", "tag"}:
        return Ignored(reason=f"Nothing follows from the event {name} of a {kind[:100] or 'thing without a name'}.")
    is_new = name == "create"
    return Push(
        repository=read_repository(told["repository"]),
        ref=tag_ref(ref) if kind == "tag" else branch_ref(ref),
        before=NO_COMMIT if is_new else "",
        after=told["sha"].text if is_new else NO_COMMIT,
        is_new=is_new,
        is_deleted=not is_new,
        is_forced=False,
        actor=_actor(told),
    )


def _pull_request(told: Told) -> Event:
    request, word = told["pull_request"], told["action"].text
    number = request["number"].number or told["number"].number
    if not request or number is None:
        return Ignored(reason="The pull request has no number.")
    head, base = _side(request, "head"), _side(request, "base")
    repository = read_repository(base["repo"] or told["repository"])
    head_commit = first(head["sha"].text, told["after"].text)
    return PullRequest(
        action=_action(told, word, is_merged=request["merged"].flag or False),
        told=word,
        number=number,
        repository=repository,
        source=read_repository(head["repo"]),
        base_ref=branch_ref(base["ref"].text),
        base_commit=base["sha"].text,
        head_ref=branch_ref(head["ref"].text),
        head_commit=head_commit,
        previous_commit=told["before"].text,
        fetch_ref=f"refs/pull/{number}/head",
        merge_ref=f"refs/pull/{number}/merge",
        is_fork=_is_fork(head, base, repository),
        is_draft=request["draft"].flag or False,
        asks_to_skip=asks_to_skip(head["commit"]["message"].message),
        actor=_actor(told),
    )


def _side(request: Told, name: str) -> Told:
    """Answer one side of a pull request; Gogs writes `head_branch` and `head_repo`, as early versions of Gitea did."""
    flat = {"ref": request[f"{name}_branch"].value, "repo": request[f"{name}_repo"].value}
    return request[name] or Told(flat)


def _action(told: Told, word: str, *, is_merged: bool) -> PullRequestAction:
    if word == "closed":
        return PullRequestAction.MERGED if is_merged else PullRequestAction.CLOSED
    if word == "edited" and (told["changes"]["base"] or told["changes"]["ref"]):
        return PullRequestAction.RETARGETED
    return ACTIONS.get(word, PullRequestAction.OTHER)


def _is_fork(head: Told, base: Told, repository: Repository) -> bool:
    # `head.repo.fork` says that the whole repository is a fork, which is another question.
    ids = (
        first(head["repo"]["id"].identifier, head["repo_id"].identifier),
        first(base["repo"]["id"].identifier, base["repo_id"].identifier, repository.id),
    )
    if all(ids):
        return ids[0] != ids[1]
    names = head["repo"]["full_name"].text, base["repo"]["full_name"].text or repository.name
    return not all(names) or names[0].lower() != names[1].lower()


def read_repository(told: Told) -> Repository:
    """Read a repository as GitHub and Gitea write it."""
    owner = first(told["owner"]["login"].text, told["owner"]["name"].text, told["owner"]["username"].text)
    name, web_url = told["name"].text, told["html_url"].text
    return Repository(
        id=told["id"].identifier,
        name=told["full_name"].text or (f"{owner}/{name}" if owner and name else name),
        clone_url=told["clone_url"].text or (f"{web_url}.git" if web_url else ""),
        web_url=web_url,
        default_branch=first(told["default_branch"].text, told["master_branch"].text),
    )


def _actor(told: Told) -> Actor:
    sender, pusher = told["sender"], told["pusher"]
    return Actor(
        name=first(*(one[member].text for one in (sender, pusher) for member in ("login", "username", "name"))),
        id=first(sender["id"].identifier, pusher["id"].identifier),
    )


def _members(told: Told) -> frozenset[str]:
    return frozenset(told.value) if isinstance(told.value, dict) else frozenset()
