"""The APIs of git hosts, opened once per process: what `functions/tasks.py` and `functions/git_hosts.py` both use."""

from functools import cache, partial

from functions._services import services
from shared.access.outbound import outbound_client
from shared.triggers.git.rest.opening import OpenApi, open_api
from shared.triggers.git.statuses import StatusTeller
from shared.triggers.git.subscribing import Subscriber
from shared.triggers.git.watching import open_watching


@cache
def _api() -> OpenApi:
    return partial(open_api, outbound_client(services().settings))


def subscriber() -> Subscriber:
    """Answer what makes and removes hooks at git hosts."""
    return Subscriber(open_watching(services().shop), _api())


def status_teller() -> StatusTeller:
    """Answer what tells git hosts of runs."""
    return StatusTeller(services().shop, _api())
