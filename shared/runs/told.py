"""How much of a builder's report is believed and kept. Pure.

A builder runs hostile code, so its report may say anything: images of others, which the deployment would sign for, or
more than a run's row holds, which could then never end. What is no image's name, lies in a repository that the run may
not publish to, or goes beyond the bounds is left out.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from pydantic import BaseModel

from shared.arm.wire import BaseImage
from shared.errors import LanguageError
from shared.grant import Image, Outcome, Platform, Report, StepContainer
from shared.images.references import Reference
from shared.runs.finish import Ending
from shared.runs.model import Run, Status
from shared.tasks.dependencies import base_images

_MOST_IMAGES: Final = 9_000
_MOST_BASES: Final = 8_000
_MOST_STEPS: Final = 8_000
"""Characters of their JSON. A column holds 32,768, and what the app itself knows of a run stands there, too."""
_MOST_ERROR: Final = 2_000
_LONGEST_PLATFORM: Final = 64


def ending(run: Run, login_server: str, told: Report) -> Ending:
    """Answer the end of a run as its builder tells; `login_server` is the name of the run's own registry."""
    images = tuple(_fitting((one for one in told.images if _may_be_pushed(run, login_server, one)), _MOST_IMAGES))
    bases = (one for one in base_images(told.dependencies) if _is_named(one))
    return Ending(
        Status(told.outcome.value),
        _sentence(told.error),
        images,
        tuple(_fitting(bases, _MOST_BASES)),
        tuple(one for one in told.platforms if _is_platform(one)),
        told.tells_contents and told.outcome is Outcome.SUCCEEDED,
    )


def fits(steps: tuple[StepContainer, ...]) -> bool:
    """Whether a run's row holds the containers that its builder asks for."""
    return len(tuple(_fitting(steps, _MOST_STEPS))) == len(steps)


def _may_be_pushed(run: Run, login_server: str, image: Image) -> bool:
    return _is_named(image) and (image.registry != login_server or run.may_push(image.repository))


def _is_named(image: Image | BaseImage) -> bool:
    tag = f":{image.tag}" if image.tag is not None else ""
    digest = f"@{image.digest}" if image.digest is not None else ""
    try:
        read = Reference.parse(f"{image.registry}/{image.repository}{tag}{digest}")
    except LanguageError:
        return False
    return (read.registry, read.repository) == (image.registry, image.repository)


def _is_platform(platform: Platform) -> bool:
    text = str(platform)
    return len(text) <= _LONGEST_PLATFORM and text.isascii() and text.isprintable()


def _fitting[Told: BaseModel](found: Iterable[Told], most: int) -> Iterator[Told]:
    """Answer the first ones, until their JSON has `most` characters."""
    for one in found:
        most -= len(one.model_dump_json())
        if most < 0:
            return
        yield one


def _sentence(text: str | None) -> str | None:
    return None if text is None else "".join(one if one.isprintable() else " " for one in text[:_MOST_ERROR])
