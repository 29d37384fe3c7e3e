"""Ten thousand tasks stand on one base image that changes: how long until all of their rebuilds are pending.

    .venv/bin/python -m bench.fanout [--tasks 10000] [--rounds 2]

An Azurite of its own. Each round is measured against the bare insert of as many rows of the same size, a hundred in a
transaction, by the same storage room. Promised: at most twice that, and nothing inserted when the fan-out is repeated.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import batched
from pathlib import Path
from typing import Any

from azure.data.tables import TableServiceClient

from devstack.setup.azurite_account import azurite_account
from shared.grant import Platform
from shared.storage import Insert, Queue, Table
from shared.triggers.base_images.deciding import Limits
from shared.triggers.base_images.looking import fan_out, look
from shared.triggers.base_images.looks import Rhythm
from shared.triggers.base_images.model import Base, BaseTag, Dependent, Found, Kind, TaskKey
from shared.triggers.base_images.pending import PendingStore
from shared.triggers.base_images.store import BaseStore, DependencyStore
from shared.triggers.base_images.watch import Watch

TAG = BaseTag("bench.example", "base", "1")
MOST = 2.0


def digest(number: int) -> str:
    """Answer a digest."""
    return f"sha256:{number:064x}"


@dataclass
class Counting(Queue):
    """A queue that keeps its messages."""

    messages: list[dict[str, str]] = field(default_factory=list)

    def send(self, message: Mapping[str, str], *, delay_seconds: int = 0) -> None:
        """Keep a message."""
        del delay_seconds
        self.messages.append(dict(message))


@dataclass
class Moving:
    """A registry whose one tag moves when it is told to."""

    number: int = 0

    def look(self, tag: BaseTag, known: str, login: str) -> Found | None:
        """Answer what the tag stands for."""
        del tag, known, login
        return Found(digest(self.number))

    def read(self, tag: BaseTag, digest: str, login: str) -> Found:
        """Answer an image that is in no index."""
        del tag, login
        return Found(digest)


def open_bench(service: TableServiceClient, registry: Moving) -> Watch:
    """Make a watch of what a fan-out needs; nothing else of it is used."""
    tables = {name: Table(service.create_table(name)) for name in ("bases", "deps", "taskdeps", "pending")}
    unused: Any = None
    return Watch(
        bases=BaseStore(tables["bases"]),
        dependencies=DependencyStore(tables["deps"], tables["taskdeps"]),
        pending=PendingStore(tables["pending"]),
        decisions=unused,
        automatic=unused,
        runs=unused,
        triggers=unused,
        lookout=registry,
        start=unused,
        queue=Counting(),
        clock=lambda: datetime.now(UTC),
        rhythm=Rhythm(timedelta(minutes=15)),
        limits=Limits(timedelta(seconds=5), timedelta(minutes=30), 12),
        room=lambda _: 0,
    )


def prepare(watch: Watch, tasks: int) -> None:
    """Let the tasks stand on the base image."""
    now = watch.clock()
    watch.bases.add(Base(TAG, Found(digest(0)), changed=now, due=now))
    found = [
        Dependent(
            TAG.key, TaskKey("bench", f"task-{number:06d}"), Kind.RUNTIME, (Platform(),), digest(0), digest(0), 0, "c0"
        )
        for number in range(tasks)
    ]
    for some in batched(found, 100, strict=False):
        watch.dependencies.add_many(TAG.key, list(some))


def change(watch: Watch, registry: Moving) -> float:
    """Move the tag and have it looked at; answers the seconds until every rebuild is pending."""
    registry.number += 1
    messages: Any = watch.queue
    messages.messages.clear()
    began = time.monotonic()
    look(watch, TAG.key)
    pages(watch)
    return time.monotonic() - began


def pages(watch: Watch) -> int:
    """Go on with the pages that the queue asks for; answers how many rebuilds they added."""
    messages: Any = watch.queue
    added = 0
    while waiting := [message for message in messages.messages if "base" in message]:
        message = waiting[0]
        messages.messages.remove(message)
        added += fan_out(watch, message["base"], int(message["generation"]), message["after"])
    return added


def bare(table: Table, number: int, tasks: int) -> float:
    """Insert as many rows of the same size into as many partitions; answers the seconds."""
    values: dict[str, str | int | float | bool] = {
        "registry": TAG.registry,
        "repository": "base",
        "tag": "1",
        "digest": digest(1),
    }
    values |= {"created": 1.5, "due": 1.5, "stage": "open", "live": True, "claimed": 0.0, "run": ""}
    keys = [f"task-{place:06d}|{TAG.key}|00000001.0" for place in range(tasks)]
    began = time.monotonic()
    for shard in range(16):
        for some in batched(keys[shard::16], 100, strict=False):
            table.transaction([Insert(f"bare{number}|{shard:x}", key, values) for key in some])
    return time.monotonic() - began


def again(watch: Watch) -> int:
    """Repeat the whole fan-out as if nobody had noted its end; answers how many rebuilds were new."""
    watch.bases.change(TAG.key, lambda base: replace(base, fanned=base.generation - 1))
    return fan_out(watch, TAG.key) + pages(watch)


def main() -> int:
    """Print the times; 1 when a promise is broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=2)
    given = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as name,
        azurite_account(Path(name)) as azurite,
        TableServiceClient.from_connection_string(azurite.connection) as service,
    ):
        return measure(service, given.tasks, given.rounds)


def measure(service: TableServiceClient, tasks: int, rounds: int) -> int:
    """Measure on open tables."""
    registry = Moving()
    watch, table = open_bench(service, registry), Table(service.create_table("bare"))
    prepare(watch, tasks)
    ratios, ok = [], True
    for number in range(rounds):
        plain = bare(table, number, tasks)
        fanned = change(watch, registry)
        pending = sum(1 for one in watch.pending.live("bench") if one.generation == registry.number)
        ratios.append(fanned / plain)
        ok &= pending == tasks
        times = f"fan-out {fanned:.1f} s  bare insert {plain:.1f} s  ratio {ratios[-1]:.2f}"
        print(f"round {number + 1}  {times}  pending {pending}")
    began = time.monotonic()
    inserted = again(watch)
    print(f"repeated  {time.monotonic() - began:.1f} s  inserted {inserted}")
    ratio = statistics.median(ratios)
    print(f"ratio {ratio:.2f} (at most {MOST:g}); replay inserted {inserted} (must be 0)")
    return 0 if ok and inserted == 0 and ratio <= MOST else 1


if __name__ == "__main__":
    raise SystemExit(main())
