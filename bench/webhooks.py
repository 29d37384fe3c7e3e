"""Git deliveries accepted per second against bare durable inserts, and none of them lost or doubled.

    .venv/bin/python -m bench.webhooks [--deliveries 1000] [--rounds 3] [--threads 16]

An Azurite of its own, and the real functions host with this app's own door for git hosts; everything else of the
app is switched off. A bare insert is one row of the size that a delivery takes, by the same storage room, from as
many threads. Rounds are interleaved. In the end every delivery is sent twice, shuffled, while the queue is worked
on, and the rows are counted.
"""

import argparse
import hashlib
import hmac
import http.client
import json
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from azure.data.tables import TableServiceClient

from devstack.setup.azurite_account import azurite_account
from function_app import open_app
from shared.access.keys import read_keys
from shared.settings import Settings, read_settings
from shared.storage import Storage, Table, open_storage
from shared.triggers.git.deliveries import DeliveryStore
from shared.triggers.git.events import HostKind
from shared.triggers.git.hooks import Hook, HookStore

ROOT = Path(__file__).parents[1]
REGISTRY = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerRegistry/registries/bench"
ROW_CHARACTERS = 900
PATIENCE = 120


@dataclass(frozen=True)
class Delivery:
    """A signed push of one branch."""

    path: str
    headers: dict[str, str]
    body: bytes


def delivery(hook: Hook) -> Delivery:
    """Make a push of a branch that was never pushed before, about 6 KB as GitHub sends it."""
    commit = uuid.uuid4().hex + "00000000"
    commits = [
        {"id": uuid.uuid4().hex, "message": "A change " * 20, "added": ["a/b.py"], "modified": ["c.md"], "removed": []}
        for _ in range(10)
    ]
    repository = {"id": 1, "full_name": "yard/boat", "clone_url": "https://github.com/yard/boat.git"}
    padding = {f"{name}_url": f"https://api.github.com/repos/yard/boat/{name}" for name in map(str, range(40))}
    body = json.dumps(
        {
            "ref": f"refs/heads/{commit}",
            "before": "1" * 40,
            "after": commit,
            "commits": commits,
            "head_commit": commits[-1] | {"id": commit},
            "repository": repository | padding,
            "sender": {"login": "ada", "id": 9},
        }
    ).encode()
    signature = hmac.new(hook.secrets[0].encode(), body, hashlib.sha256).hexdigest()
    headers = {
        "Content-Type": "application/json",
        "X-GitHub-Event": "push",
        "X-GitHub-Delivery": str(uuid.uuid4()),
        "X-Hub-Signature-256": f"sha256={signature}",
    }
    return Delivery(f"/hooks/{hook.id}", headers, body)


class Sender:
    """Sends deliveries over kept connections, one a thread."""

    def __init__(self, url: str) -> None:
        self._address = urlsplit(url)
        self._own = threading.local()

    def send(self, one: Delivery) -> str:
        """Answer what became of a delivery, or the status when it is not 200."""
        connection = getattr(self._own, "connection", None)
        if connection is None:
            connection = http.client.HTTPConnection(self._address.hostname or "", self._address.port, timeout=60)
            self._own.connection = connection
        connection.request("POST", one.path, one.body, one.headers)
        answer = connection.getresponse()
        content = answer.read()
        return str(json.loads(content)["state"]) if answer.status == http.client.OK else str(answer.status)


def rate[Item](threads: ThreadPoolExecutor, do: Callable[[Item], object], items: Sequence[Item]) -> float:
    """Answer how many items a second are done."""
    began = time.monotonic()
    for _ in threads.map(do, items):
        pass
    return len(items) / (time.monotonic() - began)


@contextmanager
def functions_host(settings: Path, log: Path) -> Iterator[str]:
    """Run the app in the functions host; gives its address."""
    argv = [sys.executable, "-m", "devstack.functions_host", "--root", str(ROOT), "--port", "0"]
    with log.open("w") as errors:
        process = subprocess.Popen(
            [*argv, "--settings", str(settings)], cwd=ROOT, stdout=subprocess.PIPE, stderr=errors, text=True
        )
    try:
        line = _first_line(process)
        if not line.startswith("Listening on "):
            raise SystemExit(log.read_text())
        yield line.removeprefix("Listening on ").strip()
    finally:
        process.terminate()
        process.wait(timeout=40)


def _first_line(process: subprocess.Popen[str]) -> str:
    if process.stdout is None:
        return ""
    with process.stdout as output:
        return output.readline()


