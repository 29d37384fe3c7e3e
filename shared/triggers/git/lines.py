"""What is known of a branch, a tag or a pull request for one trigger, and what an event adds to that. Pure.

Deliveries get lost, come twice, come late, and a look at the repository may be quicker than all of them. So a line
remembers where it was said to be, by which event, and which commits have a run that no delivery has asked for.
"""

from collections.abc import Container
from enum import Enum, auto

from pydantic import BaseModel, ConfigDict

from shared.triggers.git.events import PullRequest, Push, is_no_commit
from shared.triggers.git.matching import Decision, Verdict

_KEPT = 20
_FOUND_KEPT = 100
"""A look may find as many commits at once as fit into five long looks."""


class Owed(BaseModel):
    """A run that a look decided on; it is made under `request` until it is there."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    commit: str
    request: str
    earlier: tuple[str, ...] = ()
    """Commits before it that have no run either, oldest first."""
    skipped: tuple[str, ...] = ()
    """Those of all of them that get none, because they ask for none."""

    def without(self, asking: Container[str]) -> "Owed":
        """Answer what is owed when commits that ask for no build get none."""
        skipped = tuple(one for one in (*self.earlier, self.commit) if one in asking)
        return self.model_copy(update={"skipped": skipped})


class Line(BaseModel):
    """A branch, tag or pull request as one trigger of a task knows it.

    Lists keep the newest twenty, `found` a hundred.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    trigger: str
    name: str
    """A full ref, or `pull request N`: what `matching.Decision.line` says."""
    commit: str = ""
    """Where the line was last said to be."""
    request: str = ""
    """The request of the event that said so."""
    started: str = ""
    """The commit of the latest run."""
    moves: tuple[tuple[str, str], ...] = ()
    """Before and after of what was said, oldest first."""
    found: tuple[str, ...] = ()
    """Commits with a run by a look, of which no delivery has told yet."""
    strays: tuple[str, ...] = ()
    """Commits with a run whose delivery came late."""
    gaps: tuple[tuple[str, str], ...] = ()
    """From where the line was to where a push began that was told next: what lies there is for the next look."""
    owed: Owed | None = None
    runs: tuple[str, ...] = ()
    """Ids of runs that may still wait."""

    def with_run(self, run_id: str) -> "Line":
        """Answer the line with a run more."""
        return self if run_id in self.runs else self.model_copy(update={"runs": (*self.runs, run_id)[-_KEPT:]})


class Step(Enum):
    """What an event comes to on its line."""

    NOTHING = auto()
    RUN = auto()
    LATE_RUN = auto()
    """A commit that is older than what the line knows; it supersedes nothing."""
    HAS_RUN = auto()
    """A look at the repository was quicker."""


def last_started(line: Line | None, request: str) -> str | None:
    """Answer the commit of the line's latest run, as it was before the event of `request`."""
    return None if line is None or line.request == request else line.started or None


def told(
    line: Line, event: Push | PullRequest, decision: Decision, request: str, *, is_looked_at: bool = True
) -> tuple[Line, Step]:
    """Answer the line after an event that was told under `request`, and what is to be done.

    With `is_looked_at` gaps are kept: a look will come by and make the runs of what lies in them.
    """
    starts = decision.verdict is Verdict.START
    if isinstance(event, PullRequest):
        return (_moved(line, event.head_commit, request, starts=True), Step.RUN) if starts else (line, Step.NOTHING)
    is_looked_at = is_looked_at and bool(event.branch)
    kept = line if is_looked_at else line.model_copy(update={"gaps": ()})
    moved, step = _pushed(kept, event, request, starts=starts)
    if is_looked_at and _skips(line, moved, event):
        moved = moved.model_copy(update={"gaps": (*line.gaps, (line.commit, event.before))[-_KEPT:]})
    return moved, step


def _skips(line: Line, moved: Line, push: Push) -> bool:
    """Whether a push that moved the line began elsewhere than where the line was: one before it is lost, or late."""
    is_known = bool(line.commit and push.before) and not is_no_commit(push.before)
    return is_known and moved.request != line.request and push.before != line.commit


def _pushed(line: Line, push: Push, request: str, *, starts: bool) -> tuple[Line, Step]:
    commit = push.commit or push.after
    if line.request == request:
        return line, Step.RUN if starts else Step.NOTHING
    if push.after in line.found:
        found = tuple(one for one in line.found if one != push.after)
        return line.model_copy(update={"found": found}), Step.HAS_RUN if starts else Step.NOTHING
    if _is_late(line, push):
        changes: dict[str, object] = {"gaps": _narrowed(line.gaps, push)}
        if not starts:
            return line.model_copy(update=changes), Step.NOTHING
        changes["strays"] = (*line.strays, push.after)[-_KEPT:]
        return line.model_copy(update=changes), Step.LATE_RUN
    moves = (*line.moves, (push.before or line.commit, push.after))[-_KEPT:]
    moved = _moved(line, push.after, request, starts=starts).model_copy(update={"moves": moves})
    return (moved.model_copy(update={"started": commit}), Step.RUN) if starts else (moved, Step.NOTHING)


def _is_late(line: Line, push: Push) -> bool:
    """Whether the push came before one that was told already.

    It starts or ends where that one started, or where a late one ended; while something is known to be missing,
    one that fits nowhere is taken to be of that.
    """
    if not line.commit or not push.before or push.before == line.commit:
        return False
    if is_no_commit(push.before):
        return any(before == push.after for before, _ in line.moves)
    ends = {push.after, push.before}
    return bool(line.gaps) or push.before in line.strays or any(before in ends for before, _ in line.moves)


def _narrowed(gaps: tuple[tuple[str, str], ...], push: Push) -> tuple[tuple[str, str], ...]:
    """Answer what is still missing after a late push has told of one end of a gap, or of all of it."""

    def without(start: str, end: str) -> tuple[str, str]:
        if start == push.before:
            return push.after, end
        return (start, push.before) if end == push.after else (start, end)

    return tuple(gap for gap in (without(*one) for one in gaps) if gap[0] != gap[1])


def _moved(line: Line, commit: str, request: str, *, starts: bool) -> Line:
    changes = {"commit": commit, "request": request} | ({"started": commit} if starts else {})
    return line.model_copy(update=changes)


def seen(
    line: Line, commit: str, request: str, between: tuple[str, ...] = (), lost: tuple[str, ...] = ()
) -> Line | None:
    """Answer the line after a look found its branch at a commit; `owed` when runs are to be made; None for no news.

    `between` are the commits from where the line was to that commit, both left out, and `lost` those of the line's
    gaps; each oldest first.
    """
    if commit == line.commit and not line.gaps:
        return None
    is_new = commit not in {line.commit, *line.strays}
    has_run = {line.started, *line.strays, *line.found, commit}
    earlier = tuple(dict.fromkeys(one for one in (*lost, *between) if one not in has_run))
    due = (*earlier, commit) if is_new else earlier
    changes: dict[str, object] = {"commit": commit, "gaps": ()}
    if due:
        changes["found"] = (*line.found, *due)[-_FOUND_KEPT:]
        changes["owed"] = Owed(commit=due[-1], request=request, earlier=due[:-1])
    if is_new:
        changes |= {"request": request, "started": commit, "moves": (*line.moves, (line.commit, commit))[-_KEPT:]}
    return line.model_copy(update=changes)
