"""How long a line of a build takes until its bytes can be read by SAS.

    ./dev up --background; .venv/bin/python -m bench.logs [--lines 150]

A build step prints the kernel's uptime ten times a second; a reader takes the log's blob by SAS as fast as it can and
notes the uptime at which each line could be read. The bound is 250 ms for the 95th percentile; the baseline is the
time that one append and one read of the same blob storage take in the same run.
"""

import argparse
import re
import statistics
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from azure.core.exceptions import HttpResponseError
from azure.storage.blob import BlobClient, BlobSasPermissions, generate_blob_sas

from bench._stack import Stack
from devstack.stack import credentials, names
from devstack.stack.settings import connection_string

_MARK = re.compile(rb"mark-([0-9.]+)-")
_PATIENCE = 120


def uptime() -> float:
    """Answer the kernel's uptime in seconds, which a build step on this machine reads too."""
    return float(Path("/proc/uptime").read_text().split()[0])


def log_blob(stack: Stack, run_id: str) -> BlobClient:
    """Open a run's log by a read-only SAS."""
    key = credentials.load_or_create(stack.target.layout).storage_key
    name = f"{names.REGISTRY}/{run_id}/rawtext.log"
    sas = generate_blob_sas(
        names.STORAGE_ACCOUNT,
        "logs",
        name,
        account_key=key,
        permission=BlobSasPermissions(read=True),
        expiry=datetime.now(UTC) + timedelta(hours=1),
    )
    base = f"http://127.0.0.1:{stack.target.ports.blob}/{names.STORAGE_ACCOUNT}"
    return BlobClient.from_blob_url(f"{base}/logs/{name}?{sas}")


def read_latencies(blob: BlobClient, lines: int) -> list[float]:
    """Read on until the last line has come; answer each line's age in seconds when it could be read."""
    found: list[float] = []
    position, tail, end = 0, b"", time.monotonic() + _PATIENCE
    while len(found) < lines and time.monotonic() < end:
        try:
            data = blob.download_blob(offset=position).readall()
        except HttpResponseError:
            continue
        now = uptime()
        position += len(data)
        text = tail + data
        found += [now - float(mark) for mark in _MARK.findall(text)]
        tail = text[text.rfind(b"\n") + 1 :]
    return found


def baseline(stack: Stack) -> float:
    """Time one append and one read of the same storage: the median of fifty, in seconds."""
    key = credentials.load_or_create(stack.target.layout).storage_key
    blob = BlobClient.from_connection_string(
        connection_string(stack.target.ports, key), "logs", f"bench/{time.time_ns()}.log"
    )
    blob.create_append_blob()
    took = []
    for number in range(50):
        began = time.monotonic()
        blob.append_block(b"x" * 80)
        blob.download_blob(offset=number * 80, length=80).readall()
        took.append(time.monotonic() - began)
    blob.delete_blob()
    return statistics.median(took)


def main() -> None:
    """Print median, 95th percentile and the baseline."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=150)
    lines = parser.parse_args().lines
    stack = Stack.running()
    stack.wait_for_warm_builder()
    bare = baseline(stack)
    with tempfile.TemporaryDirectory() as folder:
        step = f"RUN for i in $(seq {lines}); do read up rest < /proc/uptime; echo mark-$up-; sleep 0.1; done"
        (Path(folder) / "Dockerfile").write_text(f"FROM {stack.login_server}/base/busybox:1.35\n{step}\n")
        run_id = stack.queue(folder, "--no-push")
    found = sorted(read_latencies(log_blob(stack, run_id), lines))
    if len(found) < lines:
        raise SystemExit(f"only {len(found)} of {lines} lines were read within {_PATIENCE} s")
    percentile = found[int(len(found) * 0.95)]
    median = statistics.median(found)
    print(f"{len(found)} lines  median {median * 1000:.0f} ms  95th percentile {percentile * 1000:.0f} ms")
    print(f"one append and read alone {bare * 1000:.0f} ms  ratio {percentile / bare:.1f}")


if __name__ == "__main__":
    main()
