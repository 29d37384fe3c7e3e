"""What the executor adds to a task's critical path: eight parallel sleeping steps, and a diamond.

    ./dev up --background; .venv/bin/python -m bench.dag [--seconds 30]

The critical path is the sum of the sleeps on the longest way through the graph, and for each step on it one bare
`docker run` of the same image with nothing to do, measured by a task of its own. The wall time is from the log:
first step begun to last step ended.
"""

import argparse
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from bench._stack import Stack

_ELAPSED = re.compile(r"Step ID: (\S+) marked as successful \(elapsed time in seconds: ([0-9.]+)\)")
_BEGUN = re.compile(r"^(\S+ \S+) Executing step ID", re.MULTILINE)
_ENDED = re.compile(r"^(\S+ \S+) Step ID: \S+ marked", re.MULTILINE)
_TIME = "%Y/%m/%d %H:%M:%S"
BOUND = 1.15


@dataclass(frozen=True)
class Step:
    """A sleeping step: its id, the seconds it sleeps and what it waits for."""

    id: str
    seconds: float
    after: tuple[str, ...] = ()

    def text(self) -> str:
        """Write it as a task file does."""
        when = ", ".join(self.after) or '"-"'
        return f"  - id: {self.id}\n    cmd: $Registry/base/busybox:1.35 sleep {self.seconds}\n    when: [{when}]\n"


def longest(steps: Sequence[Step], each: float) -> float:
    """Return the seconds of the longest way, when starting a step costs `each` on top."""
    ends: dict[str, float] = {}
    for step in steps:
        ends[step.id] = max((ends[one] for one in step.after), default=0.0) + step.seconds + each
    return max(ends.values())


def wall(stack: Stack, steps: Sequence[Step]) -> tuple[float, dict[str, float]]:
    """Run the steps; return the seconds from the first to the last, and those of each step."""
    warm = Step("warm", 0)
    last = tuple(step.id for step in steps)
    text = "version: v1.1.0\nsteps:\n" + warm.text()
    text += "".join(Step(one.id, one.seconds, one.after or ("warm",)).text() for one in steps)
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "acb.yaml").write_text(text)
        said = stack.az("acr", "run", "-r", "localreg", name)
    took = {step: float(seconds) for step, seconds in _ELAPSED.findall(said)}
    begun = [datetime.strptime(time, _TIME) for time in _BEGUN.findall(said)]  # noqa: DTZ007 -- differences alone count
    ended = [datetime.strptime(time, _TIME) for time in _ENDED.findall(said)]  # noqa: DTZ007 -- the same
    whole = (max(ended) - begun[1]).total_seconds()
    return whole, {step: took[step] for step in last}


def main() -> None:
    """Print a line for each graph; exit with 1 when one is over the bound."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0)
    seconds = parser.parse_args().seconds
    stack = Stack.running()
    _, bare = wall(stack, [Step("bare", 0)])
    each = bare["bare"]
    graphs = {
        "eight parallel": [Step(f"p{number}", seconds) for number in range(8)],
        "diamond": [
            Step("top", seconds / 2),
            Step("left", seconds, ("top",)),
            Step("right", seconds / 2, ("top",)),
            Step("bottom", seconds / 2, ("left", "right")),
        ],
    }
    worst = 0.0
    print(f"one step with nothing to do: {each:.2f} s")
    for title, steps in graphs.items():
        whole, _ = wall(stack, steps)
        critical = longest(steps, each)
        worst = max(worst, whole / critical)
        print(f"{title}: wall {whole:.1f} s, critical path {critical:.2f} s, ratio {whole / critical:.3f}")
    raise SystemExit(int(worst > BOUND))


if __name__ == "__main__":
    main()
