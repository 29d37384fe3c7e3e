"""Five hundred runs at once against Azure's limits: how long until the last has ended, and that none is lost.

    .venv/bin/python -m bench.groups [--runs 500] [--scale 12] [--start 40] [--work 90] [--pool 20] [--full-region]

A container-group service on loopback that enforces the limits of a subscription (100 groups, 100 creations in five
minutes, 300 in an hour) in scaled time, reached through the published client; an Azurite of its own; the real use
cases. Only builders are scripted: each claims, works and reports. First with one group per run, then with an agent pool
of so many groups (0 for none) whose builders take a moment to get clean and claim again, under the same limits; `best`
is what the limits alone allow. With `--full-region` the first of two regions has no room between the fifth and the
fifteenth minute.
"""

import argparse
import asyncio
import base64
import heapq
import json
import os
import queue
import statistics
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import uvicorn
from azure.core.credentials import AccessToken

from devstack.container_groups.app import App
from devstack.container_groups.config import Limits
from devstack.container_groups.groups import ContainerGroups as Service
from devstack.container_groups.orders import Order
from devstack.container_groups.pretended import pretended_groups
from devstack.setup.azurite_account import azurite_account
from devstack.tls import authority
from shared.access.builder_tokens import Bearer, BuilderTokens
from shared.access.callers import Caller
from shared.access.keys import Keys
from shared.arm.names import parse_registry_id
from shared.arm.requests import parse_run_request
from shared.container_groups.pool import GroupPool
from shared.container_groups.service import ContainerGroups
from shared.errors import SlipwayError
from shared.grant import Grant, Outcome, RegistryLogin, Report
from shared.runs.agent_pools import PoolKeeper
from shared.runs.claim import Gone, heartbeat, look_for_work, report
from shared.runs.context import Workshop
from shared.runs.dispatch import dispatch
from shared.runs.model import Run, Status
from shared.runs.reconcile import reconcile
from shared.runs.store import RunStore
from shared.runs.submit import submit
from shared.runs.upkeep import sweep_groups
from shared.settings import Settings, read_settings
from shared.storage import Queue, open_storage

REGISTRY = "bench"
IMAGE = "slipway/builder:bench"
FIRST, SECOND = "westeurope", "northeurope"
PLACES = 100
LIMITS = {"groups": PLACES, "creates_per_5_minutes": 100, "creates_per_hour": 300}
FULL = (300.0, 900.0)
POOL = "bench"
CLEAN = 3.0
"""Seconds that a builder takes between two runs: the engine's end, deletion, the next one's start."""
ASKS = 5.0
RECONCILED = 60.0
"""Seconds between two looks of the reconciler; four times as many in an app."""
PATIENCE = 6 * 3600.0
THREADS = 8


class Clock:
    """Time that passes faster than it does, from the moment that it is let go."""

    def __init__(self, scale: float) -> None:
        self.scale = scale
        self._began: float | None = None
        self._start = datetime.now(UTC)

    def go(self) -> None:
        """Let time fly."""
        self._start, self._began = self(), time.monotonic()

    @property
    def seconds(self) -> float:
        """The seconds that have passed since then."""
        return 0.0 if self._began is None else (time.monotonic() - self._began) * self.scale

    def __call__(self) -> datetime:
        """Answer the moment."""
        return datetime.now(UTC) if self._began is None else self._start + timedelta(seconds=self.seconds)


class AnyToken:
    """A credential that the service does not check."""

    def get_token(self, *_scopes: str, **_options: object) -> AccessToken:
        """Answer a token."""
        return AccessToken("not-checked", int(time.time()) + 36_000)


