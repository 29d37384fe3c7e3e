"""Looks at the branches that tasks watch, and makes the runs of pushes of which no delivery told.

A line is read before the repository is asked and moves by ETag, so whatever a delivery says meanwhile wins. The
first look at a branch only notes where it is. A look knows neither who pushed nor which files: triggers for certain
actors start nothing by it, path filters are passed. What a commit says it reads where a trigger heeds that.
"""

import hashlib
import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import islice

from shared.contexts import GitContext
from shared.errors import NotFound, SlipwayError
from shared.log_context import about
from shared.runs.causes import CauseKind
from shared.runs.context import Workshop
from shared.storage import Row
from shared.triggers.git.events import BRANCHES
from shared.triggers.git.history import History
from shared.triggers.git.lines import Line, Owed, seen
from shared.triggers.git.matching import is_legal_ref
from shared.triggers.git.patterns import matches_any
from shared.triggers.git.starting import Starter, Subject, Wanted
from shared.triggers.git.triggers import token_of, watched
from shared.triggers.git.watches import Watch, WatchStore

WORK = timedelta(seconds=50)
"""Longest that one round begins new looks."""
_THREADS = 8
_MOST_BRANCHES = 100
"""Of one trigger: globs may cover more."""
MOST_EARLIER = 19
"""Commits of a branch, beside the newest one, that get a run by one look."""
_OFF = "off"
"""In place of what a look was for, while a task has nothing to look for."""
_LOG = logging.getLogger(__name__)

type _Lines = Mapping[tuple[str, str], tuple[Line, Row | None]]
ReadRefs = Callable[[GitContext, str | None], Mapping[str, str]]
"""Answers the commit of each ref for (repository, access token); raises SlipwayError with a sentence."""
ReadHistory = Callable[[GitContext, str | None, str, str], History]
"""Answers what lies between a newer commit and an older one; see `history.read_history`."""
_Read = Callable[[str, str], History]


@dataclass(frozen=True)
class Lookout:
    """What looks are taken with."""

    shop: Workshop
    watches: WatchStore
    starter: Starter
    read_refs: ReadRefs
    read_history: ReadHistory


@dataclass(frozen=True)
class _Branch:
    """A branch as it was known before the repository was asked, and the commit where it is."""

    line: Line
    row: Row | None
    commit: str


def look_around(lookout: Lookout, registry: str, minutes: int) -> None:
    """Look at the repositories of a registry whose minute it is: each every `minutes`, a new one at once."""
    began = lookout.shop.clock()

    def look(watch: Watch) -> None:
        if lookout.shop.clock() > began + WORK:
            return
        with about({"registry": registry, "task": watch.task}):
            try:
                look_at(lookout, watch)
            except SlipwayError:
                _LOG.exception("the repository of the task is looked at again later")

    due = [watch for watch in lookout.watches.of_registry(registry) if _is_due(watch, began, minutes)]
    with ThreadPoolExecutor(_THREADS) as pool:
        list(pool.map(look, due))


def _is_due(watch: Watch, now: datetime, minutes: int) -> bool:
    if not watch.looked and not watch.fault:
        return True
    return int(now.timestamp()) // 60 % minutes == int(watch.repository, 16) % minutes


def look_at(lookout: Lookout, watch: Watch) -> None:
    """Look at one repository for one task."""
    try:
        content = lookout.shop.tasks.read(watch.registry, watch.task)
    except NotFound:
        return
    subjects = [
        Subject(content.task, one)
        for one in watched(content.task.properties, lookout.shop.settings.git_hosts)
        if one.repository == watch.repository and one.trigger.is_enabled and one.trigger.on_commit
    ]
    if not content.task.is_enabled or not subjects:
        if watch.looked != _OFF:
            lookout.watches.note(watch, looked=_OFF, fault="")
        return
    looked = _fingerprint(subjects)
    known = lookout.watches.lines(watch.registry, watch.task)
    first = subjects[0].watch
    token = token_of(content.full, first.trigger.name)
    try:
        refs = lookout.read_refs(first.context, token)
    except SlipwayError as fault:
        _note_fault(lookout, watch, subjects[0], fault)
        return
    for subject in subjects:
        for one in _branches(subject, known, refs):
            notes_only = watch.looked not in {looked, ""} or not (watch.looked or one.line.commit)
            _compare(lookout, subject, one, partial(lookout.read_history, first.context, token), notes_only=notes_only)
    if (watch.looked, watch.fault) != (looked, ""):
        lookout.watches.note(watch, looked=looked, fault="")


def _fingerprint(subjects: Iterable[Subject]) -> str:
    """Answer what makes two looks look for the same branches."""
    told = [[one.trigger, one.watch.trigger.branch, *one.watch.trigger.branches] for one in subjects]
    return hashlib.sha256(json.dumps(told).encode(errors="replace")).hexdigest()


def _branches(subject: Subject, known: _Lines, refs: Mapping[str, str]) -> Iterator[_Branch]:
    """Answer the branches that a trigger watches and the repository has."""
    exact, globs = BRANCHES + subject.watch.trigger.branch, subject.watch.trigger.branches
    others = (ref for ref in refs if ref.startswith(BRANCHES) and ref != exact and is_legal_ref(ref))
    covered = (ref for ref in others if matches_any(globs, ref.removeprefix(BRANCHES)))
    for ref in (*([exact] if exact in refs else []), *islice(covered, _MOST_BRANCHES)):
        line, row = known.get((subject.trigger.lower(), ref), (Line(trigger=subject.trigger, name=ref), None))
        yield _Branch(line, row, refs[ref])


