"""Groups by registry: the one that a run gets, and the warm ones that wait.

A row of the `groups` table (partition = registry, key = group) says which run a group is for. A warm group has
none until dispatch assigns it one by ETag; a group is used for one run and then deleted. State first, then
effect: a group without a row is a leftover and may be deleted by anybody.
"""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.access.builder_tokens import Bearer, BuilderTokens, TokenUse
from shared.clock import Clock
from shared.container_groups.ration import Ration, RationedGroups, Rest
from shared.container_groups.service import Groups, GroupState
from shared.container_groups.spec import GroupRequest
from shared.errors import Conflict, PreconditionFailed, SlipwayError, Throttled
from shared.settings import BuilderKind, RegistrySettings
from shared.storage import Row, Table
from shared.storage.tables import Scalar

_TOKEN_LIFE = timedelta(hours=24)
WARM_LIFE = timedelta(hours=12)
"""A warm group older than this is replaced: its run may still take eight hours within the token's life."""

_USUAL = Ration()


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

    @property
    def is_waiting(self) -> bool:
        """Whether it has no run yet."""
        return self.is_warm and not self.run_id

    def can(self, kind: BuilderKind) -> bool:
        """Whether it can run what a group of a kind can."""
        return kind in (self.kind, BuilderKind.CONFINED)

    @property
    def is_idle(self) -> bool:
        """Whether its builder is up and waits for a run."""
        return self.is_waiting and self.seen > 0


@dataclass(frozen=True)
class Wanted:
    """What kind of group is started, for which agent pool, and in which regions, the best one first."""

    regions: Sequence[str]
    agent_pool: str = ""
    kind: BuilderKind = BuilderKind.FULL

    @property
    def columns(self) -> Mapping[str, Scalar]:
        """What the group's row keeps of it."""
        return {"pool": self.agent_pool, "kind": self.kind.value}


class GroupPool:
    """Starts, assigns and removes groups."""

    def __init__(
        self, table: Table, groups: Groups, tokens: BuilderTokens, clock: Clock, ration: Ration = _USUAL
    ) -> None:
        self._table = table
        self._groups = RationedGroups(groups, table, ration, clock)
        self._tokens = tokens
        self._clock = clock

    def start_for(self, registry: RegistrySettings, run_id: str, attempt: int, wanted: Wanted) -> str:
        """Start a group for one attempt of a run and answer its name, which follows from both.

        It comes to the first of the regions that has room. Raises Throttled, Conflict or Unavailable as
        `Groups.start` does.
        """
        name = f"slipway-{registry.name.lower()}-{run_id}-{attempt}"[:63]
        created = self._add(registry, name, {"run": run_id, "warm": False, **wanted.columns})
        self._launch(registry, name, wanted, created)
        return name

    def start_warm(self, registry: RegistrySettings, wanted: Wanted) -> str:
        """Start a group that waits for a run, and answer its name. Raises as `start_for` does."""
        name = f"slipway-{registry.name.lower()}-warm-{secrets.token_hex(4)}"[:63]
        created = self._add(registry, name, {"run": "", "warm": True, **wanted.columns})
        self._launch(registry, name, wanted, created)
        return name

    def assign_idle(
        self, registry: str, run_id: str, agent_pool: str = "", *, kind: BuilderKind = BuilderKind.CONFINED
    ) -> str | None:
        """Give the run a group that waits and can do what `kind` can, and answer its name; None when none waits.

        A pool's groups are given away even while they start: nobody else may have them.
        """
        groups = [group for group in self.groups(registry) if group.agent_pool == agent_pool and group.can(kind)]
        for group in sorted(groups, key=lambda group: (group.run_id != run_id, not group.is_idle)):
            if group.run_id == run_id and group.is_warm:
                return group.name
            if _may_be_given(group) and self._assign(group, run_id):
                return group.name
        return None

    def has_idle(self, registry: str, agent_pool: str = "", *, kind: BuilderKind = BuilderKind.CONFINED) -> bool:
        """Whether a run could be given a group that waits and can do what `kind` can."""
        groups = (group for group in self.groups(registry) if group.agent_pool == agent_pool and group.can(kind))
        return any(map(_may_be_given, groups))

    def room(self) -> int:
        """Answer how many groups may be created now."""
        return self._groups.room()

    def rest(self, regions: Sequence[str]) -> Rest | None:
        """Answer why, and until when, Azure is asked for no group in any of these regions."""
        return self._groups.rest(regions)

    def find(self, registry: str, name: str) -> Group | None:
        """Read a group's row."""
        row = self._table.find(registry, name)
        return _group(row) if row else None

    def groups(self, registry: str) -> Iterator[Group]:
        """Read the rows of a registry's groups."""
        return (_group(row) for row in self._table.query(registry, "slipway-", "slipway."))

    def seen(self, group: Group) -> None:
        """Note that the group's builder asked for work."""
        values = {**group.row.values, "seen": self._clock().timestamp()}
        try:
            self._table.replace(group.row, values)
        except SlipwayError:
            return

    def state(self, name: str) -> GroupState:
        """Ask Azure what became of a group."""
        return self._groups.state(name)

    def release(self, registry: str, name: str) -> None:
        """Delete a group and then its row. Raises Unavailable; calling again is fine."""
        self._groups.delete(name)
        self._table.delete(registry, name)

    def leftovers(self, registries: list[str]) -> list[str]:
        """Answer the groups that exist in Azure without a row in any registry."""
        known = {group.name for registry in registries for group in self.groups(registry)}
        return [name for name in self._groups.names() if name.startswith("slipway-") and name not in known]

    def delete(self, name: str) -> None:
        """Delete a group that has no row."""
        self._groups.delete(name)

    def _assign(self, group: Group, run_id: str) -> bool:
        try:
            self._table.replace(group.row, {**group.row.values, "run": run_id})
        except PreconditionFailed:
            fresh = self.find(group.registry, group.name)
            return fresh is not None and fresh.is_waiting and self._assign(fresh, run_id)
        except SlipwayError:
            return False
        return True

    def _add(self, registry: RegistrySettings, name: str, values: Mapping[str, Scalar]) -> datetime:
        """Add a group's row and answer when that was; one that is there keeps its time."""
        created, partition = self._clock(), registry.name.lower()
        try:
            self._table.insert(partition, name, {"created": created.isoformat(), "seen": 0.0, **values})
        except Conflict:
            known = self.find(partition, name)
            return known.created if known else created
        return created

    def _launch(self, registry: RegistrySettings, name: str, wanted: Wanted, created: datetime) -> None:
        """Ask Azure for a group. Asked again it asks for the very same, token included."""
        bearer = Bearer(registry.name.lower(), name)
        token = self._tokens.sign(TokenUse.GROUP, bearer, created, _TOKEN_LIFE)
        first, *others = wanted.regions
        try:
            self._groups.start(GroupRequest(name, first, token, tuple(others), wanted.kind))
        except (Conflict, Throttled):
            self._table.delete(registry.name.lower(), name)
            raise


def _may_be_given(group: Group) -> bool:
    return group.is_idle or (bool(group.agent_pool) and group.is_waiting)


def _group(row: Row) -> Group:
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
    )
