"""The base images in a builder's report, as a task shows them. Pure."""

from collections.abc import Iterable
from typing import Any

from shared.arm.wire import BaseImage
from shared.grant import Image, ImageDependency

_MAX = 40
"""More than this no Dockerfile names; a run's row must hold them all."""


def base_images(dependencies: Iterable[ImageDependency]) -> tuple[BaseImage, ...]:
    """Answer each base image once, runtime ones first, in the order of the report."""
    told = list(dependencies)
    runtime = [BaseImage(type="Runtime", **_name(one.runtime)) for one in told if one.runtime]
    buildtime = [BaseImage(type="Buildtime", **_name(image)) for one in told for image in one.buildtime]
    return tuple(dict.fromkeys(runtime + buildtime))[:_MAX]


def _name(image: Image) -> dict[str, Any]:
    return image.model_dump() | {"pinned": image.pinned or None}
