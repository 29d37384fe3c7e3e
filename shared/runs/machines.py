"""Machines that serve an agent pool on their own: their tokens, how they come and how they go."""

from collections.abc import Callable
from dataclasses import dataclass

from shared.access.builder_tokens import Bearer
from shared.arm.names import parse_pool_name
from shared.container_groups.agent_pools import AgentPool
from shared.container_groups.group import Group
from shared.container_groups.pool_tokens import MOST, PoolToken, matching
from shared.errors import Conflict, InvalidRequest, NotFound, Unauthenticated
from shared.grant import Registered, Registration
from shared.runs.agent_pools import PoolKeeper
from shared.runs.claim import dispatch_soon, leave
from shared.runs.context import Workshop
from shared.runs.finish import Ending, finish
from shared.runs.model import Status

MOST_MACHINES = 100


@dataclass(frozen=True)
class TokenKeeper:
    """The tokens of one agent pool in the hands of one caller."""

    pools: PoolKeeper
    name: str

    def all(self) -> tuple[PoolToken, ...]:
        """Answer the pool's tokens, oldest first. Raises NotFound."""
        return self.pools.get(self.name).tokens

    def issue(self) -> tuple[PoolToken, str]:
        """Add a token and answer it with its text, which is never shown again. Raises NotFound or Conflict."""
        made = PoolToken.issue(self.pools.caller.name, self.pools.shop.clock())

        def add(tokens: tuple[PoolToken, ...]) -> tuple[PoolToken, ...]:
            if len(tokens) >= MOST:
                raise Conflict(f"The agent pool {self.name} has {MOST} tokens already; revoke one first.")
            return (*tokens, made[0])

        self._change(add)
        return made

    def rotate(self, identifier: str) -> tuple[PoolToken, str]:
        """Give a token another secret. Machines that registered with the old one end their run and leave.

        Raises NotFound.
        """
        made = self._find(identifier).rotated(self.pools.caller.name, self.pools.shop.clock())
        self._change(lambda tokens: tuple(made[0] if one.id == identifier else one for one in tokens))
        return made

    def revoke(self, identifier: str) -> None:
        """Remove a token at once. What its machines execute ends as Error. Raises NotFound."""
        self._find(identifier)
        self._change(lambda tokens: tuple(one for one in tokens if one.id != identifier))
        shop, registry = self.pools.shop, self.pools.registry.key
        for group in list(shop.pool.groups(registry)):
            if group.agent_pool == self.name.lower() and group.mark.partition(".")[0] == identifier:
                _end(shop, group)

    def _find(self, identifier: str) -> PoolToken:
        found = next((one for one in self.all() if one.id == identifier), None)
        if found is None:
            raise NotFound(f"The agent pool {self.name} has no token {identifier[:32]}.")
        return found

    def _change(self, change: "_Change") -> None:
        def changed(known: AgentPool | None) -> AgentPool:
            if known is None or known.deleted:
                raise NotFound(f"The agent pool {self.name} does not exist.")
            return known.model_copy(update={"tokens": change(known.tokens)})

        self.pools.shop.agent_pools.change(self.pools.registry.key, self.name, changed)


type _Change = Callable[[tuple[PoolToken, ...]], tuple[PoolToken, ...]]


def register(shop: Workshop, registry: str, name: str, authorization: str | None, told: Registration) -> Registered:
    """Let a machine serve a pool. Raises Unauthenticated, whether it is the pool or the token that does not exist."""
    token = _checked(shop, registry, name, authorization)
    machines = sum(bool(group.machine) for group in shop.pool.groups(registry) if group.agent_pool == name.lower())
    if machines >= MOST_MACHINES:
        raise Conflict(f"The agent pool {name} is served by {MOST_MACHINES} machines already.")
    group, group_token = shop.pool.add_machine(registry, name.lower(), token.mark, told)
    dispatch_soon(shop, registry)
    return Registered(group=group, token=group_token)


def _checked(shop: Workshop, registry: str, name: str, authorization: str | None) -> PoolToken:
    scheme, _, text = (authorization or "").partition(" ")
    known = {one.name.lower() for one in shop.settings.registries}
    try:
        pool = shop.agent_pools.usable(registry, parse_pool_name(name)) if registry in known else None
    except InvalidRequest:
        pool = None
    token = matching(pool.tokens if pool else (), text.strip()) if scheme.lower() == "bearer" else None
    if token is None:
        raise Unauthenticated("There is no such agent pool, or the token is not one of its own.")
    return token


def depart(shop: Workshop, bearer: Bearer) -> None:
    """Let a pool's builder go that executes nothing; what it was given meanwhile goes to another one.

    One outside of pools may go once its run has ended.
    """
    group = shop.pool.find(bearer.registry, bearer.group)
    if group is not None and (group.agent_pool or _has_ended(shop, group)):
        leave(shop, group)


def _has_ended(shop: Workshop, group: Group) -> bool:
    try:
        return bool(group.run_id) and shop.store.get(group.registry, group.run_id).is_terminal
    except NotFound:
        return True


def _end(shop: Workshop, group: Group) -> None:
    """Forget a machine, and end what it has claimed."""
    group = leave(shop, group)
    fresh = group.run_id and shop.store.get(group.registry, group.run_id)
    if fresh and fresh.group == group.name and not fresh.is_terminal:
        error = "the machine that executed it may serve the agent pool no longer: its token was revoked"
        finish(shop, group.registry, fresh.id, Ending(Status.ERROR, error), epoch=fresh.epoch)
