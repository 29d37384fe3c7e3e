"""What the use cases of this room work with."""

from collections.abc import Callable
from dataclasses import dataclass, field

from shared.access.builder_tokens import BuilderTokens
from shared.access.keys import Keys
from shared.access.vaults import NoVault, Vault
from shared.clock import Clock
from shared.container_groups.agent_pools import AgentPools
from shared.container_groups.pool import GroupPool
from shared.errors import InvalidRequest
from shared.grant import RegistryLogin
from shared.runs.model import Run
from shared.runs.store import RunStore
from shared.settings import RegistrySettings, Settings
from shared.storage import Storage
from shared.tasks.store import TaskStore

IssueLogin = Callable[[RegistrySettings, tuple[str, ...], tuple[str, ...]], RegistryLogin]
"""Answers a short-lived login of a registry for (repositories to pull, repositories to push)."""


IdentityLogin = Callable[[str, str], RegistryLogin]
"""Answers a login of another registry for (its host, the client id of an identity). Raises InvalidRequest."""


def _nothing(_run: Run) -> None:
    return


def _no_identity(_host: str, _client_id: str) -> RegistryLogin:
    raise InvalidRequest("no identity can log in here.")


@dataclass(frozen=True)
class Workshop:
    """The parts that runs are made with; one per process."""

    settings: Settings
    storage: Storage
    store: RunStore
    pool: GroupPool
    keys: Keys
    tokens: BuilderTokens
    issue_login: IssueLogin
    clock: Clock
    vault: Vault = field(default_factory=NoVault)
    identity_login: IdentityLogin = _no_identity
    on_end: Callable[[Run], None] = _nothing
    """Called, at least once, for each run that has ended, before it is closed; what it raises is repeated later."""
    on_progress: Callable[[Run], None] = _nothing
    """Called when a run has been queued, and when a builder has taken it; must raise nothing."""

    @property
    def tasks(self) -> TaskStore:
        """The stored tasks."""
        return TaskStore(self.storage.tasks, self.keys)

    @property
    def agent_pools(self) -> AgentPools:
        """The stored agent pools."""
        return AgentPools(self.storage.agent_pools)

    def registry(self, key: str) -> RegistrySettings:
        """Answer the settings of a registry by its storage key. Raises KeyError for one that is not served."""
        return {registry.name.lower(): registry for registry in self.settings.registries}[key]
