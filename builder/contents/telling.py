"""After a run's end: look into the images that it pushed, and tell the app what they hold.

The run has its end already, so whatever goes wrong here is a line in the builder's own log and nothing more.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from builder.contents.inventory import Inventory
from builder.control import RunLink
from builder.faults import reason
from shared.errors import SlipwayError, Unavailable
from shared.grant import Contents, Grant, Image, Report
from shared.images.distribution import MANIFEST_LIMIT
from shared.images.manifests import Manifest

SECONDS: Final = 40
"""For all images of a run; the app gives a builder a minute."""
_MOST_IMAGES: Final = 16
_log = logging.getLogger("slipway.builder")

type Blobs = Callable[[str], Path | None]
"""Answers the file of a blob by its digest, None where it is not at hand."""


def promises(grant: Grant, images: tuple[Image, ...]) -> bool:
    """Whether contents are to be told after a run that pushed these images."""
    return grant.wants_contents and bool(_own(grant, images))


async def tell_contents(blobs: Blobs, link: RunLink, grant: Grant, report: Report) -> None:
    """Tell of each image that the report names, once for each digest. Raises nothing."""
    until = time.monotonic() + SECONDS
    try:
        for image in _own(grant, report.images):
            await link.contents(await _found(blobs, image, until))
    except SlipwayError as fault:
        _log.warning("what the images hold was not told: %s", reason(fault))
    except Exception as fault:  # noqa: BLE001 - hostile layers end no builder, which may have further runs to do
        _log.error("what the images hold was not told: a fault of the builder (%s)", type(fault).__name__)


def _own(grant: Grant, images: tuple[Image, ...]) -> tuple[Image, ...]:
    own = (image for image in images if image.registry == grant.variables.registry and image.digest)
    return tuple({(image.repository, image.digest): image for image in own}.values())[:_MOST_IMAGES]


async def _found(blobs: Blobs, image: Image, until: float) -> Contents:
    inventory = Inventory(until)
    try:
        await asyncio.to_thread(_look, blobs, str(image.digest), inventory)
    except asyncio.CancelledError:
        inventory.meter.stopped = True
        raise
    return Contents(
        repository=image.repository,
        digest=str(image.digest),
        distribution=inventory.distribution,
        packages=inventory.packages,
        lacks=inventory.lacks,
    )


def _look(blobs: Blobs, digest: str, inventory: Inventory) -> None:
    """Read an image; of an index, the images of all platforms."""
    for image in _images(blobs, digest):
        layers = tuple(blobs(layer.digest) for layer in image.layers)
        inventory.read(layers)


def _images(blobs: Blobs, digest: str) -> Iterator[Manifest]:
    manifest = _manifest(blobs, digest)
    if not manifest.is_index:
        yield manifest
        return
    for entry in manifest.entries[:_MOST_IMAGES]:
        if entry.platform is None or entry.platform.os != "unknown":
            yield _manifest(blobs, entry.digest)


def _manifest(blobs: Blobs, digest: str) -> Manifest:
    file = blobs(digest)
    if file is None:
        raise Unavailable(f"the manifest {digest} is not at hand")
    with file.open("rb") as stream:
        return Manifest.read(stream.read(MANIFEST_LIMIT), "", digest, of="the image that was pushed")
