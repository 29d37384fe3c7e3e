"""Where traces and values go, and which of those places a deployment has."""

from collections.abc import Sequence
from typing import Protocol

from shared.metrics import Point
from shared.runs.trace import Trace
from shared.settings import Settings


class Sink(Protocol):
    """Takes traces and values. Thread-safe; repeats nothing for long: who calls comes again later."""

    @property
    def name(self) -> str:
        """What logs and messages call it."""

    def send_trace(self, trace: Trace) -> None:
        """Send a trace. Raises Unavailable when it is not taken."""

    def send_points(self, points: Sequence[Point]) -> None:
        """Send values. Raises Unavailable when they are not taken."""


def open_sinks(settings: Settings) -> tuple[Sink, ...]:
    """Open what the settings name: a collector, Application Insights, both, or nothing."""
    if not settings.tells_telemetry:
        return ()
    from shared.sight.exporting import open_collector, open_insights  # noqa: PLC0415 - half a second; few starts send

    opened: list[Sink] = []
    if settings.telemetry_endpoint:
        opened.append(open_collector(settings))
    if settings.insights:
        opened.append(open_insights(settings))
    return tuple(opened)
