"""Receivers of telemetry on loopback, and a run to tell of."""

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.grant import Span, SpanName
from shared.runs.model import Requester, Run, Status
from shared.settings import Settings, read_settings
from tests.builder.contexts.web import Asked, Reply, Site, running_site

KEY = "00000000-1111-2222-3333-444444444444"
CALLER = f"00-{'ab' * 16}-{'cd' * 8}-01"
T0 = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)


@dataclass
class Receiver:
    """A site that answers as told, and the settings by which an app reaches it."""

    site: Site
    settings: Settings
    statuses: list[int] = field(default_factory=list)
    """What the next requests are answered; 200 after these."""

    @property
    def asked(self) -> list[Asked]:
        return [one for one in self.site.asked if "identity" not in one.path]

    def items(self) -> list[dict[str, Any]]:
        return [item for one in self.asked for item in json.loads(plain(one))]


def plain(asked: Asked) -> bytes:
    is_packed = asked.headers.get("content-encoding") == "gzip"
    return gzip.decompress(asked.body) if is_packed else asked.body


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running_site(tmp_path_factory.mktemp("telemetry") / "site") as served:
        yield served


@pytest.fixture
def receiver(site: Site, monkeypatch: pytest.MonkeyPatch) -> Receiver:
    """Take telemetry, as a collector and as Application Insights, and be the machine's identity endpoint."""
    site.asked.clear()
    receiver = Receiver(site, _settings(site))

    def take(asked: Asked) -> Reply:
        status = receiver.statuses.pop(0) if receiver.statuses else 200
        sent = json.loads(plain(asked)) if "track" in asked.path else []
        body = {"itemsReceived": len(sent), "itemsAccepted": len(sent), "errors": []}
        head = {"Location": "https://elsewhere.example/"} if status in {302, 307} else {}
        return Reply(status, json.dumps(body).encode(), {"Content-Type": "application/json"} | head)

    def token(_: Asked) -> Reply:
        told = {"access_token": "token-of-the-app", "expires_on": "4102444800", "resource": "", "token_type": "Bearer"}
        return Reply(body=json.dumps(told).encode(), headers={"Content-Type": "application/json"})

    site.apps = {"/identity": token, "/": take}
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{site.origin}/identity")
    monkeypatch.setenv("IDENTITY_HEADER", "hunter3")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(site.bundle))
    monkeypatch.setenv("APPLICATIONINSIGHTS_AUTHENTICATION_STRING", "ClientId=app-client;Authorization=AAD")
    return receiver


def _settings(site: Site) -> Settings:
    return read_settings(
        {
            "AzureWebJobsStorage": "UseDevelopmentStorage=true",
            "SLIPWAY_PUBLIC_URL": "https://app.test",
            "SLIPWAY_TENANT_ID": "tenant",
            "SLIPWAY_AUDIENCES": "audience",
            "SLIPWAY_REGISTRIES": "[]",
            "SLIPWAY_BUILDER_RESOURCE_GROUP": "/subscriptions/0/resourceGroups/builders",
            "SLIPWAY_BUILDER_IMAGE": "builder",
            "SLIPWAY_KEY": "A" * 43 + "=",
            "SLIPWAY_CA_BUNDLE": str(site.bundle),
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"{site.origin}/otlp",
            "OTEL_EXPORTER_OTLP_HEADERS": "api-key=hunter2, x=a=b",
            "APPLICATIONINSIGHTS_CONNECTION_STRING": f"InstrumentationKey={KEY};IngestionEndpoint={site.origin}/",
        }
    )


@pytest.fixture
def run() -> Run:
    return Run(
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
        trace_parent=CALLER,
        update_trigger_token="hunter2",
        epoch=1,
        attempt=1,
    )


@pytest.fixture
def told() -> tuple[Span, ...]:
    return (
        Span(name=SpanName.CONTEXT, begin_ms=0, took_ms=400),
        Span(name=SpanName.STEP, begin_ms=500, took_ms=30_000, failed=True, step="test"),
    )
