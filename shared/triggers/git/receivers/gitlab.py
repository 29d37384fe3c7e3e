"""GitLab: project, group and system hooks.

Shapes: docs.gitlab.com, "Webhook events" and "System hooks". A hook with a secret token sends the token
itself, so nothing vouches for the body but HTTPS; one with a signing token signs id, time and body.
"""

from collections.abc import Sequence

from shared.triggers.git.events import (
    TAGS,
    Actor,
    Commit,
    Delivery,
    Event,
    Ignored,
    PullRequest,
    PullRequestAction,
    Push,
    Repository,
    is_no_commit,
)
from shared.triggers.git.host import Headers, Verification
from shared.triggers.git.reading import Told, asks_to_skip, branch_ref, digest, first, header, read_body, tag_ref
from shared.triggers.git.receivers.github import read_paths
from shared.triggers.git.signatures import by_standard_webhook, by_token

_PUSHES = {"push", "tag_push", "repository_update"}
_KINDS = {
    "push hook": "push",
    "tag push hook": "tag_push",
    "merge request hook": "merge_request",
}
_ACTIONS = {
    "open": PullRequestAction.OPENED,
    "reopen": PullRequestAction.REOPENED,
    "close": PullRequestAction.CLOSED,
    "merge": PullRequestAction.MERGED,
}
_IS_DRAFT = ("draft", "work_in_progress")


class GitLab:
    """Deliveries of gitlab.com and of self-managed GitLab."""

    def verify(self, headers: Headers, body: bytes, secrets: Sequence[str]) -> Verification:
        """Judge `webhook-signature` where there is one, otherwise `X-Gitlab-Token`."""
        signatures = header(headers, "webhook-signature")
        if not signatures:
            return by_token(header(headers, "x-gitlab-token"), secrets)
        identifier, timestamp = header(headers, "webhook-id"), header(headers, "webhook-timestamp")
        return by_standard_webhook(identifier, timestamp, signatures, body, secrets)

    def parse(self, headers: Headers, body: bytes) -> Delivery:
        """Read push, tag push and merge request, and the same of system hooks with repository_update."""
        told = read_body(headers, body)
        kind = first(told["object_kind"].text, told["event_name"].text, told["event_type"].text)
        kind = kind or _KINDS.get(header(headers, "x-gitlab-event").lower(), "")
        return Delivery(id=_delivery_id(headers), events=_events(kind, told))

    def key(self, headers: Headers, body: bytes) -> str:
        """Answer a digest of id and body: two pushes of the same commits have the same body here."""
        return digest(_delivery_id(headers), body)


def _delivery_id(headers: Headers) -> str:
    names = ("webhook-id", "idempotency-key", "x-gitlab-event-uuid")
    return first(*(header(headers, name) for name in names))


def _events(kind: str, told: Told) -> tuple[Event, ...]:
    if kind == "merge_request":
        return (_merge_request(told),)
    if kind not in _PUSHES:
        return (Ignored(reason=f"Nothing follows from the event {kind[:100] or 'without a name'}."),)
    if not told["ref"].text and told["changes"].is_list:
        events = tuple(_push(told, change) for change in told["changes"])
        return events or (Ignored(reason="The repository update names no ref."),)
    return (_push(told, told),)


def _push(told: Told, change: Told) -> Event:
    ref = change["ref"].text
    if not ref:
        return Ignored(reason="The push names no ref.")
    is_tag = told["object_kind"].text == "tag_push" or told["event_name"].text == "tag_push"
    before, after = change["before"].text, change["after"].text
    commits = tuple(Commit(id=commit["id"].text, paths=read_paths(commit)) for commit in told["commits"])
    total = told["total_commits_count"].number
    full = tag_ref(ref) if is_tag else branch_ref(ref)
    return Push(
        repository=_repository(told["project"], told["repository"], told["project_id"].identifier),
        ref=full,
        before=before,
        after=after,
        commit=told["checkout_sha"].text if full.startswith(TAGS) else "",
        is_new=is_no_commit(before),
        is_deleted=is_no_commit(after),
        commits=commits,
        is_complete=bool(commits) and total == len(commits) and all(commit.paths is not None for commit in commits),
        asks_to_skip=asks_to_skip(_newest_message(told, after)),
        actor=_actor(told),
    )


def _newest_message(told: Told, after: str) -> str:
    newest = first(told["checkout_sha"].text, after)
    return next((commit["message"].message for commit in told["commits"] if commit["id"].text == newest), "")


def _merge_request(told: Told) -> Event:
    request = told["object_attributes"]
    number = request["iid"].number
    if number is None:
        return Ignored(reason="The merge request has no number.")
    target, source = request["target"], request["source"]
    last = request["last_commit"]
    source_id, target_id = request["source_project_id"].identifier, request["target_project_id"].identifier
    return PullRequest(
        action=_action(told, request),
        told=first(request["action"].text, request["state"].text),
        number=number,
        repository=_repository(told["project"] or target, target, target_id),
        source=_repository(source, source, source_id),
        base_ref=branch_ref(request["target_branch"].text),
        base_commit=request["diff_refs"]["start_sha"].text,
        head_ref=branch_ref(request["source_branch"].text),
        head_commit=last["id"].text,
        previous_commit=request["oldrev"].text,
        fetch_ref=f"refs/merge-requests/{number}/head",
        merge_ref=f"refs/merge-requests/{number}/merge",
        is_fork=not source_id or source_id != target_id,
        is_draft=any(request[member].flag for member in _IS_DRAFT),
        asks_to_skip=asks_to_skip(last["message"].message),
        actor=_actor(told),
    )


def _action(told: Told, request: Told) -> PullRequestAction:
    word, changes = request["action"].text, told["changes"]
    if word != "update":
        return _ACTIONS.get(word, PullRequestAction.OTHER)
    if request["oldrev"].text:
        return PullRequestAction.UPDATED
    if changes["target_branch"]:
        return PullRequestAction.RETARGETED
    if any(changes[member]["current"].flag is False for member in _IS_DRAFT):
        return PullRequestAction.READY
    return PullRequestAction.OTHER


def _repository(project: Told, repository: Told, identifier: str) -> Repository:
    web_url = first(project["web_url"].text, repository["homepage"].text)
    addresses = (
        project["git_http_url"].text,
        project["http_url"].text,
        repository["git_http_url"].text,
        _http(repository["url"].text),
        f"{web_url}.git" if web_url else "",
    )
    return Repository(
        id=project["id"].identifier or identifier,
        name=first(project["path_with_namespace"].text, repository["name"].text),
        clone_url=first(*addresses),
        web_url=web_url,
        default_branch=project["default_branch"].text,
    )


def _http(address: str) -> str:
    return address if address.startswith(("https://", "http://")) else ""


def _actor(told: Told) -> Actor:
    user = told["user"]
    return Actor(
        name=first(told["user_username"].text, user["username"].text, told["user_name"].text, user["name"].text),
        id=first(told["user_id"].identifier, user["id"].identifier),
    )
