"""An event of a git host becomes runs: of each task that watches its repository, of the very commit, once.

For one trigger, in this order: a run that the event has made already is recorded again and that is all; the line
moves by ETag; the run is made under a key that follows from the event; the decision is recorded; runs that the new
one supersedes are ended. A crash anywhere leaves the delivery, which comes again and repeats what is needed.
"""

import hashlib
import logging
import uuid
from dataclasses import dataclass

from shared.arm.requests import Overrides
from shared.arm.wire import SourceTriggerCause
from shared.errors import NotFound, SlipwayError, Throttled, Unavailable
from shared.log_context import about
from shared.runs.causes import Cause, CauseKind
from shared.runs.context import Workshop
from shared.runs.finish import Ending, finish
from shared.runs.model import Run, Status
from shared.runs.of_tasks import Order, run_task
from shared.tasks.record import Task
from shared.triggers.decisions import MAX_REASON, Decision, DecisionStore, Verdict
from shared.triggers.git import matching
from shared.triggers.git.addresses import is_of, repository_key
from shared.triggers.git.events import Event, HostKind, Ignored, Ping, PullRequest, Push
from shared.triggers.git.hooks import Hook
from shared.triggers.git.lines import Line, Step, last_started, told
from shared.triggers.git.patterns import matches_any
from shared.triggers.git.triggers import TYPE_NAMES, Watched, location_of, watched
from shared.triggers.git.watches import WatchStore

_ATTEMPTS = 20
_SHOWN = 12
"""Digits of a commit in a sentence."""
_HAS_RUN = "A look at the repository found the commit before the delivery came: it has its run already."
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Subject:
    """A task and one of its triggers, about which something is decided."""

    task: Task
    watch: Watched

    @property
    def registry(self) -> str:
        """The registry's storage key."""
        return self.task.registry

    @property
    def trigger(self) -> str:
        """The trigger's name."""
        return self.watch.trigger.name

    def request(self, *words: str) -> str:
        """Answer the key under which what the words say makes one run."""
        parts = ("git", self.registry, self.task.key, self.trigger.lower(), *words)
        return hashlib.sha256("\0".join(parts).encode(errors="surrogateescape")).hexdigest()


@dataclass(frozen=True)
class Wanted:
    """A run that is to be made."""

    kind: CauseKind
    host: HostKind
    commit: str
    branch: str
    """As `branchName` shows it: a tag by its full ref."""
    request: str
    reason: str
    pull_request: int | None = None
    is_untrusted: bool = False

    @property
    def subject(self) -> str:
        """What it is for, as decisions name it."""
        what = f"pull request {self.pull_request}" if self.pull_request is not None else self.branch
        return f"{what} at {self.commit[:_SHOWN]}"


