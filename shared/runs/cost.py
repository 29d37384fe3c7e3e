"""What a run has used, and what that costs by the prices of the settings: an estimate. Pure.

A container group is counted from the moment it was asked for to its deletion, those that the run has lost or given
back too; one that was warm, or an agent pool's, only while the run had it: in a pool until it is clean and asks for the
next. Azure bills groups by the second, and what they wait for besides.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from shared.runs.model import Run
from shared.settings import Settings

_MOST_AFTER_END: Final = timedelta(minutes=2)
"""What is counted at most after a run whose group's deletion nobody noted."""


@dataclass(frozen=True)
class Cost:
    """Seconds of one core, seconds of one GB, and money in the currency of the prices; None without prices."""

    cpu_seconds: float
    memory_gb_seconds: float
    amount: float | None


def cost(run: Run, settings: Settings, now: datetime) -> Cost:
    """Answer what a run has used by now."""
    begin = run.placed or run.started
    end = run.released or (min(now, run.finished + _MOST_AFTER_END) if run.finished and run.group else run.finished)
    seconds = run.group_seconds + (max(0.0, ((end or now) - begin).total_seconds()) if begin else 0.0)
    cpu, memory = seconds * settings.builder_cpu, seconds * settings.builder_memory
    has_prices = settings.price_cpu or settings.price_memory
    amount = cpu * settings.price_cpu + memory * settings.price_memory
    return Cost(round(cpu, 1), round(memory, 1), round(amount, 6) if has_prices else None)
