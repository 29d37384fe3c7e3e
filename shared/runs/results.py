"""Results that builders write before they report: what saves a run whose report never arrived."""

from datetime import timedelta

from pydantic import ValidationError

from shared.errors import NotFound, TooLarge
from shared.grant import Report
from shared.runs.context import Workshop
from shared.runs.model import Run
from shared.storage import Permission

CONTAINER = "results"
_MARGIN = timedelta(hours=1)
_LARGEST = 4 * 1024**2
"""Bytes of a result: as much as a report has that is sent. Its writer has a SAS, which bounds nothing."""


def _name(run: Run) -> str:
    return f"{run.registry}/{run.id}/{run.epoch}.json"


def result_url(shop: Workshop, run: Run) -> str:
    """Answer a URL by which this epoch's builder writes its result."""
    life = timedelta(seconds=run.timeout_seconds) + _MARGIN
    return shop.storage.blobs.sas_url(CONTAINER, _name(run), Permission.UPLOAD, life)


def read_result(shop: Workshop, run: Run) -> Report | None:
    """Answer what the builder of the present epoch wrote; None when there is nothing that holds."""
    try:
        told = Report.model_validate_json(shop.storage.blobs.read_whole(CONTAINER, _name(run), _LARGEST))
    except (NotFound, TooLarge, ValidationError):
        return None
    return told if (told.run_id, told.epoch) == (run.id, run.epoch) else None


def contents_name(run: Run, digest: str) -> str:
    """Answer the name of what a run's builder told of an image."""
    return f"{run.registry}/{run.id}/contents-{digest.partition(':')[2]}.json"


def delete_results(shop: Workshop, run: Run) -> None:
    """Delete all that was kept for a run that is purged."""
    blobs = shop.storage.blobs
    for epoch in range(1, run.epoch + 1):
        blobs.delete(CONTAINER, _name(run.model_copy(update={"epoch": epoch})))
    for image in run.output_images:
        blobs.delete(CONTAINER, contents_name(run, image.digest or ""))
    blobs.delete("requests", f"{run.registry}/{run.id}")
