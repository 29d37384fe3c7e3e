"""The provenance of images: attached after a run, and the keys by which anybody checks it."""

import logging
from functools import cache

import azure.functions as func
import httpx

from functions._again import read_errand
from functions._http import answering
from functions._services import Services, registry_keys, services
from shared.access.callers import trust
from shared.access.signing import open_signer
from shared.errors import SlipwayError, Unavailable
from shared.log_context import about
from shared.provenance.attesting import Attestor, public_keys

blueprint = func.Blueprint()
_LOG = logging.getLogger(__name__)


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
    errand, attestor = read_errand(msg), _attestor()
    if attestor is None or errand.registry not in registry_keys():
        return
    with about(errand.told):
        try:
            attestor.attest(errand.registry, errand.run)
        except Unavailable as fault:
            _LOG.warning("run %s: no provenance yet, attempt %d: %s", errand.run, errand.attempt, fault.message)
            errand.again(attestor.shop.storage.provenance)
        except SlipwayError as fault:
            _LOG.warning("run %s: no provenance: %s", errand.run, fault.message)


@blueprint.function_name("provenance_keys")
@blueprint.route(route="provenance/keys", methods=["GET"])
def provenance_keys(req: func.HttpRequest) -> func.HttpResponse:
    """Answer every public key that has signed, as one PEM text; needs no token, for a key proves nothing by itself."""
    return answering(req, _keys)


def _keys(known: Services) -> func.HttpResponse:
    return func.HttpResponse("".join(public_keys(known.shop)), mimetype="application/x-pem-file")
