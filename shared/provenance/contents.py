"""What a builder tells, after its run's end, of the images that the run pushed: kept until it is signed.

A builder may speak of nothing but what its own run has published, once of each digest, and for a minute only.
"""

import json
from typing import Final

from pydantic import ValidationError

from shared.access.builder_tokens import Bearer
from shared.errors import Conflict, Forbidden, NotFound, TooLarge
from shared.grant import Contents, Image
from shared.provenance.cyclonedx import bill_of_materials
from shared.runs.context import Workshop
from shared.runs.finish import lingers
from shared.runs.holding import Superseded
from shared.runs.model import Run
from shared.runs.results import CONTAINER, contents_name

_LARGEST: Final = 2_900_000
"""Bytes of a bill: its envelope, in base64, must be a blob that whoever checks it still reads (4 MiB)."""


def keep_contents(shop: Workshop, bearer: Bearer, told: Contents) -> None:
    """Keep what an image holds, and have all signed once the last was told; told again it changes nothing.

    Raises Superseded when nothing of the run is waited for any more, Forbidden for an image that it did not push into
    its own registry, TooLarge.
    """
    try:
        run = shop.store.get(bearer.registry, bearer.run_id)
    except NotFound:
        raise Superseded("The run does not exist any more.") from None
    if run.epoch != bearer.epoch or run.group != bearer.group or not lingers(run, shop.clock()):
        raise Superseded("Nobody waits for what the images of this run hold.")
    images = own_images(run, shop.registry(run.registry).login_server)
    if run.is_untrusted or (told.repository, told.digest) not in {(one.repository, one.digest) for one in images}:
        raise Forbidden(f"The run {run.id} has not published {told.repository}@{told.digest}.")
    if len(json.dumps(bill_of_materials(run, told))) > _LARGEST:
        raise TooLarge(f"The contents of {told.repository}@{told.digest} make a bill of more than {_LARGEST} bytes.")
    blobs = shop.storage.blobs
    try:
        blobs.put(CONTAINER, contents_name(run, told.digest), told.model_dump_json().encode())
    except Conflict:
        return
    # One message for all: two at the same time could attach the same twice.
    if all(blobs.exists(CONTAINER, contents_name(run, str(one.digest))) for one in images):
        shop.storage.provenance.send({"run": run.id, "registry": run.registry, "attempt": "1"})


def read_contents(shop: Workshop, run: Run, image: Image) -> Contents | None:
    """Answer what the run's builder told of an image; None when it told nothing."""
    try:
        kept = shop.storage.blobs.read(CONTAINER, contents_name(run, str(image.digest)))
        return Contents.model_validate_json(kept).model_copy(update={"repository": image.repository})
    except (NotFound, ValidationError):
        return None


def own_images(run: Run, login_server: str) -> tuple[Image, ...]:
    """Answer the images that a run pushed into its own registry, each digest of a repository once."""
    found: dict[tuple[str, str], Image] = {}
    for image in run.output_images:
        if image.registry == login_server and image.digest:
            found.setdefault((image.repository, image.digest), image)
    return tuple(found.values())
