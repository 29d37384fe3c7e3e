"""Which of a task's steps run an image that the task itself builds. Pure."""

from collections.abc import Iterable, Iterator

from shared.errors import LanguageError
from shared.images.references import Reference
from shared.language import AnyStep, BuildStep, CmdStep, Plan


def built_before(plan: Plan, step: CmdStep) -> Reference | None:
    """Return the image of a step if a step that it waits for, however indirectly, builds it."""
    image = named(step.image)
    return image if image in set(_tags(_before(plan, step))) else None


def all_built(plan: Plan) -> frozenset[Reference]:
    """Return all images that the plan's build steps make."""
    return frozenset(_tags(plan.steps))


def named(image: str) -> Reference | None:
    """Return what a name means, None for what is no name."""
    try:
        return Reference.parse(image)
    except LanguageError:
        return None


def _before(plan: Plan, step: AnyStep) -> Iterator[AnyStep]:
    steps = {one.id: one for one in plan.steps}
    left, seen = list(step.after), set[str]()
    while left:
        if (name := left.pop()) in seen or name not in steps:
            continue
        seen.add(name)
        left += steps[name].after
        yield steps[name]


def _tags(steps: Iterable[AnyStep]) -> Iterator[Reference]:
    texts = (tag for step in steps if isinstance(step, BuildStep) for tag in step.command.tags)
    return (reference for text in texts if (reference := named(text)))
