"""Cancel at any moment: the run ends at once, its builder hears of it with its next heartbeat."""

import logging

from shared.errors import SlipwayError
from shared.runs.context import Workshop
from shared.runs.dispatch import dispatch
from shared.runs.finish import Ending, finish
from shared.runs.model import Run, Status

_LOG = logging.getLogger(__name__)


def cancel(shop: Workshop, registry: str, run_id: str) -> Run:
    """End a run as Canceled; one that has ended keeps its state. Raises NotFound."""
    run = finish(shop, registry, run_id, Ending(Status.CANCELED))
    try:
        dispatch(shop, registry)
    except SlipwayError:
        _LOG.exception("the next run of %s waits for the queue", registry)
    return run