class Starter:
    """Starts the runs that events cause. Thread-safe."""

    def __init__(self, shop: Workshop) -> None:
        self._shop = shop
        self._watches = WatchStore(shop.storage.watches)
        self._decisions = DecisionStore(shop.storage.decisions)

    def on_event(self, registry: str, hook: Hook, event: Event, key: str) -> None:
        """Let every task that watches the hook's repository judge an event; see `drain.EventListener`."""
        if isinstance(event, Ping):
            return
        repository, fault = repository_key(hook.repository_url), None
        for watch in self._watches.of_repository(registry, repository):
            task = self._shop.tasks.find(registry, watch.task)
            for one in watched(task.properties, self._shop.settings.git_hosts) if task else ():
                if task is None or one.repository != repository:
                    continue
                with about({"registry": registry, "task": task.name}):
                    try:
                        self._judge(Subject(task, one), hook.host, event, key)
                    except SlipwayError as error:
                        _LOG.warning("an event comes again: %s", error.message)
                        fault = error
        if fault is not None:
            raise fault

    def _judge(self, subject: Subject, host: HostKind, event: Push | PullRequest | Ignored, key: str) -> None:
        request = subject.request(key)
        known = self._shop.store.by_request(subject.registry, request)
        if not subject.task.is_enabled and known is None:
            self._record(subject, event, Verdict.SUPPRESSED, f"The task {subject.task.name} is disabled.")
            return
        if isinstance(event, Ignored):
            self._record(subject, event, Verdict.SUPPRESSED, matching.decide(subject.watch.trigger, event).reason)
            return
        name = event.ref if isinstance(event, Push) else f"pull request {event.number}"
        if known is not None:
            line, _ = self._watches.line(subject.registry, subject.task.key, subject.trigger, name)
            decision = matching.decide(subject.watch.trigger, event)
            self.make(subject, line, _wanted(host, event, decision, request), supersedes=False)
            return
        line, decision, step = self._moved(subject, event, name, request)
        if decision.verdict is matching.Verdict.CANCEL:
            self._record(subject, event, Verdict.SUPPRESSED, decision.reason)
            self.end_waiting(subject, line, decision.reason)
        elif step in {Step.RUN, Step.LATE_RUN}:
            wanted = _wanted(host, event, decision, request)
            self.make(subject, line, wanted, supersedes=step is Step.RUN and subject.watch.supersedes)
        else:
            reason = _HAS_RUN if step is Step.HAS_RUN else decision.reason
            self._record(subject, event, Verdict.SUPPRESSED, reason)

    def _moved(
        self, subject: Subject, event: Push | PullRequest, name: str, request: str
    ) -> tuple[Line, matching.Decision, Step]:
        """Move the line as the event says; answer it as it is then."""
        for _ in range(_ATTEMPTS):
            line, row = self._watches.line(subject.registry, subject.task.key, subject.trigger, name)
            decision = matching.decide(subject.watch.trigger, event, last_started(line, request))
            if decision.verdict is matching.Verdict.NOTHING and not _is_watched(subject, event):
                return line, decision, Step.NOTHING
            moved, step = told(line, event, decision, request, is_looked_at=self._is_looked_at(subject))
            if moved == line or self._watches.write(subject.registry, subject.task.key, moved, row):
                return moved, decision, step
        raise Unavailable(f"The branch {name} of task {subject.task.name} is being changed by too many at once.")

    def _is_looked_at(self, subject: Subject) -> bool:
        """Whether a look makes the runs of what lies in a gap."""
        return bool(self._shop.settings.git_poll_minutes) and not (
            subject.watch.supersedes or subject.watch.trigger.actors
        )

    def make(self, subject: Subject, line: Line, wanted: Wanted, *, supersedes: bool) -> None:
        """Make a run and record why; with `supersedes` the line's runs that still wait are ended. Repeating is fine."""
        try:
            run = self._run(subject, wanted)
        except (Throttled, Unavailable):
            raise
        except SlipwayError as error:
            reason = f"{wanted.reason} But the task cannot be run as it is: {error.message}"
            self._decide(subject, wanted.kind, Verdict.REFUSED, wanted.subject, reason)
            return
        self._decide(subject, wanted.kind, Verdict.STARTED, wanted.subject, wanted.reason, run)
        before = self._watches.change(subject.registry, subject.task.key, line, lambda one: one.with_run(run.id))
        if supersedes:
            reason = f"The run {run.id} of {wanted.subject} supersedes it."
            self.end_waiting(subject, before.model_copy(update={"runs": _earlier(before.runs, run.id)}), reason)

    def _run(self, subject: Subject, wanted: Wanted) -> Run:
        content = self._shop.tasks.read(subject.registry, subject.task.key)
        location = location_of(content.full, subject.watch, wanted.commit)
        order = Order(
            overrides=Overrides(context_path=location),
            cause=_cause(subject, wanted),
            is_untrusted=wanted.is_untrusted,
        )
        return run_task(self._shop, self._shop.registry(subject.registry), subject.task.name, order, wanted.request)

    def end_waiting(self, subject: Subject, line: Line, reason: str) -> None:
        """End the line's runs that still wait for a builder."""
        for run_id in line.runs:
            try:
                run = self._shop.store.get(subject.registry, run_id)
            except NotFound:
                continue
            if run.status is not Status.QUEUED:
                continue
            ended = finish(self._shop, run.registry, run.id, Ending(Status.CANCELED, reason), epoch=run.epoch)
            if ended.status is Status.CANCELED:
                self._decide(subject, run.cause.kind, Verdict.SUPPRESSED, f"run {run.id}", reason, ended)

    def _record(self, subject: Subject, event: Event, verdict: Verdict, reason: str) -> None:
        self._decide(subject, _kind(event), verdict, _subject(event), reason)

    def _decide(  # noqa: PLR0913, PLR0917 - what a decision is made of
        self, subject: Subject, kind: CauseKind, verdict: Verdict, what: str, reason: str, run: Run | None = None
    ) -> None:
        at = run.created if run and verdict is Verdict.STARTED else self._shop.clock()
        self._decisions.record(
            Decision(
                registry=subject.registry,
                task=subject.task.key,
                at=at,
                verdict=verdict,
                cause=kind,
                trigger=subject.trigger,
                subject=what,
                reason=reason[:MAX_REASON],
                run_id=run.id if run else None,
            )
        )

    def pass_over(self, subject: Subject, what: str, reason: str) -> None:
        """Record that by a rule of a trigger nothing comes of something."""
        self._decide(subject, CauseKind.COMMIT, Verdict.SUPPRESSED, what, reason)

    def refuse(self, subject: Subject, what: str, reason: str) -> None:
        """Record that something could not be done for a trigger."""
        self._decide(subject, CauseKind.COMMIT, Verdict.REFUSED, what, reason)


