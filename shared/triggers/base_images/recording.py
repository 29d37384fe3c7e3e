"""What a run that has ended tells: what its task stands on now, what it built, and that it serves nothing any more.

Calling it again is fine, and needed until it has come through: until then the task counts as being rebuilt, so
nobody who stands on it starts too early.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from shared.arm.wire import BaseImage
from shared.errors import SlipwayError, Unavailable
from shared.runs.model import Run, Status
from shared.triggers.base_images.looking import announce, look, owed
from shared.triggers.base_images.model import Base, BaseTag, Dependent, Found, Kind, Stage, TaskKey, is_behind
from shared.triggers.base_images.watch import Watch

_ATTEMPTS = 10
_MAX_TURNS = 3


@dataclass(frozen=True)
class _Use:
    """How a run used a base image."""

    tag: BaseTag
    kind: Kind
    digest: str


def record(watch: Watch, login_server: str, run: Run, logins: Iterable[str] = ()) -> None:
    """Note everything that follows from a run that has ended, except for what its task is.

    `login_server` is the name of the run's registry, `logins` names the registries for which its task has a login.
    Raises Unavailable when storage does not answer; registries that do not are looked at again later.
    """
    task = TaskKey.of(run.registry, run.task) if run.task else None
    products = _products(login_server, run)
    if task and run.status is Status.SUCCEEDED and not run.is_untrusted and watch.triggers.exists(task):
        _depend(watch, task, run, products, frozenset(logins))
    for tag in products:
        look(watch, tag.key)
    if task:
        _settle(watch, task, run)


def _products(login_server: str, run: Run) -> list[BaseTag]:
    """Answer the tags of its own registry that a run says it has pushed, and might have."""
    images = (image for image in run.output_images if image.registry == login_server and run.may_push(image.repository))
    tags = (BaseTag.of(image.registry, image.repository, image.tag) for image in images)
    return list(dict.fromkeys(tag for tag in tags if tag))


def _uses(images: Iterable[BaseImage]) -> list[_Use]:
    """Answer each tag that a run stands on once; what is both counts as runtime, what is pinned never changes."""
    found: dict[BaseTag, _Use] = {}
    for image in images:
        tag = BaseTag.of(image.registry, image.repository, image.tag)
        if tag and image.digest and not image.pinned:
            use = _Use(tag, Kind(image.type), image.digest)
            found[tag] = use if tag not in found or use.kind is Kind.RUNTIME else found[tag]
    return list(found.values())


def _depend(watch: Watch, task: TaskKey, run: Run, products: list[BaseTag], logins: frozenset[str]) -> None:
    if not watch.dependencies.take_over(task, run.id, run.update_trigger_token or ""):
        return
    for tag in products:
        watch.dependencies.produces(task, tag.key)
    uses = _uses(run.base_images)
    for use in uses:
        _use(watch, task, run, use, str(task) if use.tag.registry in logins else "")
    watch.dependencies.keep_only(task, {use.tag.key for use in uses}, {tag.key for tag in products})


def _use(watch: Watch, task: TaskKey, run: Run, use: _Use, login: str) -> None:
    """Note a base image of a run; if its tag has moved on since, the task owes a rebuild.

    The dependent is written before the base image is read again: whoever makes the next generation finds it.
    """
    key = use.tag.key
    first = _first(watch, use, login)
    watch.bases.add(first)
    base = look(watch, key)
    for _ in range(_ATTEMPTS):
        if base is None:
            base = watch.bases.add(first)
        dependent = _dependent(watch, base, task, run, use)
        watch.dependencies.put(dependent)
        again = watch.bases.find(key)
        if again is None or again.generation != base.generation:
            base = again
            continue
        if is_behind(again, dependent):
            _make_up(watch, again, dependent)
        return
    raise Unavailable(f"The base image {use.tag} changes too fast to be noted.")


def _make_up(watch: Watch, base: Base, dependent: Dependent) -> None:
    """Let a task owe a rebuild whose run stood on something else than the tag stands for now.

    Unless one is to come anyway. A tag that looks different to every builder is not followed for ever.
    """
    known = watch.pending.of_generation(dependent.task, base.tag.key, base.generation)
    if any(one.stage is not Stage.DONE and one.run != dependent.run for one in known):
        return
    turn = max((one.turn + 1 for one in known), default=0)
    if turn > _MAX_TURNS:
        return
    watch.pending.add([replace(owed(watch, base, dependent), turn=turn)])
    announce(watch, dependent.task.registry, [dependent.task.shard])


def _first(watch: Watch, use: _Use, login: str) -> Base:
    now, known = watch.clock(), watch.bases.find(use.tag.key)
    found = known.found if known else _held(watch, use.tag, use.digest, login)
    return Base(use.tag, found, changed=now, due=watch.rhythm.first(use.tag, now), login=login)


def _dependent(watch: Watch, base: Base, task: TaskKey, run: Run, use: _Use) -> Dependent:
    held = base.found if base.found.digest == use.digest else _held(watch, base.tag, use.digest, base.login)
    image = held.image(run.platforms)
    stands = image == base.found.image(run.platforms)
    return Dependent(
        base=base.tag.key,
        task=task,
        kind=use.kind,
        platforms=run.platforms,
        digest=use.digest,
        image=image,
        generation=base.generation if stands else base.generation - 1,
        run=run.id,
    )


def _held(watch: Watch, tag: BaseTag, digest: str, login: str) -> Found:
    try:
        return watch.lookout.read(tag, digest, login)
    except SlipwayError:
        return Found(digest)


def _settle(watch: Watch, task: TaskKey, run: Run) -> None:
    """Close the rebuilds that the run served; what came too late for it is looked at again."""
    left = False
    for pending in watch.pending.of_task(task):
        if pending.stage is Stage.STARTED and pending.run == run.id:
            watch.pending.move(pending, pending.done())
        else:
            left = True
    if left:
        announce(watch, task.registry, [task.shard], delay_seconds=0)
