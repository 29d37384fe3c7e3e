"""A container group, or a machine, as its row of the `groups` table tells it. Pure."""

from dataclasses import dataclass
from datetime import datetime

from shared.grant import Platform, Reuse
from shared.settings import BuilderKind
from shared.storage import Row


@dataclass(frozen=True)
class Group:
    """A container group as its row tells it. `run_id` is empty while it waits."""

    registry: str
    name: str
    run_id: str
    created: datetime
    is_warm: bool
    seen: float
    agent_pool: str
    """Storage key of the agent pool that it belongs to; empty outside of pools."""
    kind: BuilderKind
    row: Row
    seat: int = -1
    """Which of its pool's seats it holds; -1 for a machine and outside of pools."""
    since: float = 0.0
    """When it began to wait, in seconds since 1970."""
    served: int = 0
    """Runs that have ended in it."""
    is_spent: bool = False
    """Whether it gets no run after the one that it has."""
    machine: str = ""
    """The name of the machine that serves the pool on its own; empty for what Azure runs."""
    mark: str = ""
    """Which token the machine registered with; see `pool_tokens`."""
    platforms: tuple[str, ...] = ()
    """The platforms whose runs it takes; empty for all of Linux."""
    reuse: Reuse | None = None
    """After which runs a machine's builder may go on, as its operator says."""
    is_spot: bool = False
    """Whether Azure may take it away at any time."""

    @property
    def is_waiting(self) -> bool:
        """Whether it has no run and may get one."""
        return self.is_warm and not self.run_id and not self.is_spent

    @property
    def may_return(self) -> bool:
        """Whether its builder may come back for another run."""
        return bool(self.agent_pool) and not self.is_spent

    def takes(self, platform: Platform) -> bool:
        """Whether it executes runs of a platform, which it does natively when it lists it."""
        if not self.platforms:
            return platform.os == "linux"
        return not {f"{platform.os}/{platform.architecture}", str(platform)}.isdisjoint(self.platforms)

    def can(self, kind: BuilderKind) -> bool:
        """Whether it can run what a group of a kind can."""
        return kind in (self.kind, BuilderKind.CONFINED)

    @property
    def is_idle(self) -> bool:
        """Whether its builder is up and waits for a run."""
        return self.is_waiting and self.seen > 0

    @property
    def may_be_given(self) -> bool:
        """Whether a run may have it now."""
        return self.is_idle or (bool(self.agent_pool) and self.is_waiting)

    @property
    def rank(self) -> tuple[bool, bool]:
        """The order in which groups are given away: those that are up, and first what runs a platform natively."""
        return not self.is_idle, not self.platforms


def read_group(row: Row) -> Group:
    """Answer the group that a row tells of."""
    values = row.values
    return Group(
        registry=row.partition,
        name=row.key,
        run_id=str(values["run"]),
        created=datetime.fromisoformat(str(values["created"])),
        is_warm=bool(values["warm"]),
        seen=float(values["seen"]),
        agent_pool=str(values.get("pool", "")),
        kind=BuilderKind(str(values.get("kind", BuilderKind.FULL))),
        row=row,
        seat=int(values.get("seat", -1)),
        since=float(values.get("since", 0.0)),
        served=int(values.get("served", 0)),
        is_spent=bool(values.get("spent", False)),
        machine=str(values.get("machine", "")),
        mark=str(values.get("mark", "")),
        platforms=tuple(filter(None, str(values.get("platforms", "")).split(","))),
        reuse=Reuse(str(values["reuse"])) if "reuse" in values else None,
        is_spot=bool(values.get("spot", False)),
    )
