"""What a task is armed on: its base images, as they are, as they were built on, and what it owes to them."""

from shared.arm.wire import ArmTime, Wire
from shared.storage import Storage
from shared.triggers.base_images.model import Base, Dependent, Kind, Pending, TaskKey
from shared.triggers.base_images.pending import PendingStore
from shared.triggers.base_images.store import BaseStore, DependencyStore


class PendingFacts(Wire):
    """A rebuild that the task owes, or that a run is about to make."""

    generation: int
    state: str
    """`open` while no run serves it, then `started`."""
    created: ArmTime
    run_id: str | None = None


class BaseImageFacts(Wire):
    """A base image of a task."""

    type: str
    registry: str
    repository: str
    tag: str
    is_followed: bool
    """Whether a change of it starts a run."""
    built_digest: str
    """What the tag stood for in the task's last successful run."""
    built_run_id: str
    digest: str
    """What it stood for when it was last looked at."""
    generation: int
    """How often it has changed since it is looked at."""
    changed: ArmTime
    last_checked: ArmTime | None = None
    next_check: ArmTime
    error: str | None = None
    """Why the last look failed."""
    pending: tuple[PendingFacts, ...] = ()


def base_image_facts(storage: Storage, task: TaskKey, follows: Kind | None) -> tuple[BaseImageFacts, ...]:
    """Gather the facts, runtime images first; `follows` as in `Trigger`, None when nothing is followed."""
    bases, pending = BaseStore(storage.bases), PendingStore(storage.pending).of_task(task)
    dependents = DependencyStore(storage.dependents, storage.dependencies).of_task(task)
    found = ((dependent, bases.find(key)) for key, dependent in dependents.items())
    facts = [
        _facts(dependent, base, [one for one in pending if one.base == dependent.base], follows)
        for dependent, base in found
        if base
    ]
    return tuple(sorted(facts, key=lambda one: (one.type != Kind.RUNTIME.value, one.registry, one.repository, one.tag)))


def _facts(dependent: Dependent, base: Base, pending: list[Pending], follows: Kind | None) -> BaseImageFacts:
    tag = base.tag
    return BaseImageFacts(
        type=dependent.kind.value,
        registry=tag.registry,
        repository=tag.repository,
        tag=tag.tag,
        is_followed=follows is not None and (dependent.kind is Kind.RUNTIME or follows is Kind.BUILDTIME),
        built_digest=dependent.digest,
        built_run_id=dependent.run,
        digest=base.found.digest,
        generation=base.generation,
        changed=base.changed,
        last_checked=base.checked,
        next_check=base.due,
        error=base.error or None,
        pending=tuple(
            PendingFacts(generation=one.generation, state=one.stage.value, created=one.created, run_id=one.run or None)
            for one in pending
        ),
    )