def app_settings(connection: str, key_file: Path) -> dict[str, str]:
    """Write settings with which only the door for git hosts is at work."""
    key_file.write_text("A" * 43 + "=")
    names = [str(function.get_function_name()) for function in open_app().get_functions()]
    off = {f"AzureWebJobs.{name}.Disabled": "true" for name in names if not name.startswith("git_")}
    return off | {
        "AzureWebJobsStorage": connection,
        "FUNCTIONS_WORKER_RUNTIME": "python",
        "PYTHON_THREADPOOL_THREAD_COUNT": "32",
        "SLIPWAY_PUBLIC_URL": "https://localhost",
        "SLIPWAY_TENANT_ID": "bench",
        "SLIPWAY_AUDIENCES": "bench",
        "SLIPWAY_REGISTRIES": json.dumps([{"id": REGISTRY, "loginServer": "bench.example", "location": "local"}]),
        "SLIPWAY_BUILDER_RESOURCE_GROUP": "/subscriptions/s/resourceGroups/g",
        "SLIPWAY_BUILDER_IMAGE": "none",
        "SLIPWAY_KEY_FILE": str(key_file),
    }


def main() -> int:
    """Print the rates and the counts; 1 when a delivery was lost or doubled or the ratio is below 0.6."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--deliveries", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=16)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with azurite_account(folder) as azurite:
            values = app_settings(azurite.connection, folder / "key")
            (folder / "settings.json").write_text(json.dumps({"IsEncrypted": False, "Values": values}))
            settings = read_settings(values)
            with functions_host(folder / "settings.json", folder / "host.log") as url:
                return measure(settings, url, given)


def measure(settings: Settings, url: str, given: argparse.Namespace) -> int:
    """Measure against a running host."""
    storage = open_storage(settings)
    hook = HookStore(storage.hooks, read_keys(settings)).create(
        "bench", HostKind.GITHUB, "https://github.com/yard/boat"
    )
    sender, ratios = Sender(url), []
    with ThreadPoolExecutor(given.threads) as threads:
        insert = bare_insert(settings)
        rate(threads, insert, [uuid.uuid4().hex for _ in range(100)])
        rate(threads, sender.send, [delivery(hook) for _ in range(100)])
        for number in range(given.rounds):
            bare = rate(threads, insert, [uuid.uuid4().hex for _ in range(given.deliveries)])
            accepted = rate(threads, sender.send, [delivery(hook) for _ in range(given.deliveries)])
            ratios.append(accepted / bare)
            print(f"round {number + 1}  accepted {accepted:.0f}/s  bare inserts {bare:.0f}/s  ratio {ratios[-1]:.2f}")
        deliveries = [delivery(hook) for _ in range(given.deliveries)]
        twice = deliveries * 2
        random.shuffle(twice)
        began = time.monotonic()
        states = Counter(threads.map(sender.send, twice))
        seconds = time.monotonic() - began
    total = 100 + given.deliveries * (given.rounds + 1)
    kept = accepted_rows(storage)
    lost, doubled = total - kept, states["accepted"] - given.deliveries
    left = wait_for_the_queue(storage)
    print(f"each twice, shuffled  {dict(states)} in {seconds:.1f} s ({len(twice) / seconds:.0f} answers/s)")
    ratio = statistics.median(ratios)
    print(
        f"kept {kept} of {total}: lost {lost}, doubled {doubled}; left to do {left}; ratio {ratio:.2f} (at least 0.6)"
    )
    return 0 if (lost, doubled, left) == (0, 0, 0) and ratio >= 0.6 else 1  # noqa: PLR2004 - the promise itself


def bare_insert(settings: Settings) -> Callable[[str], None]:
    """Answer what inserts one row of a delivery's size."""
    service = TableServiceClient.from_connection_string(settings.storage_connection)
    service.create_table("bare")
    table = Table(service.get_table_client("bare"))
    values: dict[str, str | float] = {"hook": "h" * 32, "key": "k" * 64, "at": 1.0, "e0": "e" * ROW_CHARACTERS}
    return lambda key: table.insert("bench", key, values)


def accepted_rows(storage: Storage) -> int:
    """Count the deliveries that were taken."""
    return sum(1 for _ in storage.deliveries.query("bench", "d", "e"))


def wait_for_the_queue(storage: Storage) -> int:
    """Wait until everything has been handed on; answers how many are left."""
    store, end = DeliveryStore(storage.deliveries), time.monotonic() + PATIENCE
    while (left := sum(1 for _ in store.pending("bench"))) and time.monotonic() < end:
        time.sleep(0.5)
    return left


if __name__ == "__main__":
    raise SystemExit(main())