@dataclass
class Agenda:
    """What is to be done and when, in scaled seconds; done by a few threads."""

    clock: Clock
    entries: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=count)
    lock: threading.Lock = field(default_factory=threading.Lock)
    failures: Counter[str] = field(default_factory=Counter)

    def later(self, seconds: float, act: Callable[[], None]) -> None:
        """Do something after so many scaled seconds."""
        with self.lock:
            heapq.heappush(self.entries, (self.clock.seconds + seconds, next(self.numbers), act))

    def work(self, is_over: Callable[[], bool]) -> None:
        """Do what is due until it is over."""
        with ThreadPoolExecutor(THREADS) as pool:
            while not is_over() and self.clock.seconds < PATIENCE:
                for act in self._due():
                    pool.submit(act).add_done_callback(self._note)
                time.sleep(0.002)

    def _due(self) -> list[Callable[[], None]]:
        with self.lock:
            due = []
            while self.entries and self.entries[0][0] <= self.clock.seconds:
                due.append(heapq.heappop(self.entries)[2])
            return due

    def _note(self, done: Future[None]) -> None:
        if fault := done.exception():
            self.failures[type(fault).__name__] += 1


@dataclass
class Messages(Queue):
    """The dispatch queue: a message is delivered after its delay, in scaled seconds."""

    agenda: Agenda
    deliver: Callable[[], None]

    def send(self, message: Mapping[str, str], *, delay_seconds: int = 0) -> None:
        """Deliver later."""
        del message
        self.agenda.later(delay_seconds, self.deliver)


@dataclass
class Beginnings:
    """When groups began, in scaled seconds, and where: their creations, later by the same delay."""

    clock: Clock
    moments: list[float] = field(default_factory=list)
    places: Counter[str] = field(default_factory=Counter)

    def note(self, order: Order) -> None:
        """Note a container that runs now."""
        record = json.loads((Path(order.directory) / "record.json").read_text())
        self.moments.append(self.clock.seconds)
        self.places[record["location"]] += 1

    def most_in(self, window: float) -> int:
        """Answer how many fell into the fullest window of so many seconds."""
        return max((sum(one - window < other <= one for other in self.moments) for one in self.moments), default=0)


@dataclass
class Builders:
    """Scripted builders: one for each group that begins."""

    shop: Workshop
    agenda: Agenda
    work: float
    ended: set[str] = field(default_factory=set)
    cleaned: set[str] = field(default_factory=set)
    """Groups whose next claim gives their run back: the app holds it open and answers the next run."""

    def begin(self, order: Order) -> None:
        """Let the builder of a container that runs now ask for work."""
        self.agenda.later(0, lambda: self._claim(order))

    def _claim(self, order: Order) -> None:
        process = json.loads((Path(order.directory) / "bundle" / "config.json").read_text())["process"]
        names = dict(line.partition("=")[::2] for line in process["env"])
        bearer = Bearer(REGISTRY, names["SLIPWAY_GROUP"])
        try:
            grant = look_for_work(self.shop, bearer)
        except Gone:
            return
        except SlipwayError:
            self.agenda.later(2, lambda: self._claim(order))
            return
        if grant is None:
            self.agenda.later(0.1 if bearer.group in self.cleaned else ASKS, lambda: self._claim(order))
            self.cleaned.discard(bearer.group)
            return
        self.agenda.later(self.work / 2, lambda: self._live(grant))
        self.agenda.later(self.work, lambda: self._report(grant, order))

    def _live(self, grant: Grant) -> None:
        heartbeat(self.shop, self._bearer(grant))

    def _report(self, grant: Grant, order: Order) -> None:
        told = Report(run_id=grant.run_id, epoch=grant.epoch, outcome=Outcome.SUCCEEDED)
        try:
            report(self.shop, self._bearer(grant), told)
        except SlipwayError:
            self.agenda.later(2, lambda: self._report(grant, order))
            return
        self.ended.add(grant.run_id)
        if grant.claims_again:
            self.cleaned.add(grant.group)
            self.agenda.later(CLEAN, lambda: self._claim(order))

    def _bearer(self, grant: Grant) -> Bearer:
        return Bearer(REGISTRY, grant.group, grant.run_id, grant.epoch)


@contextmanager
def served(service: Service, files: authority.TlsFiles) -> Iterator[str]:
    """Serve container groups on loopback; answer the address."""
    config = uvicorn.Config(
        App(service),
        host="127.0.0.1",
        port=0,
        ssl_certfile=str(files.leaf),
        ssl_keyfile=str(files.leaf_key),
        lifespan="on",
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()), daemon=True)
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.01)
    try:
        yield f"https://localhost:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(30)


