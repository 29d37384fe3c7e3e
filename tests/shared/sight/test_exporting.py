"""What a collector and Application Insights get through the real exporters, and what becomes of one that is away."""

import socket
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from shared.errors import Unavailable
from shared.grant import Span
from shared.metrics import INSTRUMENTS, Metric, Point
from shared.runs.model import Run
from shared.runs.trace import trace
from shared.settings import Settings, SettingsError, read_settings
from shared.sight import exporting
from shared.sight.exporting import BOUNDS, open_collector, open_insights, read_headers
from shared.sight.showing import points
from shared.sight.sinks import open_sinks
from tests.shared.sight.conftest import CALLER, KEY, T0, Receiver, plain

TRACE, PARENT = CALLER.split("-")[1:3]


def test_a_collector_gets_a_trace(receiver: Receiver, run: Run, told: tuple[Span, ...]) -> None:
    made = trace(run, told, T0)
    open_collector(receiver.settings).send_trace(made)

    (request,) = receiver.asked
    assert (request.path, request.headers["api-key"], request.headers["x"]) == ("/otlp/v1/traces", "hunter2", "a=b")
    (resource,) = ExportTraceServiceRequest.FromString(plain(request)).resource_spans
    spans = {span.name: span for span in resource.scope_spans[0].spans}
    assert {span.trace_id.hex() for span in spans.values()} == {TRACE}
    assert {span.name: (span.span_id.hex(), span.parent_span_id.hex()) for span in spans.values()} == {
        span.name: (span.id, span.parent) for span in made.spans
    }
    assert spans["run"].start_time_unix_nano == int(T0.timestamp()) * 10**9
    assert {name for name, span in spans.items() if span.status.code == span.status.STATUS_CODE_ERROR} == {
        "run",
        "execute",
        "step",
    }
    assert resource.resource.attributes[0].value.string_value == "slipway"


def test_a_collector_gets_the_values_of_a_run(receiver: Receiver, run: Run) -> None:
    open_collector(receiver.settings).send_points(points(run, 96.0))

    (request,) = receiver.asked
    (resource,) = ExportMetricsServiceRequest.FromString(plain(request)).resource_metrics
    metrics = {one.name: one for one in resource.scope_metrics[0].metrics}
    assert metrics["slipway.runs"].sum.data_points[0].as_double == 1
    (duration,) = metrics["slipway.run.duration"].histogram.data_points
    assert (duration.sum, list(duration.bucket_counts).index(1)) == (40.0, BOUNDS.index(60.0))
    assert {one.key for one in duration.attributes} == {"registry", "outcome", "cause"}


def test_every_metric_is_sent_with_its_own_labels_alone(receiver: Receiver) -> None:
    labels = {"registry": "reg", "outcome": "x", "run": "c1234567"}
    open_collector(receiver.settings).send_points([Point(metric, 1, T0, T0, labels) for metric in Metric])

    (resource,) = ExportMetricsServiceRequest.FromString(plain(receiver.asked[0])).resource_metrics
    for metric in resource.scope_metrics[0].metrics:
        (point,) = getattr(metric, metric.WhichOneof("data")).data_points
        assert {one.key for one in point.attributes} == set(INSTRUMENTS[Metric(metric.name)].labels)


def test_application_insights_gets_a_trace(receiver: Receiver, run: Run, told: tuple[Span, ...]) -> None:
    made = trace(run, told, T0)
    open_insights(receiver.settings).send_trace(made)

    assert [one.path.split("?")[0] for one in receiver.asked] == ["/v2.1/track"]
    items = {item["data"]["baseData"]["name"]: item for item in receiver.items() if "Metric" not in item["name"]}
    assert {item["tags"]["ai.operation.id"] for item in items.values()} == {TRACE}
    assert {item["iKey"] for item in items.values()} == {KEY}
    assert {
        name: (item["data"]["baseData"]["id"], item["tags"]["ai.operation.parentId"]) for name, item in items.items()
    } == {span.name: (span.id, span.parent) for span in made.spans}
    assert items["run"]["data"]["baseType"] == "RequestData"
    assert {one["data"]["baseType"] for name, one in items.items() if name != "run"} == {"RemoteDependencyData"}
    data = {name: item["data"]["baseData"] for name, item in items.items()}
    assert (data["run"]["duration"], data["step"]["duration"]) == ("0.00:00:50.000", "0.00:00:30.000")
    assert items["run"]["time"].startswith("2026-11-21T10:00:00")
    assert (data["context"]["success"], data["step"]["success"]) == (True, False)
    assert (data["run"]["properties"]["slipway.run"], data["step"]["properties"]["slipway.step"]) == (
        "c1234567",
        "test",
    )
    assert {item["tags"]["ai.cloud.role"] for item in items.values()} == {"slipway"}


