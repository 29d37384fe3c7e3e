"""What a dispatch costs with ten and with five thousand queued runs.

    .venv/bin/python -m bench.dispatch [--queued 5000] [--rounds 10]

An Azurite of its own, all places taken, so that a dispatch finds nobody to start: what each of thousands of calls does.
The baseline is a dispatch that reads the row of every run that is not closed, in the same process. Then runs end
one by one: how long until their end is complete and the next one has its builder.
"""

import argparse
import base64
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import batched
from typing import Any

from devstack.setup.azurite_account import azurite_account
from shared.access.builder_tokens import BuilderTokens
from shared.access.callers import Caller
from shared.access.keys import Keys
from shared.arm.requests import parse_run_request
from shared.container_groups.pool import GroupPool, Limits
from shared.container_groups.ration import Ration
from shared.container_groups.service import GroupState
from shared.container_groups.spec import GroupRequest
from shared.runs.context import Workshop
from shared.runs.dispatch import dispatch
from shared.runs.finish import Ending, finish
from shared.runs.ids import run_id
from shared.runs.model import Status
from shared.runs.store import FRONT, TOGETHER, RunStore
from shared.runs.submit import submit
from shared.settings import read_settings
from shared.storage import open_storage

FEW = 10
PLACES = 10
_REAL = FRONT + 50
"""As many as come to the front in this benchmark are queued by the use case; the others are rows alone."""


class Groups:
    """Container Instances that are always willing."""

    def start(self, request: GroupRequest) -> None:
        """Take note of nothing."""
        del request

    def state(self, name: str) -> GroupState:
        """Answer that the group runs."""
        del name
        return GroupState.RUNNING

    def loss(self, name: str) -> None:
        """Answer that nothing was lost."""
        del name

    def delete(self, name: str) -> None:
        """Do nothing."""
        del name

    def names(self) -> list[str]:
        """Answer nothing."""
        return []


@dataclass
class Bench:
    """A registry whose places are taken, and so many runs that wait."""

    shop: Workshop
    registry: str

    @classmethod
    def open(cls, connection: str, registry: str, queued: int) -> "Bench":
        """Queue the runs; the front is told its place."""
        bench = cls(_shop(connection, registry), registry)
        task = base64.b64encode(b"version: v1.1.0\nsteps:\n  - cmd: busybox\n").decode()
        request = parse_run_request({"type": "EncodedTaskRunRequest", "encodedTaskContent": task})
        (known,) = bench.shop.settings.registries
        for number in range(PLACES + min(queued, _REAL)):
            submit(bench.shop, known, request, Caller("bench", "User", frozenset()), f"{number}", dispatches=False)
        bench._crowd(queued - _REAL)
        for _ in range(FRONT // 50 + 1):
            bench.dispatch()
        return bench

    def _crowd(self, more: int) -> None:
        template = next(self.shop.store.newest(self.registry))
        later = template.created + timedelta(seconds=30)
        ids = [run_id(later, number) for number in range(max(0, more))]
        for some in batched(ids, TOGETHER, strict=False):
            self.shop.store.insert_all({one: template.model_copy(update={"id": one}) for one in some})

    def dispatch(self) -> None:
        """Dispatch once."""
        dispatch(self.shop, self.registry)

    def naive(self) -> int:
        """Read every run that is not closed; answer how many wait."""
        store = self.shop.store
        runs = (store.get(self.registry, active.run_id) for active in store.active(self.registry))
        return sum(run.status is Status.QUEUED for run in runs)

    def replace_one(self) -> None:
        """End a run that has a place; whoever is next gets it."""
        oldest = self.shop.store.placed(self.registry)[0]
        finish(self.shop, self.registry, oldest.run_id, Ending(Status.SUCCEEDED))
        self.dispatch()


def _shop(connection: str, name: str) -> Workshop:
    registry = {
        "id": f"/subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerRegistry/registries/{name}",
        "loginServer": f"{name}.slipway.test",
        "location": "local",
    }
    settings = read_settings(
        {
            "AzureWebJobsStorage": connection,
            "SLIPWAY_PUBLIC_URL": "https://slipway.test",
            "SLIPWAY_TENANT_ID": "tenant",
            "SLIPWAY_AUDIENCES": "https://management.azure.com",
            "SLIPWAY_REGISTRIES": json.dumps([registry]),
            "SLIPWAY_BUILDER_RESOURCE_GROUP": "/subscriptions/s/resourceGroups/builders",
            "SLIPWAY_BUILDER_IMAGE": "builder",
            "SLIPWAY_RUN_CONCURRENCY": str(PLACES),
            "SLIPWAY_KEY": "x",
        }
    )
    storage, tokens = open_storage(settings), BuilderTokens(b"k" * 32)
    unused: Any = None
    return Workshop(
        settings=settings,
        storage=storage,
        store=RunStore(storage.runs),
        pool=GroupPool(storage.groups, Groups(), tokens, _now, Limits(Ration(2000, 2000))),
        keys=Keys(bytes(32)),
        tokens=tokens,
        issue_login=unused,
        clock=_now,
    )


def _now() -> datetime:
    return datetime.now(UTC)


def seconds(use: Callable[[], object]) -> float:
    """Answer the wall seconds of a call."""
    began = time.perf_counter()
    use()
    return time.perf_counter() - began


def main() -> None:
    """Print a line for each case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--queued", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=10)
    given = parser.parse_args()
    with azurite_account() as azurite:
        few = Bench.open(azurite.connection, "benchfew", FEW)
        many = Bench.open(azurite.connection, "benchmany", given.queued)
        rows = [tuple(map(seconds, (few.dispatch, many.dispatch))) for _ in range(given.rounds)]
        here, there = (statistics.median(row[column] for row in rows) for column in range(2))
        naive = statistics.median(seconds(many.naive) for _ in range(2))
        print(f"nothing to start   {FEW} queued {1 / here:.0f}/s   {given.queued} queued {1 / there:.0f}/s", end="   ")
        print(f"reading every run {1 / naive:.2f}/s   ratio {naive / there:.0f}")
        rows = [tuple(map(seconds, (few.replace_one, many.replace_one))) for _ in range(min(given.rounds, FEW))]
        here, there = (statistics.median(row[column] for row in rows) for column in range(2))
        print(f"one ends, one starts   {FEW} queued {1 / here:.1f}/s   {given.queued} queued {1 / there:.1f}/s")


if __name__ == "__main__":
    main()