def _earlier(runs: tuple[str, ...], run_id: str) -> tuple[str, ...]:
    """Answer the runs before one: a repetition must not end what came after it."""
    return runs[: runs.index(run_id)] if run_id in runs else runs


def _is_watched(subject: Subject, event: Push | PullRequest) -> bool:
    """Whether a line follows an event that starts nothing: a push to a branch that is looked at, too."""
    trigger = subject.watch.trigger
    if not isinstance(event, Push) or not event.branch or event.is_deleted or not matching.is_commit(event.after):
        return False
    is_branch = event.branch == trigger.branch or matches_any(trigger.branches, event.branch)
    return is_branch and is_of(event.repository, trigger.repository_url)


def _kind(event: Event) -> CauseKind:
    return CauseKind.PULL_REQUEST if isinstance(event, PullRequest) else CauseKind.COMMIT


def _subject(event: Event) -> str:
    match event:
        case Push():
            return f"{event.branch or event.ref} at {event.after[:_SHOWN]}"
        case PullRequest():
            return f"pull request {event.number} at {event.head_commit[:_SHOWN]}"
    return "an event"


def _wanted(host: HostKind, event: Push | PullRequest, decision: matching.Decision, request: str) -> Wanted:
    if isinstance(event, PullRequest):
        return Wanted(
            kind=CauseKind.PULL_REQUEST,
            host=host,
            commit=event.head_commit,
            branch=event.head_branch,
            request=request,
            reason=decision.reason,
            pull_request=event.number,
            is_untrusted=event.is_fork,
        )
    branch = event.branch or event.ref
    return Wanted(CauseKind.COMMIT, host, event.commit or event.after, branch, request, decision.reason)


def _cause(subject: Subject, wanted: Wanted) -> Cause:
    number = wanted.pull_request
    source = SourceTriggerCause(
        id=str(uuid.uuid5(uuid.NAMESPACE_OID, wanted.request)),
        event_type=wanted.kind.value,
        commit_id=wanted.commit,
        pull_request_id=None if number is None else str(number),
        repository_url=subject.watch.context.url,
        branch_name=wanted.branch,
        provider_type=TYPE_NAMES[wanted.host],
    )
    return Cause(kind=wanted.kind, source_trigger=source)
