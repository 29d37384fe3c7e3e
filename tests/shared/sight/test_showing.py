"""What is sent of queues, and that nothing which sends is loaded when an instance starts."""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from shared.metrics import Metric
from shared.sight.showing import QueueLengths

ROOT = Path(__file__).parents[3]


def lanes(*names: str) -> list[SimpleNamespace]:
    return [SimpleNamespace(lane=name) for name in names]


def test_each_line_has_its_length_also_when_nobody_waits_there() -> None:
    store = SimpleNamespace(waiting=lambda _: iter(lanes("", "", "arm")), placed=lambda _: lanes("", "gone"))
    pools = SimpleNamespace(all=lambda _: [SimpleNamespace(key="arm"), SimpleNamespace(key="idle")])
    shop: Any = SimpleNamespace(store=store, agent_pools=pools, clock=lambda: datetime(2026, 11, 21, tzinfo=UTC))
    lengths = QueueLengths(shop)
    lengths.look("reg")

    found = {(point.metric, point.labels["pool"]): point.value for point in lengths.points}
    assert {pool: found[Metric.QUEUED, pool] for pool in ("", "arm", "idle")} == {"": 2, "arm": 1, "idle": 0}
    assert {pool: found[Metric.ACTIVE, pool] for pool in ("", "arm", "gone")} == {"": 1, "arm": 0, "gone": 1}


def test_a_start_loads_nothing_that_sends() -> None:
    program = "import sys, function_app; print([name for name in sys.modules if 'opentelemetry' in name])"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