def settings(connection: str, resource_manager: str) -> Settings:
    """Answer the settings of the app."""
    registry = {
        "id": f"/subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerRegistry/registries/{REGISTRY}",
        "loginServer": f"{REGISTRY}.slipway.test",
        "location": FIRST,
    }
    return read_settings(
        {
            "AzureWebJobsStorage": connection,
            "SLIPWAY_PUBLIC_URL": "https://slipway.test",
            "SLIPWAY_TENANT_ID": "tenant",
            "SLIPWAY_AUDIENCES": "https://management.azure.com",
            "SLIPWAY_REGISTRIES": json.dumps([registry]),
            "SLIPWAY_BUILDER_RESOURCE_GROUP": "/subscriptions/s/resourceGroups/builders",
            "SLIPWAY_BUILDER_LOCATION": f"{FIRST},{SECOND}",
            "SLIPWAY_BUILDER_IMAGE": IMAGE,
            "SLIPWAY_BUILDER_CPU": "1",
            "SLIPWAY_BUILDER_PRIVILEGED": "true",
            "SLIPWAY_POOL_MINIMUM": "0",
            "SLIPWAY_POOL_REUSE": "tasks",
            "SLIPWAY_POOL_RUNS": "1000",
            "SLIPWAY_RUN_CONCURRENCY": str(PLACES),
            "SLIPWAY_RESOURCE_MANAGER": resource_manager,
            "SLIPWAY_KEY": "x",
        }
    )


def open_shop(known: Settings, clock: Clock, agenda: Agenda) -> Workshop:
    """Make the workshop that the builders' doors and the dispatch queue share."""
    tokens, stored = BuilderTokens(b"k" * 32), open_storage(known)
    credential: Any = AnyToken()
    pool = GroupPool(stored.groups, ContainerGroups(known, credential), tokens, clock)
    shops: list[Workshop] = []
    messages = Messages(agenda, lambda: dispatch(shops[0], REGISTRY))
    shop = Workshop(
        settings=known,
        storage=replace(stored, dispatch=messages),
        store=RunStore(stored.runs),
        pool=pool,
        keys=Keys(bytes(32)),
        tokens=tokens,
        issue_login=lambda registry, _pull, _push: RegistryLogin(registry=registry.login_server, token="none"),  # noqa: S106 - no secret
        clock=clock,
    )
    shops.append(shop)
    return shop


def queue_runs(shop: Workshop, runs: int, pool: int) -> None:
    """Queue all runs in the same moment, in an agent pool of so many groups unless it is 0."""
    task = base64.b64encode(b"version: v1.1.0\nsteps:\n  - cmd: busybox\n").decode()
    name = {"agentPoolName": POOL} if pool else {}
    request = parse_run_request({"type": "EncodedTaskRunRequest", "encodedTaskContent": task, **name})
    registry, caller = shop.settings.registries[0], Caller("bench", "User", frozenset())
    if pool:
        keeper = PoolKeeper(shop, parse_registry_id(registry.id), FIRST, caller)
        keeper.put(POOL, {"properties": {"count": pool}})
    for number in range(runs):
        submit(shop, registry, request, caller, f"{number:064d}", dispatches=False)


def best(runs: int, start: float, work: float) -> float:
    """Answer the seconds that the limits alone ask for, a group per run."""
    begun: list[float] = []
    for number in range(runs):
        moment = begun[-PLACES] + start + work if number >= PLACES else 0.0
        for limit, window in ((LIMITS["creates_per_5_minutes"], 300), (LIMITS["creates_per_hour"], 3600)):
            moment = max(moment, begun[-limit] + window if number >= limit else 0.0)
        begun.append(moment)
    return begun[-1] + start + work


