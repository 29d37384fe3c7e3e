"""Traces and metrics to a collector, as OTLP over HTTP in JSON. The making of bodies is pure.

Source: OpenTelemetry protocol specification 1.x: `/v1/traces` and `/v1/metrics`, JSON with lower-camel names, ids in
hexadecimal, 64-bit numbers as text. One POST needs no SDK, so what is off costs a start nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

import httpx

from shared.errors import Unavailable
from shared.runs.trace import Trace, TraceSpan

_SERVICE: Final = "slipway"
_INTERNAL, _OK, _ERROR = 1, 1, 2
_DELTA: Final = 1
_TIMEOUT: Final = httpx.Timeout(10.0, connect=5.0)
BOUNDS: Final = (1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 14400.0)
"""Upper bounds of the buckets of durations, in seconds."""


class Metric(StrEnum):
    """All that is measured."""

    RUNS = "slipway.runs"
    """Runs that have ended, by outcome, cause and registry."""
    WAIT = "slipway.run.wait"
    """Seconds from being queued to a builder's claim."""
    DURATION = "slipway.run.duration"
    """Seconds from the claim to the end."""
    GROUPS = "slipway.run.builders"
    """Builders that a run was given: more than one each where they are lost."""
    CPU = "slipway.run.cpu"
    """Seconds of one core."""
    QUEUED = "slipway.queue.length"
    """Runs that wait, by registry."""
    ACTIVE = "slipway.queue.active"
    """Runs that have a place, by registry."""


_UNITS: Final = {Metric.WAIT: "s", Metric.DURATION: "s", Metric.CPU: "s"}


class Shape(StrEnum):
    """How values add up: to a sum, to a distribution, or not at all."""

    SUM = "sum"
    HISTOGRAM = "histogram"
    GAUGE = "gauge"


@dataclass(frozen=True)
class Point:
    """One value; labels come from small, fixed sets."""

    metric: Metric
    shape: Shape
    value: float
    begin: datetime
    at: datetime
    labels: Mapping[str, str]


@dataclass(frozen=True)
class Collector:
    """Where OTLP goes: the base address and the headers that the settings give."""

    client: httpx.Client
    url: str
    headers: Mapping[str, str]

    def send_trace(self, trace: Trace) -> None:
        """Send a trace. Raises Unavailable when it is not taken."""
        self._post("traces", trace_body(trace))

    def send_points(self, points: Sequence[Point]) -> None:
        """Send values. Raises Unavailable when they are not taken."""
        self._post("metrics", metrics_body(points))

    def _post(self, signal: str, body: Mapping[str, Any]) -> None:
        try:
            answer = self.client.post(
                f"{self.url}/v1/{signal}", json=body, headers=dict(self.headers), timeout=_TIMEOUT
            )
        except (httpx.HTTPError, httpx.InvalidURL) as fault:
            raise Unavailable(f"The collector cannot be reached ({type(fault).__name__}).") from None
        if not answer.is_success:
            raise Unavailable(f"The collector answers HTTP {answer.status_code} to {signal}.")


def read_headers(text: str) -> dict[str, str]:
    """Read `name=value,name=value`, as OTEL_EXPORTER_OTLP_HEADERS has it."""
    pairs = (one.partition("=") for one in text.split(",") if "=" in one)
    return {name.strip(): value.strip() for name, _, value in pairs}


def trace_body(trace: Trace) -> dict[str, Any]:
    """Answer a trace as an export request."""
    spans = [_span(trace.id, span) for span in trace.spans]
    return {"resourceSpans": [{"resource": _resource(), "scopeSpans": [{"scope": _scope(), "spans": spans}]}]}


def metrics_body(points: Sequence[Point]) -> dict[str, Any]:
    """Answer values as an export request."""
    metrics = [_metric(point) for point in points]
    return {"resourceMetrics": [{"resource": _resource(), "scopeMetrics": [{"scope": _scope(), "metrics": metrics}]}]}


def _span(trace_id: str, span: TraceSpan) -> dict[str, Any]:
    return {
        "traceId": trace_id,
        "spanId": span.id,
        **({"parentSpanId": span.parent} if span.parent else {}),
        "name": span.name,
        "kind": _INTERNAL,
        "startTimeUnixNano": _nano(span.begin),
        "endTimeUnixNano": _nano(span.end),
        "attributes": _attributes(span.attributes),
        "status": {"code": _ERROR if span.failed else _OK},
    }


def _metric(point: Point) -> dict[str, Any]:
    value: dict[str, Any] = {
        "timeUnixNano": _nano(point.at),
        "startTimeUnixNano": _nano(point.begin),
        "attributes": _attributes(point.labels),
    }
    told: dict[str, Any] = {"name": point.metric.value, "unit": _UNITS.get(point.metric, "1")}
    match point.shape:
        case Shape.GAUGE:
            return told | {"gauge": {"dataPoints": [value | {"asDouble": point.value}]}}
        case Shape.SUM:
            points = [value | {"asDouble": point.value}]
            return told | {"sum": {"dataPoints": points, "aggregationTemporality": _DELTA, "isMonotonic": True}}
        case Shape.HISTOGRAM:
            points = [value | _distribution(point.value)]
            return told | {"histogram": {"dataPoints": points, "aggregationTemporality": _DELTA}}


def _distribution(value: float) -> dict[str, Any]:
    bucket = sum(value > bound for bound in BOUNDS)
    counts = ["1" if number == bucket else "0" for number in range(len(BOUNDS) + 1)]
    return {"count": "1", "sum": value, "bucketCounts": counts, "explicitBounds": list(BOUNDS)}


def _attributes(values: Mapping[str, str]) -> list[dict[str, Any]]:
    return [{"key": key, "value": {"stringValue": value}} for key, value in values.items()]


def _resource() -> dict[str, Any]:
    return {"attributes": _attributes({"service.name": _SERVICE})}


def _scope() -> dict[str, str]:
    return {"name": _SERVICE}


def _nano(moment: datetime) -> str:
    return f"{int(moment.timestamp() * 1_000_000)}000"
