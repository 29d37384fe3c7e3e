"""A run as a value, and the moves that its status may make. Pure."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from shared.arm.wire import BaseImage
from shared.grant import Image, Outcome, Platform, StepContainer
from shared.runs.causes import MANUAL, Cause
from shared.runs.setbacks import Setback


class Status(StrEnum):
    """The status of a run, by the names of the published API."""

    QUEUED = "Queued"
    STARTED = "Started"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    CANCELED = "Canceled"
    ERROR = "Error"
    TIMEOUT = "Timeout"


TERMINAL = frozenset(Status(outcome.value) for outcome in Outcome)

_NEXT: Mapping[Status, frozenset[Status]] = {
    Status.QUEUED: frozenset({Status.STARTED, Status.RUNNING}) | TERMINAL,
    Status.STARTED: frozenset({Status.QUEUED, Status.RUNNING}) | TERMINAL,
    Status.RUNNING: frozenset({Status.QUEUED}) | TERMINAL,
}
"""Events overtake each other, so a claim or an end may arrive while the row still says Queued.
`Started -> Queued` is a builder that never came up, `Running -> Queued` one that handed the run over: it goes back and
gets another."""


ANY_REPOSITORY = "*"


def may_move(current: Status, following: Status) -> bool:
    """Whether a run may go from one status to the other. Terminal ones are never left."""
    return following in _NEXT.get(current, frozenset())


class Requester(BaseModel):
    """Who asked for the run, as `systemData` shows it."""

    model_config = ConfigDict(frozen=True)

    name: str
    kind: str


class Run(BaseModel):
    """One execution. Holds no secret: the request itself lies sealed in a blob."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    registry: str
    """The registry's storage key: its name in lower case."""
    status: Status = Status.QUEUED
    run_type: str = "QuickRun"
    task: str | None = None
    cause: Cause = MANUAL
    update_trigger_token: str | None = None
    """Base64 text that the caller wants to see again in the task's update notification."""
    created: datetime
    updated: datetime
    trace_parent: str = ""
    """The caller's span that asked for the run (W3C Trace Context), if it told one."""
    placed: datetime | None = None
    """When its latest builder was asked for."""
    started: datetime | None = None
    finished: datetime | None = None
    timeout_seconds: int
    platform: Platform = Platform()
    built_for: tuple[Platform, ...] = ()
    """What its images were built for, as its builder told, where that is not `platform` alone."""
    requester: Requester
    agent_pool: str | None = None
    is_archived: bool = False
    is_untrusted: bool = False
    """Whether a stranger wrote what it builds: it gets no secrets and publishes nothing."""
    push_repositories: tuple[str, ...] = ()
    """Repositories of the run's own registry that it may publish to; ANY_REPOSITORY stands for all."""
    group: str | None = None
    attempt: int = 0
    """Builders that were asked for so far."""
    let_down: int = 0
    """How many of them were lost by no fault of the run."""
    setbacks: tuple[Setback, ...] = ()
    """The latest of those."""
    group_seconds: float = 0.0
    """For how long it had groups that it has lost or given back."""
    released: datetime | None = None
    """When the group in which it ended was deleted, or was ready for another run."""
    may_have_pushed: bool = False
    """Whether a builder has had a login by which it could push."""
    epoch: int = 0
    """Claims so far; what a builder sends with an older epoch is refused."""
    needs_full: bool = False
    """Whether a confined builder has found that it cannot do what is asked."""
    steps: tuple[StepContainer, ...] = ()
    """Containers that its group needs beside the builder's, once a builder has read the task."""
    tells_contents: bool = False
    """Whether its builder tells what its images hold, for a while after the end."""
    output_images: tuple[Image, ...] = ()
    base_images: tuple[BaseImage, ...] = ()
    """What the output images stand on, pinned to digests."""
    error: str | None = None

    @property
    def platforms(self) -> tuple[Platform, ...]:
        """All platforms that its images were built for."""
        return self.built_for or (self.platform,)

    @property
    def is_terminal(self) -> bool:
        """Whether the run has ended."""
        return self.status in TERMINAL

    @property
    def lane(self) -> str:
        """The storage key of its agent pool; empty outside of pools."""
        return (self.agent_pool or "").lower()

    def may_push(self, repository: str) -> bool:
        """Whether the run may publish to a repository of its registry."""
        return repository in self.push_repositories or ANY_REPOSITORY in self.push_repositories

    def moved(self, status: Status, now: datetime, **changes: object) -> "Run":
        """Answer the run in another status. Raises ValueError for a move that is not legal."""
        if not may_move(self.status, status):
            raise ValueError(f"a run cannot go from {self.status} to {status}")
        known = self._without_group(now) if status is Status.QUEUED else self
        return known.model_copy(update={"status": status, "updated": now, **changes})

    def _without_group(self, now: datetime) -> "Run":
        """Answer the run, and for how long it has had groups by now."""
        begin = self.placed or self.started
        had = max(0.0, (now - begin).total_seconds()) if begin else 0.0
        return self.model_copy(update={"group_seconds": self.group_seconds + had, "placed": None, "started": None})
