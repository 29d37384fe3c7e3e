"""Traces and values through OpenTelemetry's exporters: OTLP over HTTP to a collector, or to Application Insights.

The spans are made after the fact, with ids of their own (`shared/runs/trace.py`), so no tracer and no meter runs: what
is known becomes what the exporters read, and is sent at once. Whoever imports this loads the SDK.
Sources: OpenTelemetry protocol 1.x; the SDK's data model.
"""

import os
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import requests
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricExporter,
    MetricExportResult,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, TraceFlags
from opentelemetry.trace.status import Status, StatusCode
from requests.adapters import HTTPAdapter

from shared.access.callers import trust
from shared.errors import Unavailable
from shared.metrics import INSTRUMENTS, Point, Shape
from shared.runs.trace import Trace, TraceSpan
from shared.settings import Settings

_RESOURCE: Final = Resource({"service.name": "slipway"})
_SCOPE: Final = InstrumentationScope("slipway")
_SECONDS: Final = 10
_DELTA: Final = AggregationTemporality.DELTA
_SILENT: Final = (
    "APPLICATIONINSIGHTS_CONTROLPLANE_DISABLED",
    "APPLICATIONINSIGHTS_SDKSTATS_DISABLED",
    "APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL",
)
"""By these the exporter of Application Insights tells its maker nothing and asks it for nothing."""
BOUNDS: Final = (1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 14400.0)
"""Upper bounds of the buckets of durations, in seconds."""


@dataclass(frozen=True)
class Exporting:
    """A sink behind a pair of exporters."""

    name: str
    spans: SpanExporter
    metrics: MetricExporter

    def send_trace(self, trace: Trace) -> None:
        """Send a trace. Raises Unavailable when it is not taken."""
        if self.spans.export(to_spans(trace)) is not SpanExportResult.SUCCESS:
            raise Unavailable(f"{self.name} does not take the trace.")

    def send_points(self, points: Sequence[Point]) -> None:
        """Send values. Raises Unavailable when they are not taken."""
        if points and self.metrics.export(to_metrics(points)) is not MetricExportResult.SUCCESS:
            raise Unavailable(f"{self.name} does not take the values.")


def open_collector(settings: Settings) -> Exporting:
    """Open the collector of the settings."""
    url, headers = settings.telemetry_endpoint, read_headers(settings.telemetry_headers)
    known: dict[str, Any] = {"headers": headers, "timeout": _SECONDS, "compression": Compression.Gzip}
    return Exporting(
        "the collector",
        OTLPSpanExporter(f"{url}/v1/traces", session=_straight(settings), **known),
        OTLPMetricExporter(f"{url}/v1/metrics", session=_straight(settings), **known),
    )


def open_insights(settings: Settings) -> Exporting:
    """Open the Application Insights of the settings.

    The exporter itself reads which identity sends, from the setting by which the Functions host knows it.
    """
    for name in _SILENT:  # it has no arguments for them, and reads them when it is imported
        os.environ.setdefault(name, "true")
    from azure.core.pipeline.transport import RequestsTransport  # noqa: PLC0415
    from azure.monitor.opentelemetry.exporter import (  # noqa: PLC0415 - 0.4 s that a collector does not need
        AzureMonitorMetricExporter,
        AzureMonitorTraceExporter,
    )

    def opened[T](kind: Callable[..., T], **more: object) -> T:
        transport = RequestsTransport(
            session=_session(settings), session_owner=False, use_env_settings=False, read_timeout=_SECONDS
        )
        return kind(
            connection_string=settings.insights,
            disable_offline_storage=True,
            retry_total=0,
            timeout=_SECONDS,
            transport=transport,
            **more,
        )

    provider = TracerProvider(resource=_RESOURCE, shutdown_on_exit=False)
    return Exporting(
        "Application Insights",
        opened(AzureMonitorTraceExporter, tracer_provider=provider),
        opened(AzureMonitorMetricExporter),
    )


