"""Groups by registry: the one that a run gets, and the warm ones that wait.

A row of the `groups` table (partition = registry, key = group) says which run a group is for. A warm group has
none until dispatch assigns it one by ETag; a group is used for one run and then deleted. State first, then
effect: a group without a row is a leftover and may be deleted by anybody.
"""

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.access.builder_tokens import Bearer, BuilderTokens, TokenUse
from shared.clock import Clock
from shared.container_groups.service import ContainerGroups, GroupState
from shared.container_groups.spec import GroupRequest
from shared.errors import Conflict, PreconditionFailed, SlipwayError
from shared.settings import RegistrySettings
from shared.storage import Row, Table
from shared.storage.tables import Scalar

_TOKEN_LIFE = timedelta(hours=24)
WARM_LIFE = timedelta(hours=12)
"""A warm group older than this is replaced: its run may still take eight hours within the token's life."""


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
    row: Row

    @property
    def is_waiting(self) -> bool:
        """Whether it has no run yet."""
        return self.is_warm and not self.run_id

    @property
    def is_idle(self) -> bool:
        """Whether its builder is up and waits for a run."""
        return self.is_waiting and self.seen > 0


class GroupPool:
    """Starts, assigns and removes groups."""

    def __init__(self, table: Table, groups: ContainerGroups, tokens: BuilderTokens, clock: Clock) -> None:
        self._table = table
        self._groups = groups
        self._tokens = tokens
        self._clock = clock

    def start_for(
        self, registry: RegistrySettings, run_id: str, attempt: int, location: str, agent_pool: str = ""
    ) -> str:
        """Start a group for one attempt of a run and answer its name, which follows from both.

        Raises Throttled, Conflict or Unavailable as ContainerGroups.start does.
        """
        name = f"slipway-{registry.name.lower()}-{run_id}-{attempt}"[:63]
        self._add(registry, name, {"run": run_id, "warm": False, "pool": agent_pool})
        self._launch(registry, name, location)
        return name

    def start_warm(self, registry: RegistrySettings, location: str, agent_pool: str = "") -> str:
        """Start a group that waits for a run, and answer its name."""
        name = f"slipway-{registry.name.lower()}-warm-{secrets.token_hex(4)}"[:63]
        self._add(registry, name, {"run": "", "warm": True, "pool": agent_pool})
        self._launch(registry, name, location)
        return name

    def assign_idle(self, registry: str, run_id: str, agent_pool: str = "") -> str | None:
        """Give the run a group that waits, and answer its name; None when none waits.

        A pool's groups are given away even while they start: nobody else may have them.
        """
        groups = [group for group in self.groups(registry) if group.agent_pool == agent_pool]
        for group in sorted(groups, key=lambda group: (group.run_id != run_id, not group.is_idle)):
            if group.run_id == run_id:
                return group.name
            if (group.is_idle or (agent_pool and group.is_waiting)) and self._assign(group, run_id):
                return group.name
        return None

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

    def _add(self, registry: RegistrySettings, name: str, values: Mapping[str, Scalar]) -> None:
        created = self._clock().isoformat()
        try:
            self._table.insert(registry.name.lower(), name, {"created": created, "seen": 0.0, **values})
        except Conflict:
            return

    def _launch(self, registry: RegistrySettings, name: str, location: str) -> None:
        bearer = Bearer(registry.name.lower(), name)
        token = self._tokens.sign(TokenUse.GROUP, bearer, self._clock(), _TOKEN_LIFE)
        try:
            self._groups.start(GroupRequest(name, location, token))
        except Conflict:
            self._table.delete(registry.name.lower(), name)
            raise


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
        row=row,
    )
