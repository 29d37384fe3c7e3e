"""The watch over base images: made once per process, fed by the queue `base-images`.

Messages name what to do and are only ever hints: `look` at a base image, go on telling the dependents of a `base`,
`serve` the rebuilds of a registry, record a run that `ended`, tell the `endpoint` of a run's task.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import httpx

from functions._services import services
from shared.access.outbound import outbound_client
from shared.errors import NotFound, SlipwayError, Unavailable
from shared.runs.context import Workshop
from shared.runs.dispatch import announce, dispatch
from shared.runs.model import Run
from shared.triggers.base_images.endpoint import MAX_ATTEMPTS, call_endpoint, delay_seconds
from shared.triggers.base_images.looking import fan_out, look
from shared.triggers.base_images.recording import record
from shared.triggers.base_images.registries import Registries
from shared.triggers.base_images.serving import serve
from shared.triggers.base_images.watch import Watch, open_watch

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Doors:
    """The watch and what the doors add to it: the way out, the runs that are dispatched."""

    shop: Workshop
    watch: Watch
    client: httpx.Client

    def work(self, message: Mapping[str, str]) -> None:
        """Do what a message asks for."""
        match message:
            case {"look": key}:
                look(self.watch, key)
            case {"base": key, "generation": generation, "after": after}:
                fan_out(self.watch, key, int(generation), after)
            case {"serve": registry, **more}:
                self.serve(registry, more.get("shards", ""))
            case {"ended": run, "registry": registry}:
                self.record(registry, run)
            case {"endpoint": run, "registry": registry, "attempt": attempt}:
                self.tell(registry, run, int(attempt))
            case _:
                _LOG.warning("a message about base images asks for nothing known")

    def serve(self, registry: str, shards: str = "") -> None:
        """Start the runs that a registry's rebuilds ask for, of some shards or of all."""
        if registry not in {one.name.lower() for one in self.shop.settings.registries}:
            return
        served = serve(self.watch, registry, shards or ("",))
        for key, run in served.lost:
            self.record(key, run)
        for one in served.started:
            self.watch.queue.send({"endpoint": one.id, "registry": registry, "attempt": "1"})
        if not served.started:
            return
        try:
            announce(self.shop, registry, delay_seconds=0)
            dispatch(self.shop, registry)
        except SlipwayError:
            _LOG.exception("the runs that base images queued in %s wait for the queue or the reconciler", registry)

    def record(self, registry: str, run_id: str) -> None:
        """Record what follows from a run that has ended."""
        try:
            run = self.shop.store.get(registry, run_id)
        except NotFound:
            return
        if run.is_terminal:
            record(self.watch, self.shop.registry(registry).login_server, run, self._logins(run))

    def tell(self, registry: str, run_id: str, attempt: int) -> None:
        """Tell the endpoint of a run's task, again and again for about half an hour."""
        try:
            call_endpoint(self.shop, self.watch, self.client, registry, run_id)
        except Unavailable as fault:
            _LOG.warning("attempt %d: %s", attempt, fault.message)
            if attempt < MAX_ATTEMPTS:
                message = {"endpoint": run_id, "registry": registry, "attempt": str(attempt + 1)}
                self.watch.queue.send(message, delay_seconds=delay_seconds(attempt))
        except SlipwayError as fault:
            _LOG.warning("%s", fault.message)

    def _logins(self, run: Run) -> tuple[str, ...]:
        task = self.shop.tasks.find(run.registry, run.task) if run.task else None
        return tuple(task.properties.credentials.custom_registries) if task else ()


@cache
def base_images() -> Doors:
    """Answer the watch of this process."""
    shop = services().shop
    client = outbound_client(shop.settings)
    return Doors(shop, open_watch(shop, Registries(shop, client)), client)
