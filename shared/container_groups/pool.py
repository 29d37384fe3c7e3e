"""Groups by registry: the one that a run gets, and the warm ones that wait.

A row of the `groups` table (partition = registry, key = group) says which run a group is for. A warm group has
none until dispatch assigns it one by ETag. Outside of agent pools a group is used for one run and then deleted; in
one it **returns**: when its builder, clean again, asks for work after its run has ended, the row loses that run and
may be assigned the next. A row that is `spent` gets no run any more. State first, then effect: a group without a row
is a leftover and may be deleted by anybody.

An agent pool has as many **seats** as its count says. A group that Azure runs for it takes one, a row `seat-{pool}~{n}`
that must not exist, so there are never more. A **machine** that serves a pool on its own has a row like a group's, no
seat, and nothing in Azure.
"""

import contextlib
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from shared.access.builder_tokens import Bearer, BuilderTokens, TokenUse
from shared.clock import Clock
from shared.container_groups.group import Group, read_group
from shared.container_groups.loss import Loss, evicted
from shared.container_groups.ration import Ration, RationedGroups, Rest
from shared.container_groups.service import Groups, GroupState
from shared.container_groups.spec import GroupRequest
from shared.errors import Conflict, NotFound, PreconditionFailed, SlipwayError, Throttled
from shared.grant import Registration, RegistryLogin, Reuse, StepContainer
from shared.settings import BuilderKind, RegistrySettings
from shared.storage import Change, Delete, Insert, Table
from shared.storage.tables import Scalar

_TOKEN_LIFE = timedelta(hours=24)
WARM_LIFE = timedelta(hours=12)
"""A warm group older than this is replaced: its run may still take eight hours within the token's life."""

_SEAT = "seat-"
_SEAT_PAUSE = 5
_SEEN_AGAIN = 10
"""Seconds after which it is noted anew that a builder asks for work."""
_LOOK = "look"
_LOOKS_APART = 60
"""Seconds between two looks at a registry's machines beyond which nobody was there to hear them."""


class SeatsTaken(Throttled):
    """The agent pool has as many groups as its count says."""


@dataclass(frozen=True)
class Wanted:
    """What kind of group is started, for which agent pool, and in which regions, the best one first.

    `seats` is how many groups the pool may have.
    """

    regions: Sequence[str]
    agent_pool: str = ""
    kind: BuilderKind = BuilderKind.FULL
    seats: int = 0
    steps: tuple[StepContainer, ...] = ()
    """The containers that it has beside the builder's."""
    is_spot: bool = False
    """Whether Azure may take it away at any time."""
    logins: tuple[RegistryLogin, ...] = field(default=(), repr=False)
    """Those that pull their images."""

    @property
    def columns(self) -> Mapping[str, Scalar]:
        """What the group's row keeps of it."""
        return {"pool": self.agent_pool, "kind": self.kind.value, "spot": self.is_spot}


@dataclass(frozen=True)
class Limits:
    """How many groups may be created, and after how many silent seconds a machine is taken for lost."""

    ration: Ration
    silence: float = 60


_USUAL = Limits(Ration())


