"""What git hosts are told and asked from time to time: statuses, hooks that are missing or not used any more."""

import json
import logging

import azure.functions as func

from functions._git_hosts import status_teller, subscriber
from functions._services import services
from shared.errors import SlipwayError

blueprint = func.Blueprint()
_LOG = logging.getLogger(__name__)
_MOST_ATTEMPTS = 10
_FIRST_DELAY, _LONGEST_DELAY = 5, 900


@blueprint.function_name("git_statuses_queue")
@blueprint.queue_trigger(arg_name="msg", queue_name="git-statuses", connection="AzureWebJobsStorage")
def git_statuses_queue(msg: func.QueueMessage) -> None:
    """Set the status of a run's commit, again and again for about an hour and a half while the host is away."""
    told = json.loads(msg.get_body())
    registry, run, attempt = str(told["registry"]), str(told["run"]), int(told["attempt"])
    if registry not in _registries():
        return
    try:
        status_teller().tell(registry, run)
    except SlipwayError as fault:
        _LOG.warning("run %s: its commit's status is not set, attempt %d: %s", run, attempt, fault.message)
        if attempt < _MOST_ATTEMPTS:
            again = {"run": run, "registry": registry, "attempt": str(attempt + 1)}
            delay = min(_FIRST_DELAY << (attempt - 1), _LONGEST_DELAY)
            services().shop.storage.git_statuses.send(again, delay_seconds=delay)


@blueprint.function_name("git_hosts_sweep")
@blueprint.timer_trigger(arg_name="timer", schedule="15 */10 * * * *", use_monitor=False)
def git_hosts_sweep(timer: func.TimerRequest) -> None:
    """Make hooks that could not be made, have failed deliveries sent again, remove what nobody uses."""
    del timer
    if services().settings.git_hooks:
        subscriber().sweep(_registries())


def _registries() -> list[str]:
    return [registry.name.lower() for registry in services().settings.registries]
