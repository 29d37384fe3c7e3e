"""Whose a run is at this moment: its builder's, by group and epoch, or nobody's any more."""

from shared.access.builder_tokens import Bearer
from shared.errors import NotFound, SlipwayError
from shared.runs.context import Workshop
from shared.runs.model import Run


class Superseded(SlipwayError):
    """The run has ended or belongs to another builder; the message says which."""

    status = 409
    code = "RunSuperseded"


def own_run(shop: Workshop, bearer: Bearer) -> Run:
    """Answer the run that a builder executes. Raises Superseded when it is no longer that builder's."""
    try:
        run = shop.store.get(bearer.registry, bearer.run_id)
    except NotFound:
        raise Superseded("The run does not exist any more.") from None
    if run.is_terminal:
        raise Superseded(f"The run has ended: {run.status}.")
    if run.epoch != bearer.epoch or run.group != bearer.group:
        raise Superseded("The run belongs to another builder.")
    return run
