"""What git hosts are told and asked from time to time: statuses, hooks that are missing or not used any more."""

import logging

import azure.functions as func

from functions._again import read_errand
from functions._git_hosts import status_teller, subscriber
from functions._services import registry_keys, services
from shared.errors import SlipwayError
from shared.log_context import about

blueprint = func.Blueprint()
_LOG = logging.getLogger(__name__)


@blueprint.function_name("git_statuses_queue")
@blueprint.queue_trigger(arg_name="msg", queue_name="git-statuses", connection="AzureWebJobsStorage")
def git_statuses_queue(msg: func.QueueMessage) -> None:
    """Set the status of a run's commit, again and again for about an hour and a half while the host is away."""
    errand = read_errand(msg)
    if errand.registry not in registry_keys():
        return
    with about(errand.told):
        try:
            status_teller().tell(errand.registry, errand.run)
        except SlipwayError as fault:
            _LOG.warning("the commit's status is not set, attempt %d: %s", errand.attempt, fault.message)
            errand.again(services().shop.storage.git_statuses, most=10, first=5)


@blueprint.function_name("git_hosts_sweep")
@blueprint.timer_trigger(arg_name="timer", schedule="15 */10 * * * *", use_monitor=False)
def git_hosts_sweep(timer: func.TimerRequest) -> None:
    """Make hooks that could not be made, have failed deliveries sent again, remove what nobody uses."""
    del timer
    if services().settings.git_hooks:
        subscriber().sweep(registry_keys())