def _compare(lookout: Lookout, subject: Subject, branch: _Branch, read: _Read, *, notes_only: bool) -> None:
    commit, line = branch.commit, branch.line
    if line.owed is None:
        is_silent = notes_only or bool(subject.watch.trigger.actors)
        missed = _Missed() if is_silent else _missed(subject, branch, read)
        request = subject.request("look", line.name, line.commit, commit, line.request)
        moved = seen(line, commit, request, missed.between, missed.lost)
        if moved is None:
            return
        if is_silent:
            moved = moved.model_copy(update={"owed": None, "started": line.started, "found": line.found})
        elif moved.owed is not None:
            moved = moved.model_copy(update={"owed": moved.owed.without(missed.asking)})
        if not lookout.watches.write(subject.registry, subject.task.key, moved, branch.row):
            return
        line = moved
        what = f"{line.name.removeprefix(BRANCHES)} at {commit[:12]}"
        if subject.watch.trigger.actors and not notes_only:
            reason = "No delivery told of it, and who pushed cannot be seen: the trigger is for certain actors only."
            lookout.starter.refuse(subject, what, reason)
        elif missed.reason:
            lookout.starter.refuse(subject, f"commits before {what}", missed.reason)
    if line.owed is not None:
        _pay(lookout, subject, line, line.owed)


@dataclass(frozen=True)
class _Missed:
    """Commits before the newest one that get a run, oldest first, and why others do not."""

    between: tuple[str, ...] = ()
    """From where the branch was to where it is."""
    lost: tuple[str, ...] = ()
    """From the gaps between deliveries."""
    reason: str = ""
    asking: frozenset[str] = frozenset()
    """Commits that ask for no build, where the trigger heeds that."""
    has_newest: bool = False
    """Whether the newest commit's message was read."""


def _missed(subject: Subject, branch: _Branch, read: _Read) -> _Missed:
    """Answer what no delivery told of: in the line's gaps and since where it was, or why the newest is all."""
    missed = _Missed() if subject.watch.supersedes else _between(branch, read)
    if not subject.watch.trigger.honours_skip:
        return replace(missed, asking=frozenset())
    if missed.has_newest or branch.commit == branch.line.commit:
        return missed
    return replace(missed, asking=missed.asking | _asking(branch.commit, read))


def _asking(commit: str, read: _Read) -> frozenset[str]:
    """Answer the commit if it asks for no build; a message that cannot be read asks for nothing."""
    try:
        return read(commit, "").asking
    except SlipwayError:
        return frozenset()


def _between(branch: _Branch, read: _Read) -> _Missed:
    line, commit, reasons, asking = branch.line, branch.commit, list[str](), set[str]()

    def tell(older: str, newer: str) -> tuple[str, ...]:
        try:
            history = read(newer, older)
        except SlipwayError as fault:
            reasons.append(f"Only the newest commit gets a run: those before it could not be read. {fault.message}")
            return ()
        asking.update(history.asking)
        told.add(newer)
        if history.between is None and newer not in line.strays:
            reasons.append("Only the newest commit gets a run: it does not continue what the branch was before.")
        return history.between or ()

    told = set[str]()
    lost = tuple(one for older, newer in line.gaps for one in (*tell(older, newer), newer))
    between = tell(line.commit, commit) if line.commit not in {"", commit} else ()
    left = len(lost) + len(between) - MOST_EARLIER
    if left > 0:
        most = MOST_EARLIER + 1
        reasons.append(f"{left} older commits get no run: one look makes runs of the newest {most} at most.")
        lost, between = lost[left:], between[max(0, left - len(lost)) :]
    return _Missed(between, lost, " ".join(reasons), frozenset(asking), has_newest=commit in told)


def _pay(lookout: Lookout, subject: Subject, line: Line, owed: Owed) -> None:
    """Make the runs that a line owes, the oldest commit first."""
    for commit in (*owed.earlier, owed.commit):
        if commit in owed.skipped:
            what = f"{line.name.removeprefix(BRANCHES)} at {commit[:12]}"
            lookout.starter.pass_over(subject, what, "The message of the commit asks for no build.")
            continue
        is_newest = commit == owed.commit
        wanted = Wanted(
            kind=CauseKind.COMMIT,
            host=subject.watch.host,
            commit=commit,
            branch=line.name.removeprefix(BRANCHES),
            request=owed.request if is_newest else subject.request("look", owed.request, commit),
            reason="The branch has moved, as a look at the repository found; no delivery of its host told of it.",
        )
        lookout.starter.make(subject, line, wanted, supersedes=is_newest and subject.watch.supersedes)
    lookout.watches.change(
        subject.registry,
        subject.task.key,
        line,
        lambda one: one.model_copy(update={"owed": None}) if one.owed == owed else one,
    )


def _note_fault(lookout: Lookout, watch: Watch, subject: Subject, fault: SlipwayError) -> None:
    """Record a fault when it is a new one: it may come again every few minutes."""
    if watch.fault != fault.message and lookout.watches.note(watch, looked=watch.looked, fault=fault.message):
        lookout.starter.refuse(subject, "a look at the repository", f"Its branches could not be read: {fault.message}")