def read_headers(text: str) -> dict[str, str]:
    """Read `name=value,name=value`, as OTEL_EXPORTER_OTLP_HEADERS has it."""
    pairs = (one.partition("=") for one in text.split(",") if "=" in one)
    return {name.strip(): value.strip() for name, _, value in pairs}


def to_spans(trace: Trace) -> list[ReadableSpan]:
    """Answer a trace as the SDK's spans, under the same ids; the run itself is what was taken from a queue."""
    root, *others = trace.spans
    return [_span(trace.id, root, SpanKind.CONSUMER), *(_span(trace.id, span) for span in others)]


def to_metrics(points: Sequence[Point]) -> MetricsData:
    """Answer values as the SDK's metrics; sums and distributions are deltas."""
    metrics = [_metric(point) for point in points]
    return MetricsData([ResourceMetrics(_RESOURCE, [ScopeMetrics(_SCOPE, metrics, "")], "")])


def _span(trace_id: str, span: TraceSpan, kind: SpanKind = SpanKind.INTERNAL) -> ReadableSpan:
    return ReadableSpan(
        name=span.name,
        context=_context(trace_id, span.id),
        parent=_context(trace_id, span.parent) if span.parent else None,
        resource=_RESOURCE,
        attributes=dict(span.attributes),
        kind=kind,
        status=Status(StatusCode.ERROR if span.failed else StatusCode.OK),
        start_time=_nano(span.begin),
        end_time=_nano(span.end),
        instrumentation_scope=_SCOPE,
    )


def _context(trace_id: str, span_id: str) -> SpanContext:
    sampled = TraceFlags(TraceFlags.SAMPLED)
    return SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=False, trace_flags=sampled)


def _metric(point: Point) -> Metric:
    instrument = INSTRUMENTS[point.metric]
    labels = {name: point.labels.get(name, "") for name in instrument.labels}
    number = NumberDataPoint(labels, _nano(point.begin), _nano(point.at), point.value)
    data: Sum | Gauge | Histogram
    match instrument.shape:
        case Shape.SUM:
            data = Sum([number], _DELTA, is_monotonic=True)
        case Shape.GAUGE:
            data = Gauge([number])
        case Shape.HISTOGRAM:
            data = Histogram([_distribution(labels, point)], _DELTA)
    return Metric(point.metric.value, None, instrument.unit, data)


def _distribution(labels: dict[str, str], point: Point) -> HistogramDataPoint:
    bucket = sum(point.value > bound for bound in BOUNDS)
    return HistogramDataPoint(
        attributes=labels,
        start_time_unix_nano=_nano(point.begin),
        time_unix_nano=_nano(point.at),
        count=1,
        sum=point.value,
        bucket_counts=[int(number == bucket) for number in range(len(BOUNDS) + 1)],
        explicit_bounds=BOUNDS,
        min=point.value,
        max=point.value,
    )


def _nano(moment: datetime) -> int:
    return int(moment.timestamp() * 1_000_000) * 1000


class _Trusting(HTTPAdapter):
    """Trusts whom the settings trust."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        super().__init__()

    def init_poolmanager(self, *values: Any, **more: Any) -> None:  # noqa: ANN401 - as its base takes them
        super().init_poolmanager(*values, ssl_context=self._context, **more)  # type: ignore[no-untyped-call]


def _straight(settings: Settings) -> requests.Session:
    """Answer a session for an exporter that follows no redirect and takes one for a success."""
    session = _session(settings)
    session.hooks["response"].append(_refuse_redirect)
    return session


def _refuse_redirect(answer: requests.Response, **_: object) -> None:
    if answer.is_redirect:
        answer.close()
        raise requests.TooManyRedirects("The collector sends elsewhere.")


def _session(settings: Settings) -> requests.Session:
    session = requests.Session()
    session.trust_env = False
    session.mount("https://", _Trusting(trust(settings)))
    return session
