"""Whether an event starts a run of a task, and of which commit: the rules of triggers.md, section 4.

Everything is compared by equality or by a glob that covers the whole name; nothing is searched for inside
of a name. Each no is a sentence for the task's owner.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from shared.triggers.git.addresses import is_of
from shared.triggers.git.events import (
    Actor,
    Event,
    Ignored,
    PullRequest,
    PullRequestAction,
    Push,
    is_no_commit,
)
from shared.triggers.git.patterns import matches_any

_COMMIT = re.compile(r"[0-9a-fA-F]{7,64}")
_MAX_REF = 1024
_ILLEGAL_IN_REF = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|/\.|\.lock(/|$)|[./]$")
"""What `git check-ref-format` refuses."""
_BUILDS = {
    PullRequestAction.OPENED,
    PullRequestAction.UPDATED,
    PullRequestAction.REOPENED,
    PullRequestAction.READY,
    PullRequestAction.RETARGETED,
}
_ENDS = {PullRequestAction.CLOSED, PullRequestAction.MERGED}


@dataclass(frozen=True)
class GitTrigger:
    """What a task asks of its repository. All but the first six members go beyond what ACR offers."""

    name: str
    repository_url: str
    branch: str
    is_enabled: bool = True
    on_commit: bool = True
    on_pull_request: bool = False

    branches: tuple[str, ...] = ()
    """Globs of further branches."""
    tags: tuple[str, ...] = ()
    """Globs of tags whose push starts a run; without any, tags start nothing."""
    paths: tuple[str, ...] = ()
    """Globs of which a changed file must fit one; without any, every file counts."""
    ignored_paths: tuple[str, ...] = ()
    """Globs of files that do not count."""
    actors: tuple[str, ...] = ()
    """Login names or ids of those whose events count; without any, everybody's do."""
    honours_skip: bool = False
    """Whether `[skip ci]` and its like are heeded."""
    allows_drafts: bool = True
    allows_forks: bool = False


class Verdict(StrEnum):
    """What follows from an event for a task."""

    START = "start"
    CANCEL = "cancel"
    """The queued runs of this pull request have lost their purpose."""
    NOTHING = "nothing"


@dataclass(frozen=True)
class Decision:
    """What follows, and why in one sentence. The other members are set for START, `line` also for CANCEL."""

    verdict: Verdict
    reason: str
    commit: str = ""
    """Exactly what is built; as the host told it, at least seven hexadecimal digits."""
    ref: str = ""
    """Where the commit can be fetched from if the host serves no bare commits."""
    line: str = ""
    """Runs of one trigger on the same line supersede each other: the ref, or the pull request."""
    is_untrusted: bool = False
    """From a fork: no secrets, no push, no cache writes, the builder destroyed after."""


def decide(trigger: GitTrigger, event: Event, last_commit: str | None = None) -> Decision:
    """Judge one event for one task; `last_commit` is what the trigger last started a run of on the event's ref."""
    match event:
        case Push():
            return _judge_push(trigger, event, last_commit)
        case PullRequest():
            return _judge_pull_request(trigger, event, last_commit)
        case Ignored():
            return _no(event.reason)
    return _no("The host only tried the hook.")


def _no(reason: str) -> Decision:
    return Decision(Verdict.NOTHING, reason)


def is_legal_ref(ref: str) -> bool:
    """Whether a full ref name is one that git accepts and that cannot be taken for an option."""
    is_full = ref.startswith("refs/") and ref.count("/") > 1 and len(ref) <= _MAX_REF
    return is_full and not _ILLEGAL_IN_REF.search(ref)


def is_commit(commit: str) -> bool:
    """Whether a text is a commit, whole or abbreviated to at least seven digits, and not the zeros for none."""
    return bool(_COMMIT.fullmatch(commit)) and not is_no_commit(commit)


def _judge_push(trigger: GitTrigger, push: Push, last_commit: str | None) -> Decision:
    commit = push.commit or push.after
    reason = (
        _off(trigger, is_on=trigger.on_commit, what="commits")
        or _other_repository(trigger, push)
        or _other_ref(trigger, push)
        or _nothing_to_build(push, commit, last_commit)
        or _other_actor(trigger, push.actor)
        or _skipped(trigger, asks=push.asks_to_skip)
        or _other_paths(trigger, push)
    )
    if reason:
        return _no(reason)
    what = f"tag {push.tag}" if push.tag else f"branch {push.branch}"
    return Decision(Verdict.START, f"{_how(push)} the {what}.", commit, push.ref, push.ref)


def _how(push: Push) -> str:
    who = push.actor.name or "Somebody"
    if push.is_new:
        return f"{who} created"
    return f"{who} force-pushed to" if push.is_forced else f"{who} pushed to"