def lost(shop: Workshop, runs: list[Run]) -> dict[str, int]:
    """Answer what did not come to its end, once and as it should."""
    logs = [shop.storage.blobs.read("logs", f"{run.registry}/{run.id}/rawtext.log").decode() for run in runs]
    return {
        "runs that did not succeed": sum(run.status is not Status.SUCCEEDED for run in runs),
        "logs without one end": sum(log.count("Run ID: ") != 1 for log in logs),
        "runs that are not closed": sum(1 for _ in shop.store.active(REGISTRY)),
        "groups left over": len(shop.pool.leftovers([])),
        "second attempts": sum(run.attempt > 1 for run in runs),
    }


def measure(given: argparse.Namespace, connection: str, folder: Path, pool: int) -> None:
    """Queue the runs, in a pool unless it is 0, let time pass until all have ended, print what was seen."""
    clock = Clock(given.scale)
    agenda, begun = Agenda(clock), queue.SimpleQueue[Order]()
    service = pretended_groups(folder / "groups", IMAGE, time.monotonic, begun.put)
    limits = Limits(**LIMITS, start_delay_seconds=given.start, time_scale=given.scale)
    service.quota.limits = limits
    files = authority.ensure(folder / "tls", datetime.now(UTC))
    os.environ["REQUESTS_CA_BUNDLE"] = str(files.bundle)
    with served(service, files) as address:
        shop = open_shop(settings(connection, address), clock, agenda)
        queue_runs(shop, given.runs, pool)
        builders, beginnings = Builders(shop, agenda, given.work), Beginnings(clock)

        def look() -> None:
            try:
                reconcile(shop, REGISTRY)
            finally:
                agenda.later(RECONCILED, look)

        def fill(regions: tuple[str, ...]) -> None:
            service.quota.limits = limits.model_copy(update={"full_regions": regions})

        clock.go()
        if given.full_region:
            agenda.later(FULL[0], lambda: fill((FIRST,)))
            agenda.later(FULL[1], lambda: fill(()))
        agenda.later(RECONCILED, look)
        agenda.later(0, lambda: dispatch(shop, REGISTRY))

        def is_over() -> bool:
            while not begun.empty():
                order = begun.get()
                beginnings.note(order)
                builders.begin(order)
            missing: int = given.runs - len(builders.ended)
            return missing <= 0

        agenda.work(is_over)
        sweep_groups(shop)
        for group in list(shop.pool.groups(REGISTRY)) if pool else ():
            shop.pool.release(REGISTRY, group.name)  # a pool keeps its builders
        title = f"a pool of {pool} groups" if pool else "one group per run"
        print_findings(given, shop, beginnings, clock.seconds, title)
        print(f"faults on the way   {dict(agenda.failures)}")


def print_findings(given: argparse.Namespace, shop: Workshop, made: Beginnings, total: float, title: str) -> None:
    """Print a line for the whole, one for the waits and one for the limits."""
    runs = list(shop.store.newest(REGISTRY))
    waits = sorted((run.started - run.created).total_seconds() for run in runs if run.started)
    allowed, slowest = best(given.runs, given.start, given.work), waits[len(waits) * 95 // 100]
    print(
        f"{title:20s}{len(runs)} runs in {total:.0f} s (best of a group per run {allowed:.0f} s: {total / allowed:.3f})"
    )
    print(f"waits               median {statistics.median(waits):.0f} s  95 % {slowest:.0f} s  most {waits[-1]:.0f} s")
    places = "  ".join(f"{place} {number}" for place, number in sorted(made.places.items()))
    windows = f"{made.most_in(300)} in 5 minutes, {made.most_in(3600)} in an hour"
    print(f"groups              {len(made.moments)}: {windows}; {places}")
    for what, number in lost(shop, runs).items():
        print(f"{what:26s}{number}")


def main() -> None:
    """Print the findings; all times are scaled seconds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--scale", type=float, default=12.0)
    parser.add_argument("--start", type=float, default=40.0)
    parser.add_argument("--work", type=float, default=90.0)
    parser.add_argument("--full-region", action="store_true")
    parser.add_argument("--pool", type=int, default=20)
    given = parser.parse_args()
    for pool in (0, given.pool) if given.pool else (0,):
        with tempfile.TemporaryDirectory() as name, azurite_account() as azurite:
            measure(given, azurite.connection, Path(name), pool)


if __name__ == "__main__":
    main()