def test_application_insights_gets_values(receiver: Receiver, run: Run) -> None:
    open_insights(receiver.settings).send_points(points(run, 96.0))

    told = {item["data"]["baseData"]["metrics"][0]["name"]: item["data"]["baseData"] for item in receiver.items()}
    assert (told["slipway.run.duration"]["metrics"][0]["value"], told["slipway.run.cpu"]["metrics"][0]["value"]) == (
        40.0,
        96.0,
    )
    assert told["slipway.runs"]["properties"] == {"registry": "reg", "outcome": "Failed", "cause": "Manual"}


def test_the_apps_identity_sends(receiver: Receiver, run: Run) -> None:
    open_insights(receiver.settings).send_points(points(run, 1.0))

    (asked,) = [one for one in receiver.site.asked if "identity" in one.path]
    assert "client_id=app-client" in asked.path
    assert "monitor.azure.com" in asked.path
    assert receiver.asked[0].headers["authorization"] == "Bearer token-of-the-app"


def test_nobody_else_is_called_or_told_a_secret(
    receiver: Receiver, run: Run, told: tuple[Span, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    hosts: list[object] = []
    resolve = socket.getaddrinfo

    def noted(host: Any, *more: Any, **named: Any) -> Any:
        hosts.append(host)
        return resolve(host, *more, **named)

    monkeypatch.setattr(socket, "getaddrinfo", noted)
    for sink in open_sinks(receiver.settings):
        sink.send_trace(trace(run, told, T0))
        sink.send_points(points(run, 1.0))

    assert set(hosts) == {"localhost"}
    assert not [one for one in receiver.asked if b"hunter" in plain(one)]


@pytest.mark.parametrize("status", [400, 401, 403, 429, 500, 503])
def test_telemetry_that_is_not_taken_is_told(
    receiver: Receiver, run: Run, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "_SECONDS", 0.5)
    for sink in open_sinks(receiver.settings):
        receiver.statuses = [status] * 8
        with pytest.raises(Unavailable, match=f"{sink.name} does not take the trace"):
            sink.send_trace(trace(run, (), T0))


def test_application_insights_does_not_follow_to_another_host(receiver: Receiver, run: Run) -> None:
    receiver.statuses = [307]
    with pytest.raises(Unavailable):
        open_insights(receiver.settings).send_trace(trace(run, (), T0))
    assert len(receiver.asked) == 1


def test_a_collector_that_sends_elsewhere_has_taken_nothing(receiver: Receiver, run: Run) -> None:
    receiver.statuses = [302]
    with pytest.raises(Unavailable):
        open_collector(receiver.settings).send_trace(trace(run, (), T0))
    assert len(receiver.asked) == 1


def test_settings_without_telemetry_open_nothing(receiver: Receiver) -> None:
    assert open_sinks(receiver.settings.model_copy(update={"telemetry_endpoint": "", "insights": ""})) == ()


@pytest.mark.parametrize("text", ["InstrumentationKey=none", f"InstrumentationKey={KEY};;", f"Key={KEY}", "x"])
def test_a_connection_string_that_cannot_work_stops_the_start(text: str) -> None:
    with pytest.raises(SettingsError, match="APPLICATIONINSIGHTS_CONNECTION_STRING"):
        read_settings({"APPLICATIONINSIGHTS_CONNECTION_STRING": text})


def test_the_connection_string_that_azure_makes_is_taken() -> None:
    made = (
        f"InstrumentationKey={KEY};IngestionEndpoint=https://westeurope-5.in.applicationinsights.azure.com/;"
        "LiveEndpoint=https://westeurope.livediagnostics.monitor.azure.com/;ApplicationId=" + KEY
    )
    with pytest.raises(SettingsError) as raised:
        read_settings({"APPLICATIONINSIGHTS_CONNECTION_STRING": made})
    assert "APPLICATIONINSIGHTS" not in str(raised.value)
    assert "APPLICATIONINSIGHTS_CONNECTION_STRING" in {one.alias for one in Settings.model_fields.values()}


def test_headers_are_read_as_the_specification_has_them() -> None:
    assert read_headers("a=b, c=d=e,,x") == {"a": "b", "c": "d=e"}
    assert read_headers("") == {}
