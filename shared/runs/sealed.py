"""The requests that made runs, sealed: they may hold secrets."""

import json

from shared.arm.requests import QuickRunRequest, parse_run_request
from shared.runs.context import Workshop
from shared.runs.model import Run


def seal_request(shop: Workshop, run: Run, request: QuickRunRequest) -> None:
    """Keep the request, secret build arguments included, until a builder claims the run."""
    name = _name(run)
    shop.storage.blobs.put("requests", name, shop.keys.seal(request.model_dump_json(by_alias=True).encode(), name))


def open_request(shop: Workshop, run: Run) -> QuickRunRequest:
    """Read the request that made a run."""
    name = _name(run)
    return parse_run_request(json.loads(shop.keys.open(shop.storage.blobs.read("requests", name), name)))


def _name(run: Run) -> str:
    return f"{run.registry}/{run.id}"