def _off(trigger: GitTrigger, *, is_on: bool, what: str) -> str:
    if not trigger.is_enabled:
        return f"The trigger {trigger.name} is disabled."
    return "" if is_on else f"The trigger {trigger.name} is not for {what}."


def _other_repository(trigger: GitTrigger, event: Push | PullRequest) -> str:
    if is_of(event.repository, trigger.repository_url):
        return ""
    return f"The event is of the repository {event.repository.name or event.repository.clone_url}, not of the task's."


def _other_ref(trigger: GitTrigger, push: Push) -> str:
    if not is_legal_ref(push.ref):
        return "The name of the ref is not one that git allows."
    if push.branch:
        return _other_branch(trigger, push.branch)
    if not push.tag:
        return f"The ref {push.ref} is neither a branch nor a tag."
    return "" if matches_any(trigger.tags, push.tag) else f"The trigger {trigger.name} is not for the tag {push.tag}."


def _other_branch(trigger: GitTrigger, branch: str) -> str:
    if branch == trigger.branch or matches_any(trigger.branches, branch):
        return ""
    wanted = ", ".join(part for part in (trigger.branch, *trigger.branches) if part)
    return f"The branch is {branch}; the trigger {trigger.name} is for {wanted or 'no branch'}."


def _nothing_to_build(push: Push, commit: str, last_commit: str | None) -> str:
    what = push.branch or push.tag
    if push.is_deleted:
        return f"{what} was deleted."
    if not commit and push.is_new:
        return f"The creation of {what} names no commit; the push that comes beside it does."
    if not is_commit(commit):
        return f"The push to {what} names no commit."
    if push.before == push.after:
        return f"The push did not move {what}."
    if push.is_new and _is_same(commit, last_commit):
        return f"{what} was created at a commit that has its run already."
    return ""


def _is_same(commit: str, last_commit: str | None) -> bool:
    shorter, longer = sorted((commit.lower(), (last_commit or "").lower()), key=len)
    return bool(shorter) and longer.startswith(shorter)


def _other_actor(trigger: GitTrigger, actor: Actor) -> str:
    if not trigger.actors or any(one and one in trigger.actors for one in (actor.name, actor.id)):
        return ""
    return f"{actor.name or 'Somebody unknown'} is not among the actors of the trigger {trigger.name}."


def _skipped(trigger: GitTrigger, *, asks: bool) -> str:
    return "The message of the newest commit asks for no build." if asks and trigger.honours_skip else ""


def _other_paths(trigger: GitTrigger, push: Push) -> str:
    """Answer why no changed file counts; when the host does not tell all files, one of the others may count."""
    if push.paths is None or not (trigger.paths or trigger.ignored_paths):
        return ""
    counting = (path for path in push.paths if not matches_any(trigger.ignored_paths, path))
    if any(not trigger.paths or matches_any(trigger.paths, path) for path in counting):
        return ""
    return f"None of the {len(push.paths)} changed files counts for the trigger {trigger.name}."


def _judge_pull_request(trigger: GitTrigger, request: PullRequest, last_commit: str | None) -> Decision:
    line = f"pull request {request.number}"
    reason = (
        _off(trigger, is_on=trigger.on_pull_request, what="pull requests")
        or _other_repository(trigger, request)
        or _other_branch(trigger, request.base_branch)
    )
    if reason:
        return _no(reason)
    if request.action in _ENDS:
        return Decision(Verdict.CANCEL, f"Pull request {request.number} was {request.action}.", line=line)
    reason = (
        _unchanged(request, last_commit)
        or _untrusted(trigger, request)
        or _other_actor(trigger, request.actor)
        or _skipped(trigger, asks=request.asks_to_skip)
    )
    if reason:
        return _no(reason)
    return Decision(
        Verdict.START,
        f"Pull request {request.number} was {_said(request)}.",
        request.head_commit,
        request.fetch_ref or ("" if request.is_fork else request.head_ref),
        line,
        is_untrusted=request.is_fork,
    )


def _said(request: PullRequest) -> str:
    return "made ready for review" if request.action == PullRequestAction.READY else request.action


def _unchanged(request: PullRequest, last_commit: str | None) -> str:
    number, commit = request.number, request.head_commit
    if request.action not in _BUILDS:
        return f"The commits of pull request {number} did not change ({request.told or 'no word on what did'})."
    if not is_commit(commit):
        return f"Pull request {number} names no commit."
    if request.action == PullRequestAction.UPDATED and _is_same(commit, last_commit):
        return f"Commit {commit} of pull request {number} has its run already."
    return ""


def _untrusted(trigger: GitTrigger, request: PullRequest) -> str:
    if request.is_fork and not trigger.allows_forks:
        return f"Pull request {request.number} is from a fork, which the trigger {trigger.name} does not allow."
    if request.is_draft and not trigger.allows_drafts:
        return f"Pull request {request.number} is a draft, which the trigger {trigger.name} does not build."
    return ""
