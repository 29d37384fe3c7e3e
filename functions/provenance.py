"""The provenance of images: attached after a run, and the keys by which anybody checks it."""

import json
import logging
from functools import cache

import azure.functions as func
import httpx

from functions._http import answering
from functions._logs import about
from functions._services import Services, services
from shared.access.callers import trust
from shared.access.signing import open_signer
from shared.errors import SlipwayError, Unavailable
from shared.provenance.attesting import Attestor, public_keys

blueprint = func.Blueprint()
_LOG = logging.getLogger(__name__)
_MOST_ATTEMPTS = 8
_FIRST_DELAY, _LONGEST_DELAY = 10, 900


@cache
def _attestor() -> Attestor | None:
    known = services()
    signer = open_signer(known.settings)
    if signer is None:
        return None
    client = httpx.Client(verify=trust(known.settings), trust_env=False, follow_redirects=False)
    return Attestor(known.shop, signer, client)


@blueprint.function_name("provenance_queue")
@blueprint.queue_trigger(arg_name="msg", queue_name="provenance", connection="AzureWebJobsStorage")
def provenance_queue(msg: func.QueueMessage) -> None:
    """Attach the provenance of one run, again and again for about half an hour while the registry is away."""
    told = json.loads(msg.get_body())
    registry, run, attempt = str(told["registry"]), str(told["run"]), int(told["attempt"])
    attestor = _attestor()
    if attestor is None or registry not in {one.name.lower() for one in attestor.shop.settings.registries}:
        return
    try:
        with about(told):
            attestor.attest(registry, run)
    except Unavailable as fault:
        _LOG.warning("run %s: no provenance yet, attempt %d: %s", run, attempt, fault.message)
        if attempt < _MOST_ATTEMPTS:
            again = {"run": run, "registry": registry, "attempt": str(attempt + 1)}
            delay = min(_FIRST_DELAY << (attempt - 1), _LONGEST_DELAY)
            attestor.shop.storage.provenance.send(again, delay_seconds=delay)
    except SlipwayError as fault:
        _LOG.warning("run %s: no provenance: %s", run, fault.message)


@blueprint.function_name("provenance_keys")
@blueprint.route(route="provenance/keys", methods=["GET"])
def provenance_keys(req: func.HttpRequest) -> func.HttpResponse:
    """Answer every public key that has signed, as one PEM text; needs no token, for a key proves nothing by itself."""
    return answering(req, _keys)


def _keys(known: Services) -> func.HttpResponse:
    return func.HttpResponse("".join(public_keys(known.shop)), mimetype="application/x-pem-file")
