"""Azure DevOps Services and Server.

Shapes: learn.microsoft.com, "Service hooks events". Nothing is signed; the hook is made with basic
authentication. Resource versions 1.0 to 2.0 differ in members that are not read here, except that some events
wrap the pull request. Neither paths nor a forced push are told.
"""

from collections.abc import Sequence

from shared.triggers.git.events import (
    BRANCHES,
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
from shared.triggers.git.reading import Told, asks_to_skip, branch_ref, digest, first, header, read_body
from shared.triggers.git.signatures import by_basic

_PULL_REQUEST = "git.pullrequest."
_CLOSED = {"abandoned": PullRequestAction.CLOSED, "completed": PullRequestAction.MERGED}


class AzureDevOps:
    """Deliveries of Azure DevOps service hooks."""

    def verify(self, headers: Headers, body: bytes, secrets: Sequence[str]) -> Verification:
        """Judge basic authentication: its password is the hook's secret."""
        del body
        return by_basic(header(headers, "authorization"), secrets)

    def parse(self, headers: Headers, body: bytes) -> Delivery:
        """Read git.push and git.pullrequest.created, updated and merged."""
        told = read_body(headers, body)
        return Delivery(id=_delivery_id(told), events=_events(told))

    def key(self, headers: Headers, body: bytes) -> str:
        """Answer a digest of the body, in which each notification has its own number."""
        del headers
        return digest(body)


def _delivery_id(told: Told) -> str:
    subscription, notification = told["subscriptionId"].text, told["notificationId"].identifier
    return f"{subscription}/{notification}" if subscription and notification else told["id"].text


def _events(told: Told) -> tuple[Event, ...]:
    name = told["eventType"].text.lower()
    if name == "git.push":
        return _pushes(told["resource"])
    if name.startswith(_PULL_REQUEST):
        return (_pull_request(told, name.removeprefix(_PULL_REQUEST)),)
    return (Ignored(reason=f"Nothing follows from the event {name[:100] or 'without a name'}."),)


def _pushes(resource: Told) -> tuple[Event, ...]:
    events = tuple(_push(resource, update) for update in resource["refUpdates"])
    return events or (Ignored(reason="The push names no ref; the service hook must send all resource details."),)


def _push(resource: Told, update: Told) -> Event:
    ref = update["name"].text
    if not ref:
        return Ignored(reason="The update of the push names no ref.")
    before, after = update["oldObjectId"].text, update["newObjectId"].text
    # The commits of a push with several refs are told in one list, so they are of none of them for certain.
    is_only = len(resource["refUpdates"]) == 1
    return Push(
        repository=_repository(resource["repository"]),
        ref=branch_ref(ref),
        before=before,
        after=after,
        is_new=is_no_commit(before),
        is_deleted=is_no_commit(after),
        commits=tuple(Commit(id=commit["commitId"].text) for commit in resource["commits"]) if is_only else (),
        asks_to_skip=asks_to_skip(_message(resource, after)),
        actor=_actor(resource["pushedBy"]),
    )


def _message(resource: Told, after: str) -> str:
    return next((commit["comment"].message for commit in resource["commits"] if commit["commitId"].text == after), "")


def _pull_request(told: Told, word: str) -> Event:
    resource = told["resource"]
    request = resource["pullRequest"] or resource
    number = request["pullRequestId"].number
    if number is None:
        return Ignored(reason="The pull request has no number.")
    fork, repository = request["forkSource"], _repository(request["repository"])
    is_fork = not fork.is_null
    last = request["lastMergeSourceCommit"]
    return PullRequest(
        action=_action(told, request, word),
        told=word,
        number=number,
        repository=repository,
        source=_repository(fork["repository"]) if is_fork else repository,
        base_ref=branch_ref(request["targetRefName"].text),
        base_commit=request["lastMergeTargetCommit"]["commitId"].text,
        head_ref=branch_ref(request["sourceRefName"].text),
        head_commit=last["commitId"].text,
        # A fork's branch is at home in another repository; the merge ref is here for every pull request.
        fetch_ref="" if is_fork else branch_ref(request["sourceRefName"].text),
        merge_ref=f"refs/pull/{number}/merge",
        is_fork=is_fork,
        is_draft=request["isDraft"].flag or False,
        asks_to_skip=asks_to_skip(last["comment"].message),
        actor=_actor(request["createdBy"]),
    )


def _action(told: Told, request: Told, word: str) -> PullRequestAction:
    closed = _CLOSED.get(request["status"].text.lower())
    if closed:
        return closed
    if word == "created":
        return PullRequestAction.OPENED
    if word == "updated":
        return _update(told["message"]["text"].message.lower())
    return PullRequestAction.OTHER


def _update(sentence: str) -> PullRequestAction:
    """Answer what an update was about.

    The payload tells it in the sentence alone; a hook that asks for source branch updates gets nothing else,
    so an update that says nothing is one.
    """
    if not sentence or "source branch" in sentence or "pushed" in sentence:
        return PullRequestAction.UPDATED
    if "reactivated" in sentence:
        return PullRequestAction.REOPENED
    if "published" in sentence:
        return PullRequestAction.READY
    if "target branch" in sentence:
        return PullRequestAction.RETARGETED
    return PullRequestAction.OTHER


def _repository(told: Told) -> Repository:
    project, name = told["project"]["name"].text, told["name"].text
    return Repository(
        id=told["id"].text,
        name=f"{project}/{name}" if project and name else name,
        clone_url=first(told["remoteUrl"].text, told["webUrl"].text),
        web_url=first(told["webUrl"].text, told["remoteUrl"].text),
        default_branch=told["defaultBranch"].text.removeprefix(BRANCHES),
    )


def _actor(told: Told) -> Actor:
    return Actor(name=first(told["uniqueName"].text, told["displayName"].text), id=told["id"].text)
