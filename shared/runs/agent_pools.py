"""What may be done to agent pools, and what that does to builders and runs."""

from dataclasses import dataclass

from shared.access.callers import Caller
from shared.arm.names import RegistryId, parse_pool_name
from shared.arm.wire import SystemData
from shared.container_groups.agent_pools import AgentPool, parse_pool
from shared.errors import NotFound
from shared.runs.context import Workshop
from shared.runs.dispatch import announce


@dataclass(frozen=True)
class PoolKeeper:
    """Agent pools of one registry in the hands of one caller. `location` is the default region."""

    shop: Workshop
    registry: RegistryId
    location: str
    caller: Caller

    def get(self, name: str) -> AgentPool:
        """Answer a pool; a deleted one for a moment still. Raises NotFound."""
        pool = self.shop.agent_pools.find(self.registry.key, name)
        if pool is None or pool.is_gone(self.shop.clock()):
            raise NotFound(f"The agent pool {name} does not exist.")
        return pool

    def all(self) -> list[AgentPool]:
        """Answer the pools that are there, oldest first."""
        now = self.shop.clock()
        pools = [pool for pool in self.shop.agent_pools.all(self.registry.key) if not pool.is_gone(now)]
        return sorted(pools, key=lambda pool: (str(pool.system_data.created_at), pool.key))

    def put(self, name: str, body: object) -> AgentPool:
        """Make or replace a pool. Its builders are started by whoever keeps builders warm, who is told."""
        spec = parse_pool(body)
        spec = spec.model_copy(update={"location": spec.location or self.location})
        now, caller = self.shop.clock(), self.caller
        parse_pool_name(name)

        def put(known: AgentPool | None) -> AgentPool:
            if known is None or known.deleted:
                system = SystemData.made(caller.name, caller.kind, now)
                return AgentPool(registry=self.registry.key, name=name, spec=spec, system_data=system)
            system = known.system_data.changed(caller.name, caller.kind, now)
            return known.model_copy(update={"spec": spec, "system_data": system})

        return self._changed(self.shop.agent_pools.change(self.registry.key, name, put))

    def patch(self, name: str, body: object) -> AgentPool:
        """Change the count of a pool. Raises NotFound or InvalidRequest."""
        now, caller = self.shop.clock(), self.caller

        def patch(known: AgentPool | None) -> AgentPool:
            if known is None or known.deleted:
                raise NotFound(f"The agent pool {name} does not exist.")
            return known.changed(body, known.system_data.changed(caller.name, caller.kind, now))

        return self._changed(self.shop.agent_pools.change(self.registry.key, name, patch))

    def delete(self, name: str) -> AgentPool:
        """Mark a pool as deleted; its waiting builders go, its queued runs end as Error. Raises NotFound."""
        now = self.shop.clock()

        def delete(known: AgentPool | None) -> AgentPool:
            if known is None or known.is_gone(now):
                raise NotFound(f"The agent pool {name} does not exist.")
            return known if known.deleted else known.model_copy(update={"deleted": now})

        return self._changed(self.shop.agent_pools.change(self.registry.key, name, delete))

    def queue_length(self, name: str) -> int:
        """Answer how many runs wait for a builder of the pool. Raises NotFound."""
        lane, store = self.get(name).key, self.shop.store
        return sum(1 for _ in store.line(self.registry.key, lane))

    def _changed(self, pool: AgentPool) -> AgentPool:
        announce(self.shop, self.registry.key, delay_seconds=0)
        return pool
