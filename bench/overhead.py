"""What Slipway adds to a build: `az acr build` against the same build and push by the engine alone.

    ./dev up --background; .venv/bin/python -m bench.overhead [--pairs 5]

The engine alone is a container group like a builder's, with the same dockerd, warm and empty, the same context
and the same registry; its clock runs from `docker buildx build` to the end of the push. Pairs are interleaved.
Three rows: a build of about twenty seconds (ratio), a trivial one by a warm builder and by a cold one (seconds on
top, after az's own start-up, `az acr show`, is taken off).
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import httpx

from bench._engine import engine_alone
from bench._stack import Stack

LONG = "RUN for i in $(seq 200); do echo line $i of a build that talks; sleep 0.1; done\n"


class Case:
    """One context, built by both."""

    def __init__(self, stack: Stack, folder: Path, lines: str) -> None:
        self.stack, self.folder = stack, folder
        (folder / "Dockerfile").write_text(f"FROM {stack.login_server}/base/busybox:1.35\nCOPY page /page\n{lines}")
        self.count = 0

    def touch(self) -> str:
        """Make the context new, so that nothing is answered from a cache, and name the next image."""
        self.count += 1
        (self.folder / "page").write_text(f"{time.time_ns()}\n")
        return f"bench/overhead:{time.time_ns()}"

    def by_az(self) -> float:
        """Time `az acr build`."""
        image = self.touch()
        began = time.monotonic()
        self.stack.az("acr", "build", "-r", "localreg", "-t", image, str(self.folder))
        return time.monotonic() - began

    def by_engine(self) -> float:
        """Time the engine alone, inside its own container group."""
        return engine_alone(self.stack, self.folder, self.touch(), "page")[0]


def measure(case: Case, pairs: int, before: Callable[[], None]) -> list[tuple[float, float, float]]:
    """Answer (az, engine, az's start-up) of each pair, in seconds."""
    rows = []
    for _ in range(pairs):
        began = time.monotonic()
        case.stack.az("acr", "show", "-n", "localreg", "-o", "none")
        start_up = time.monotonic() - began
        engine = case.by_engine()
        before()
        rows.append((case.by_az(), engine, start_up))
    return rows


def main() -> None:
    """Print a line for each case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=5)
    pairs = parser.parse_args().pairs
    stack = Stack.running()
    with tempfile.TemporaryDirectory() as name:
        long_rows = measure(Case(stack, Path(name), LONG), pairs, stack.wait_for_warm_builder)
        warm_rows = measure(Case(stack, Path(name), ""), pairs, stack.wait_for_warm_builder)
        cold_rows = measure(Case(stack, Path(name), ""), pairs, lambda: _occupy_warm_builder(stack))
    ratio = statistics.median(az / engine for az, engine, _ in long_rows)
    print(f"about 20 s  az {_median(long_rows, 0):.2f} s  engine {_median(long_rows, 1):.2f} s  ratio {ratio:.3f}")
    for title, rows in (("trivial, warm", warm_rows), ("trivial, cold", cold_rows)):
        extra = statistics.median(az - start_up - engine for az, engine, start_up in rows)
        columns = f"az {_median(rows, 0):.2f} s  start-up {_median(rows, 2):.2f} s  engine {_median(rows, 1):.2f} s"
        print(f"{title}  {columns}  on top {extra:+.2f} s")


def _occupy_warm_builder(stack: Stack) -> None:
    """Give the builder that waits another run, so that the next one starts its own."""
    stack.wait_for_warm_builder()
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "Dockerfile").write_text(f"FROM {stack.login_server}/base/busybox:1.35\nRUN sleep 6\n")
        stack.queue(name, "--no-push")


def _median(rows: list[tuple[float, float, float]], column: int) -> float:
    return statistics.median(row[column] for row in rows)


if __name__ == "__main__":
    try:
        main()
    except httpx.TransportError as error:
        raise SystemExit(f"the stack does not answer ({type(error).__name__}); start it with ./dev up") from None
