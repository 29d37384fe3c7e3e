"""The secrets that a run's task names: read from their vaults for the builder that executes it."""

from concurrent.futures import ThreadPoolExecutor, wait

from shared.access.builder_tokens import Bearer
from shared.arm.requests import DockerBuildRequest
from shared.errors import Forbidden, InvalidRequest
from shared.grant import SecretsRequest, SecretValues
from shared.runs.context import Workshop
from shared.runs.holding import own_run
from shared.runs.sealed import open_request

AT_ONCE = 5
SECONDS = 120.0


def read_secrets(shop: Workshop, bearer: Bearer, request: SecretsRequest, seconds: float = SECONDS) -> SecretValues:
    """Answer the values by id; five at a time, all within `seconds`.

    Raises Superseded when the run is no longer the builder's, Forbidden when it executes no task, and what the
    vault raises for the first secret that cannot be read.
    """
    run = own_run(shop, bearer)
    if run.is_untrusted:
        raise Forbidden(f"The run {run.id} builds what a stranger wrote and so has no secrets.")
    if isinstance(open_request(shop, run), DockerBuildRequest):
        raise Forbidden(f"The run {run.id} executes no task and so has no secrets.")
    pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="secrets")
    try:
        reads = {one.id: pool.submit(shop.vault.read, one.keyvault, one.client_id) for one in request.secrets}
        if wait(reads.values(), seconds).not_done:
            raise InvalidRequest("timeout in fetching secrets. please check permissions are valid")
        return SecretValues(values={name: read.result() for name, read in reads.items()})
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
