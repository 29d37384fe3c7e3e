"""Agent pools: builders that a registry keeps warm under a name of their own.

Table `pools`: partition = registry, key = the pool's name in lower case. A pool has at most `count` container groups,
those that execute a run included, and keeps at least its minimum; a run that names the pool waits for one of them, or
for a machine that serves the pool on its own. The tier is kept and shown.
A deleted pool is shown as `Deleting` for a moment: az asks once more and takes an early 404 for a failure.
"""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from shared.arm.names import REGISTRY_TYPE, RegistryId, parse_pool_name
from shared.arm.reading import Shape, as_object, one_of, read_as
from shared.arm.wire import SystemData
from shared.container_groups.pool_tokens import PoolToken
from shared.errors import Conflict, InvalidRequest, NotFound, PreconditionFailed, Unavailable
from shared.storage import Row, Table

MAX_COUNT = 20
MINIMUM = "slipway-minimum"
"""The tag that says how many groups a pool keeps without work."""
_SHOWN_DELETED = timedelta(seconds=5)
_CHANGE_ATTEMPTS = 20
Tier = Annotated[Literal["S1", "S2", "S3", "I6"], one_of("S1", "S2", "S3", "I6")]


class PoolProperties(Shape):
    """What a client says of a pool."""

    count: int = Field(default=1, ge=0, le=MAX_COUNT)
    tier: Tier = "S1"
    os: Annotated[Literal["Linux", "Windows"], one_of("Linux", "Windows")] = "Linux"
    virtual_network_subnet_resource_id: str | None = Field(default=None, max_length=1024)


class PoolSpec(Shape):
    """The body of PUT."""

    location: str | None = Field(default=None, max_length=100)
    tags: dict[str, str] = Field(default={}, max_length=50)
    properties: PoolProperties = PoolProperties()


class _CountChange(Shape):
    count: int | None = Field(default=None, ge=0, le=MAX_COUNT)


class _PoolChange(Shape):
    properties: _CountChange = _CountChange()
    tags: dict[str, str] | None = None


class AgentPool(BaseModel):
    """A stored pool."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    registry: str
    name: str
    spec: PoolSpec
    system_data: SystemData
    deleted: datetime | None = None
    tokens: tuple[PoolToken, ...] = ()
    """By which machines may serve it."""

    @property
    def key(self) -> str:
        """The storage key within the registry."""
        return self.name.lower()

    @property
    def count(self) -> int:
        """How many groups it holds: none any more while it is being deleted."""
        return 0 if self.deleted else self.spec.properties.count

    def minimum(self, usual: int | None) -> int:
        """How many groups it keeps without work: as its tag says, else the usual number, else its count."""
        told = self.spec.tags.get(MINIMUM, "")
        least = int(told) if told else usual
        return self.count if least is None else min(least, self.count)

    def allows(self, mark: str) -> bool:
        """Whether a machine that registered with this mark may serve the pool still."""
        return self.deleted is None and any(token.mark == mark for token in self.tokens)

    def is_gone(self, now: datetime) -> bool:
        """Whether its deletion has been shown long enough."""
        return self.deleted is not None and now - self.deleted > _SHOWN_DELETED

    def changed(self, patch: object, system_data: SystemData) -> Self:
        """Answer the pool after a PATCH. Raises InvalidRequest."""
        change = read_as(_PoolChange, as_object(patch, "the members to change"), "agent pool")
        properties = self.spec.properties
        if change.properties.count is not None:
            properties = properties.model_copy(update={"count": change.properties.count})
        tags = self.spec.tags if change.tags is None else change.tags
        spec = _checked(self.spec.model_copy(update={"properties": properties, "tags": tags}))
        return self.model_copy(update={"spec": spec, "system_data": system_data})


def parse_pool(body: object) -> PoolSpec:
    """Read the body of PUT. Raises InvalidRequest that names the member at fault."""
    spec = read_as(PoolSpec, as_object(body, "an agent pool"), "agent pool")
    if spec.properties.os == "Windows":
        raise InvalidRequest("Agent pools of Windows builders do not exist here.", target="properties.os")
    return _checked(spec)


def _checked(spec: PoolSpec) -> PoolSpec:
    told = spec.tags.get(MINIMUM, "0")
    if not (told.isascii() and told.isdecimal() and len(told) <= len("20") and int(told) <= MAX_COUNT):
        raise InvalidRequest(f"The tag {MINIMUM} is a number from 0 to {MAX_COUNT}.", target=f"tags.{MINIMUM}")
    return spec


def pool_answer(registry: RegistryId, pool: AgentPool, state: str = "Succeeded") -> dict[str, Any]:
    """Answer the resource of a pool. `state` is its provisioning state unless it is being deleted."""
    properties = pool.spec.properties.json_object()
    properties["provisioningState"] = "Deleting" if pool.deleted else state
    return {
        "type": f"{REGISTRY_TYPE}/agentPools",
        "id": f"{registry}/agentPools/{pool.name}",
        "name": pool.name,
        "location": pool.spec.location,
        "tags": dict(pool.spec.tags),
        "properties": properties,
        "systemData": pool.system_data.json_object(),
    }


Change = Callable[[AgentPool | None], AgentPool]


class AgentPools:
    """Reads and changes pools; every change is by insert-if-absent or ETag. Thread-safe."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def find(self, registry: str, name: str) -> AgentPool | None:
        """Read a pool, or None. One that is being deleted is found until it is removed."""
        row = self._table.find(registry, parse_pool_name(name).lower())
        return _pool(row) if row else None

    def usable(self, registry: str, name: str) -> AgentPool | None:
        """Read a pool that runs may wait for, or None."""
        pool = self.find(registry, name)
        return None if pool is None or pool.deleted else pool

    def all(self, registry: str) -> Iterator[AgentPool]:
        """Read the pools of a registry by name."""
        return (_pool(row) for row in self._table.query(registry, "", "~"))

    def change(self, registry: str, name: str, change: Change) -> AgentPool:
        """Make or change a pool until nobody else came between. What `change` raises passes through."""
        for _ in range(_CHANGE_ATTEMPTS):
            row = self._table.find(registry, name.lower())
            pool = change(_pool(row) if row else None)
            columns = {"pool": pool.model_dump_json(by_alias=True)}
            try:
                if row is None:
                    self._table.insert(registry, name.lower(), columns)
                else:
                    self._table.replace(row, columns)
            except (Conflict, NotFound, PreconditionFailed):
                continue
            return pool
        raise Unavailable(f"The agent pool {name} is being changed by too many at once.")

    def remove(self, pool: AgentPool) -> None:
        """Forget a pool."""
        self._table.delete(pool.registry, pool.key)


def _pool(row: Row) -> AgentPool:
    return AgentPool.model_validate_json(str(row.values["pool"]))
