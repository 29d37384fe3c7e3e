"""What is known of a branch, a tag or a pull request for one trigger, and what an event adds to that. Pure.

Deliveries get lost, come twice, come late, and a look at the repository may be quicker than all of them. So a line
remembers where it was said to be, by which event, and which commits have a run that no delivery has asked for.
"""

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


def told(line: Line, event: Push | PullRequest, decision: Decision, request: str) -> tuple[Line, Step]:
    """Answer the line after an event that was told under `request`, and what is to be done."""
    starts = decision.verdict is Verdict.START
    if isinstance(event, PullRequest):
        return (_moved(line, event.head_commit, request, starts=True), Step.RUN) if starts else (line, Step.NOTHING)
    return _pushed(line, event, request, starts=starts)


def _pushed(line: Line, push: Push, request: str, *, starts: bool) -> tuple[Line, Step]:
    commit = push.commit or push.after
    if line.request == request:
        return line, Step.RUN if starts else Step.NOTHING
    if push.after in line.found:
        found = tuple(one for one in line.found if one != push.after)
        return line.model_copy(update={"found": found}), Step.HAS_RUN if starts else Step.NOTHING
    if _is_late(line, push):
        if not starts:
            return line, Step.NOTHING
        return line.model_copy(update={"strays": (*line.strays, push.after)[-_KEPT:]}), Step.LATE_RUN
    moves = (*line.moves, (push.before or line.commit, push.after))[-_KEPT:]
    moved = _moved(line, push.after, request, starts=starts).model_copy(update={"moves": moves})
    return (moved.model_copy(update={"started": commit}), Step.RUN) if starts else (moved, Step.NOTHING)


def _is_late(line: Line, push: Push) -> bool:
    """Whether the push came before one that was told already: it starts or ends where that one started."""
    if not line.commit or not push.before or push.before == line.commit:
        return False
    ends = {push.after} | (set() if is_no_commit(push.before) else {push.before})
    return any(before in ends for before, _ in line.moves)


def _moved(line: Line, commit: str, request: str, *, starts: bool) -> Line:
    changes = {"commit": commit, "request": request} | ({"started": commit} if starts else {})
    return line.model_copy(update=changes)


def seen(line: Line, commit: str, request: str, between: tuple[str, ...] = ()) -> Line | None:
    """Answer the line after a look found its branch at a commit; `owed` when runs are to be made; None for no news.

    `between` are the commits from where the line was to that commit, both left out, oldest first.
    """
    if commit == line.commit:
        return None
    if commit in line.strays:
        return line.model_copy(update={"commit": commit})
    has_run = {line.started, *line.strays, *line.found}
    earlier = tuple(one for one in between if one not in has_run)
    return line.model_copy(
        update={
            "commit": commit,
            "request": request,
            "started": commit,
            "moves": (*line.moves, (line.commit, commit))[-_KEPT:],
            "found": (*line.found, *earlier, commit)[-_FOUND_KEPT:],
            "owed": Owed(commit=commit, request=request, earlier=earlier),
        }
    )
