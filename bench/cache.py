"""What remembering is worth: a build with 40 s of RUN work, cold, and after a change of one line on an empty builder.

    ./dev up --background; .venv/bin/python -m bench.cache [--rounds 3]

Every build here has a container group of its own, so the second builder knows nothing but what the registry keeps.
Beside it the same change built by the engine alone that has just made the first image and still holds all its layers.
"""

import argparse
import statistics
import tempfile
import time
import uuid
from pathlib import Path

import httpx

from bench._engine import engine_alone
from bench._stack import Stack

BOUND = 5.0
DOCKERFILE = """\
FROM {registry}/base/busybox:1.35 AS dependencies
COPY packages.txt /
RUN for i in $(seq 25); do echo installing $i; sleep 1; done; dd if=/dev/urandom of=/installed bs=1M count=16
RUN for i in $(seq 10); do echo compiling $i; sleep 1; done; dd if=/dev/urandom of=/compiled bs=1M count=4
FROM {registry}/base/busybox:1.35
RUN for i in $(seq 5); do echo configuring $i; sleep 1; done; echo done >/configured
COPY --from=dependencies /installed /compiled /opt/
COPY source.txt /opt/source.txt
RUN wc -l /opt/source.txt >/opt/lines
"""


class Round:
    """One repository that nobody has built into before."""

    def __init__(self, stack: Stack, folder: Path) -> None:
        self.stack, self.folder = stack, folder
        self.repository = f"bench/cache-{uuid.uuid4().hex[:8]}"
        (folder / "Dockerfile").write_text(DOCKERFILE.format(registry=stack.login_server))
        (folder / "packages.txt").write_text("a list\n")
        (folder / "source.txt").write_text("a line\n")

    def build(self, tag: str) -> float:
        """Time `az acr build` on a builder that is warm and empty."""
        self.stack.wait_for_warm_builder()
        began = time.monotonic()
        self.stack.az("acr", "build", "-r", "localreg", "-t", f"{self.repository}:{tag}", str(self.folder))
        return time.monotonic() - began

    def change(self) -> None:
        """Change one line of the source."""
        (self.folder / "source.txt").write_text("another line\n")

    def engine_alone(self) -> float:
        """Time the rebuild by an engine that has all layers."""
        return engine_alone(self.stack, self.folder, f"{self.repository}:engine", "source.txt", rounds=2)[1]


def main() -> None:
    """Print a line for each round and the median ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    rounds, stack, ratios = parser.parse_args().rounds, Stack.running(), []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as name:
            one = Round(stack, Path(name))
            cold = one.build("cold")
            one.change()
            cached = one.build("changed")
            warm = one.engine_alone()
        ratios.append(cold / cached)
        print(f"cold {cold:.1f} s  changed {cached:.1f} s  ratio {ratios[-1]:.1f}  warm engine alone {warm:.1f} s")
    print(f"median ratio {statistics.median(ratios):.1f}, bound {BOUND}")


if __name__ == "__main__":
    try:
        main()
    except httpx.TransportError as error:
        raise SystemExit(f"the stack does not answer ({type(error).__name__})") from None
