"""What a collector gets, over HTTP, and what becomes of one that is away."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from shared.errors import Unavailable
from shared.grant import Span, SpanName
from shared.runs.model import Requester, Run, Status
from shared.runs.trace import trace
from shared.sight.otlp import BOUNDS, Collector, read_headers
from shared.sight.showing import points
from shared.sight.text import as_text

T0 = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
RUN = Run(
    id="c1234567",
    registry="reg",
    created=T0,
    updated=T0,
    timeout_seconds=60,
    requester=Requester(name="me", kind="User"),
    status=Status.FAILED,
    placed=T0 + timedelta(seconds=2),
    started=T0 + timedelta(seconds=10),
    finished=T0 + timedelta(seconds=50),
    epoch=1,
    attempt=1,
)
SPANS = (Span(name=SpanName.STEP, begin_ms=500, took_ms=30_000, failed=True, step="test"),)


def collector(sent: list[httpx.Request], status: int = 200) -> Collector:
    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(status)

    client = httpx.Client(transport=httpx.MockTransport(answer))
    return Collector(client, "http://collector.test:4318", read_headers("api-key=hunter2, x=a=b"))


def test_a_trace_is_sent_as_otlp() -> None:
    sent: list[httpx.Request] = []
    collector(sent).send_trace(trace(RUN, SPANS, T0))

    (request,) = sent
    assert (request.url.path, request.headers["api-key"], request.headers["x"]) == ("/v1/traces", "hunter2", "a=b")
    body: Any = json.loads(request.content)
    root, *_, step = body["resourceSpans"][0]["scopeSpans"][0]["spans"]
    assert "parentSpanId" not in root
    assert (len(root["traceId"]), len(root["spanId"])) == (32, 16)
    assert root["startTimeUnixNano"] == str(int(T0.timestamp()) * 10**9)
    assert (root["status"], step["status"]) == ({"code": 2}, {"code": 2})
    assert step["attributes"] == [{"key": "slipway.step", "value": {"stringValue": "test"}}]


def test_values_of_a_run_are_sent_with_few_labels() -> None:
    sent: list[httpx.Request] = []
    collector(sent).send_points(points(RUN, 96.0))

    body: Any = json.loads(sent[0].content)
    metrics = {one["name"]: one for one in body["resourceMetrics"][0]["scopeMetrics"][0]["metrics"]}
    assert metrics["slipway.runs"]["sum"]["dataPoints"][0]["asDouble"] == 1
    (duration,) = metrics["slipway.run.duration"]["histogram"]["dataPoints"]
    assert (duration["sum"], duration["bucketCounts"].index("1")) == (40.0, BOUNDS.index(60.0))
    labels = {one["key"] for one in duration["attributes"]}
    assert labels == {"registry", "outcome", "cause"}


def test_a_collector_that_refuses_is_told_of_by_its_status_alone() -> None:
    with pytest.raises(Unavailable, match=r"^The collector answers HTTP 503 to traces\.$"):
        collector([], 503).send_trace(trace(RUN, (), T0))


def test_a_trace_as_text_has_a_line_for_each_span() -> None:
    lines = as_text(trace(RUN, SPANS, T0)).splitlines()

    assert lines[1].split()[:4] == ["run", "(failed)", "0.00", "50.00"]
    assert lines[5].startswith("    step test (failed)")
    assert lines[5].split()[3:5] == ["10.50", "30.00"]
    assert "  slipway.outcome = Failed" in lines
    assert len({line.index("|") for line in lines if "|" in line}) == 1