class GroupPool:
    """Starts, assigns and removes groups."""

    def __init__(
        self, table: Table, groups: Groups, tokens: BuilderTokens, clock: Clock, limits: Limits = _USUAL
    ) -> None:
        self._table = table
        self._groups = RationedGroups(groups, table, limits.ration, clock)
        self._silence = limits.silence
        self._tokens = tokens
        self._clock = clock

    def start_for(self, registry: RegistrySettings, run_id: str, attempt: int, wanted: Wanted) -> str:
        """Start a group for one attempt of a run and answer its name, which follows from both.

        It comes to the first of the regions that has room. Raises Throttled, as SeatsTaken when the pool has no
        free seat, Conflict or Unavailable as `Groups.start` does.
        """
        name = f"slipway-{registry.name.lower()}-{run_id}-{attempt}"[:63]
        created = self._add(registry, name, {"run": run_id, "warm": False}, wanted)
        self._launch(registry, name, wanted, created)
        return name

    def start_warm(self, registry: RegistrySettings, wanted: Wanted) -> str:
        """Start a group that waits for a run, and answer its name. Raises as `start_for` does."""
        name = f"slipway-{registry.name.lower()}-warm-{secrets.token_hex(4)}"[:63]
        created = self._add(registry, name, {"run": "", "warm": True}, wanted)
        self._launch(registry, name, wanted, created)
        return name

    def add_machine(self, registry: str, agent_pool: str, mark: str, told: Registration) -> tuple[str, str]:
        """Let a machine serve a pool and answer the name of its row, and its token."""
        created, name = self._clock(), f"slipway-{registry}-own-{secrets.token_hex(8)}"[:63]
        moment = created.timestamp()
        known: dict[str, Scalar] = {"run": "", "warm": True, "pool": agent_pool, "mark": mark, "machine": told.machine}
        known |= {"platforms": ",".join(told.platforms), "reuse": Reuse(told.reuse).value}
        known |= {"created": created.isoformat(), "seen": moment, "since": moment}
        self._table.insert(registry, name, known)
        return name, self._tokens.sign(TokenUse.GROUP, Bearer(registry, name), created, _TOKEN_LIFE)

    def assign_idle(
        self, registry: str, run_id: str, agent_pool: str = "", fits: Callable[[Group], bool] = lambda _: True
    ) -> str | None:
        """Give the run a group that waits, and answer its name; None when none waits.

        A pool's groups are given away even while they start: nobody else may have them.
        """
        groups = [group for group in self.groups(registry) if group.agent_pool == agent_pool]
        for group in sorted(groups, key=lambda group: (group.run_id != run_id, *group.rank)):
            if group.run_id == run_id and group.is_warm:
                return group.name
            if group.may_be_given and fits(group) and self._assign(group, run_id):
                return group.name
        return None

    def has_idle(self, registry: str, agent_pool: str = "", *, kind: BuilderKind = BuilderKind.CONFINED) -> bool:
        """Whether a run could be given a group that waits and can do what `kind` can."""
        groups = (group for group in self.groups(registry) if group.agent_pool == agent_pool and group.can(kind))
        return any(group.may_be_given for group in groups)

    def room(self) -> int:
        """Answer how many groups may be created now."""
        return self._groups.room()

    def rest(self, regions: Sequence[str]) -> Rest | None:
        """Answer why, and until when, Azure is asked for no group in any of these regions."""
        return self._groups.rest(regions)

    def find(self, registry: str, name: str) -> Group | None:
        """Read a group's row."""
        row = self._table.find(registry, name)
        return read_group(row) if row else None

    def groups(self, registry: str) -> Iterator[Group]:
        """Read the rows of a registry's groups."""
        return (read_group(row) for row in self._table.query(registry, "slipway-", "slipway."))

    def seen(self, group: Group) -> None:
        """Note that the group's builder asked for work, at most every ten seconds; outside of pools only once."""
        if not group.seen or (group.agent_pool and self.is_due(group)):
            self._change(group, {"seen": self._clock().timestamp()})

    def is_due(self, group: Group) -> bool:
        """Whether a builder that asks again and again is to be looked at anew."""
        return self._clock().timestamp() - group.seen >= _SEEN_AGAIN

    def take_back(self, group: Group, *, has_served: bool = True) -> bool:
        """Let a group whose run is over wait for the next one. False when somebody else changed its row."""
        now = self._clock().timestamp()
        return self._change(
            group, {"run": "", "warm": True, "since": now, "seen": now, "served": group.served + has_served}
        )

    def spend(self, group: Group) -> bool:
        """Give a group no further run. False when somebody else changed its row."""
        return group.is_spent or self._change(group, {"spent": True})

    def retire(self, group: Group) -> bool:
        """Remove a group unless somebody has changed its row since it was read, as one who gave it a run has."""
        if not self._change(group, {"spent": True}):
            return False
        self.release(group.registry, group.name)
        return True

    def state(self, registry: str, name: str, heard: float = 0.0) -> GroupState:
        """Ask what became of a group: Azure, or for a machine whether it was heard of lately.

        `heard` is when its run's builder was last heard of, in seconds since 1970.
        """
        group = self.find(registry, name)
        if not _is_machine(registry, name):
            return self._groups.state(name)
        if group is None:
            return GroupState.ABSENT
        return GroupState.ENDED if self.is_silent(group, max(group.seen, heard)) else GroupState.RUNNING

    def loss(self, registry: str, name: str) -> Loss | None:
        """Ask why a group fell that Azure had accepted; None when Azure is not to blame.

        A Spot group that is gone was taken away: nobody of ours deletes a group before its run is another one's.
        """
        if _is_machine(registry, name):
            return None
        group, told = self.find(registry, name), self._groups.loss(name)
        if told is None and group is not None and group.is_spot and self._groups.state(name) is GroupState.ABSENT:
            return evicted("")
        return told

    def leave_alone(self, loss: Loss, pause: timedelta) -> None:
        """Ask for no group where one was lost, for a while."""
        self._groups.leave_alone(loss.region, pause, loss.reason, is_spot=loss.is_spot)

    def look(self, registry: str) -> None:
        """Note that the app is there to hear machines; called by whoever looks after them, a few times a minute."""
        now, row = self._clock().timestamp(), self._table.find(registry, _LOOK)
        with contextlib.suppress(SlipwayError):  # somebody else looks, too
            if row is None:
                self._table.insert(registry, _LOOK, {"at": now, "since": now})
            else:
                is_unbroken = now - float(row.values["at"]) <= _LOOKS_APART
                self._table.replace(row, {"at": now, "since": row.values["since"] if is_unbroken else now})

    def is_silent(self, group: Group, heard: float) -> bool:
        """Whether a machine was not heard of since `heard` (seconds since 1970) for longer than is allowed.

        Only the time counts in which somebody was there to hear it.
        """
        row = self._table.find(group.registry, _LOOK)
        now = self._clock().timestamp()
        return now - max(heard, float(row.values["since"]) if row else now) > self._silence

    def release(self, registry: str, name: str) -> None:
        """Delete a group and then its row. Raises Unavailable; calling again is fine."""
        if not _is_machine(registry, name):
            self._groups.delete(name)
        self._forget(registry, name)

    def release_after(self, registry: str, name: str, run_id: str) -> None:
        """Delete a group whose run was given up, unless it serves another one by now."""
        group = self.find(registry, name)
        if group is None or group.run_id == run_id:
            self.release(registry, name)

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

    def _change(self, group: Group, values: Mapping[str, Scalar]) -> bool:
        try:
            self._table.replace(group.row, {**group.row.values, **values})
        except SlipwayError:
            return False
        return True

    def _add(self, registry: RegistrySettings, name: str, values: Mapping[str, Scalar], wanted: Wanted) -> datetime:
        """Add a group's row, in a seat of its pool, and answer when that was; one that is there keeps its time."""
        created, partition = self._clock(), registry.name.lower()
        times: dict[str, Scalar] = {"created": created.isoformat(), "seen": 0.0, "since": created.timestamp()}
        try:
            if wanted.agent_pool:
                self._sit_down(partition, name, {**times, **wanted.columns, **values}, wanted)
            else:
                self._table.insert(partition, name, {**times, **wanted.columns, **values})
        except Conflict:
            known = self.find(partition, name)
            return known.created if known else created
        return created

    def _sit_down(self, partition: str, name: str, values: Mapping[str, Scalar], wanted: Wanted) -> None:
        """Add a row together with that of a free seat. Raises Conflict when the group is there."""
        prefix = f"{_SEAT}{wanted.agent_pool}~"
        taken = {row.key for row in self._table.query(partition, prefix, f"{prefix}~")}
        for number in range(wanted.seats):
            seat = f"{prefix}{number:03d}"
            if seat in taken:
                continue
            changes = [Insert(partition, name, {**values, "seat": number}), Insert(partition, seat, {"group": name})]
            try:
                self._table.transaction(changes)
            except Conflict:
                if self._table.find(partition, name):
                    raise
                continue
            return
        if self._table.find(partition, name):
            raise Conflict(f"The container group {name} is there already.")
        raise SeatsTaken(f"No builder of the agent pool {wanted.agent_pool} is free.", retry_after=_SEAT_PAUSE)

    def _forget(self, registry: str, name: str) -> None:
        """Delete a group's row and give its seat back."""
        group = self.find(registry, name)
        if group is None:
            return
        changes: list[Change] = [Delete(registry, name)]
        if group.seat >= 0:
            changes.append(Delete(registry, f"{_SEAT}{group.agent_pool}~{group.seat:03d}"))
        with contextlib.suppress(NotFound):  # somebody else was faster
            self._table.transaction(changes)

    def _launch(self, registry: RegistrySettings, name: str, wanted: Wanted, created: datetime) -> None:
        """Ask Azure for a group. Asked again it asks for the very same, token included."""
        bearer = Bearer(registry.name.lower(), name)
        token = self._tokens.sign(TokenUse.GROUP, bearer, created, _TOKEN_LIFE)
        first, *others = wanted.regions
        try:
            taken = self._groups.start(
                GroupRequest(
                    name=name,
                    location=first,
                    token=token,
                    others=tuple(others),
                    kind=wanted.kind,
                    steps=wanted.steps,
                    is_spot=wanted.is_spot,
                    logins=wanted.logins,
                )
            )
        except (Conflict, Throttled):
            self._forget(registry.name.lower(), name)
            raise
        if taken.is_spot != wanted.is_spot and (group := self.find(registry.name.lower(), name)):
            self._change(group, {"spot": taken.is_spot})


def _is_machine(registry: str, name: str) -> bool:
    return name.startswith(f"slipway-{registry}-own-")
