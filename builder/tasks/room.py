"""What the steps of one task share while they run."""

from dataclasses import dataclass, field

from builder.contexts.source import Context
from builder.engine.protocol import Containers
from builder.log import RunLog
from builder.scan import Scanned
from builder.shop import Shop
from shared.images.references import Reference
from shared.language import Plan

WORKSPACE = "/workspace"


@dataclass(slots=True)
class Room:
    """One task under way, and what its steps have brought about so far.

    `repositories` are those of the run's registry that the task names. `took` holds seconds by step.
    """

    shop: Shop
    plan: Plan
    context: Context
    repositories: tuple[str, ...] = ()
    started: list[str] = field(default_factory=list)
    took: dict[str, float] = field(default_factory=dict)
    scanned: dict[str, Scanned] = field(default_factory=dict)
    revisions: dict[str, str] = field(default_factory=dict)
    """The git revision of a context that was fetched for one step."""
    pushed: dict[Reference, str] = field(default_factory=dict)
    failed: bool = False

    @property
    def log(self) -> RunLog:
        """The run's log."""
        return self.shop.log

    @property
    def containers(self) -> Containers:
        """The engine's side that runs steps."""
        return self.shop.engine.containers
