"""What a topic of Event Grid is sent, held against what the published SDK sends it."""

import json
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from azure.core.credentials import AccessToken, AzureKeyCredential
from azure.core.messaging import CloudEvent
from azure.eventgrid import EventGridPublisherClient

from shared.arm.names import parse_registry_id
from shared.notifications.events import cloud_event
from shared.notifications.receivers import Courier, Result
from shared.runs.model import Requester, Run
from shared.settings import Notice, Receiver, ReceiverKind
from tests.builder.contexts.web import Asked, Reply, Site, running_site

T0 = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
REGISTRY = parse_registry_id("/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerRegistry/registries/reg")
RUN = Run(
    id="c1234567",
    registry="reg",
    created=T0,
    updated=T0,
    timeout_seconds=60,
    requester=Requester(name="me", kind="User"),
)
EVENT = cloud_event(REGISTRY, RUN, Notice.QUEUED)
COMPARED = ("content-type", "aeg-sas-key", "authorization")
MOST = 1024 * 1024


@dataclass
class Keys:
    """A vault whose secret changes."""

    now: list[str] = field(default_factory=lambda: ["key-1"])
    reads: int = 0

    def read(self, address: str, client_id: str) -> str:
        del address, client_id
        self.reads += 1
        return self.now[0]


class Identity:
    """An identity that has a token."""

    def __init__(self) -> None:
        self.scopes: list[str] = []

    def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        self.scopes += scopes
        return AccessToken("grid-token", 4102444800)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running_site(tmp_path_factory.mktemp("grid") / "site") as served:
        yield served


@dataclass
class Topic:
    """Event Grid on loopback, by the answers that its documentation gives."""

    site: Site
    path: str
    vault: Keys
    statuses: list[int] = field(default_factory=list)

    def take(self, asked: Asked) -> Reply:
        if len(asked.body) > MOST:
            return Reply(413)
        return Reply(self.statuses.pop(0) if self.statuses else 200, b"{}", {"Content-Type": "application/json"})

    def receiver(self, *, has_key: bool = True) -> Receiver:
        secret = "https://v.vault.azure.net/secrets/key" if has_key else None
        url = f"{self.site.origin}{self.path}"
        return Receiver(name="grid", url=url, kind=ReceiverKind.EVENT_GRID, secret=secret)

    def courier(self) -> Courier:
        client = httpx.Client(verify=ssl.create_default_context(cafile=self.site.bundle))
        return Courier(client, self.vault, "slipway.example", lambda: T0 + timedelta(0), lambda: "grid-token")

    def sdk(self, credential: Any) -> EventGridPublisherClient:
        if not self.path.endswith(":publish"):
            return EventGridPublisherClient(f"{self.site.origin}{self.path}", credential)
        topic = self.path.split("/")[-1].removesuffix(":publish")
        return EventGridPublisherClient(self.site.origin, credential, namespace_topic=topic)


@pytest.fixture(params=["/api/events", "/topics/builds:publish"])
def topic(site: Site, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Topic:
    site.asked.clear()
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(site.bundle))
    made = Topic(site, request.param, Keys())
    site.apps = {"/": made.take}
    return made


@pytest.mark.parametrize("has_key", [True, False])
def test_a_topic_gets_what_the_sdk_sends(topic: Topic, *, has_key: bool) -> None:
    identity = Identity()
    credential = AzureKeyCredential("key-1") if has_key else identity
    with topic.sdk(credential) as client:
        client.send([CloudEvent.from_dict(json.loads(EVENT))])
    answer = topic.courier().tell(topic.receiver(has_key=has_key), EVENT)

    theirs, ours = topic.site.asked
    assert answer.result is Result.TAKEN
    assert (ours.method, ours.path) == (theirs.method, theirs.path)
    assert {name: ours.headers.get(name) for name in COMPARED} == {name: theirs.headers.get(name) for name in COMPARED}
    assert json.loads(ours.body) == [_same_time(one) for one in json.loads(theirs.body)]
    assert set(identity.scopes) == (set() if has_key else {"https://eventgrid.azure.net/.default"})


def _same_time(event: dict[str, Any]) -> dict[str, Any]:
    """Write a time as we do: the SDK has other digits of a second."""
    told = json.loads(EVENT)["time"]
    assert datetime.fromisoformat(event["time"]) == datetime.fromisoformat(told)
    return event | {"time": told}


def test_a_version_that_the_address_names_stays(topic: Topic) -> None:
    receiver = topic.receiver()
    named = receiver.model_copy(update={"url": f"{receiver.url}?api-version=2030-01-01"})
    topic.courier().tell(named, EVENT)

    assert topic.site.asked[0].path == f"{topic.path}?api-version=2030-01-01"


@pytest.mark.parametrize("status", [401, 403, 408, 429, 500, 503])
def test_what_may_pass_is_tried_again(topic: Topic, status: int) -> None:
    topic.statuses = [status]
    answer = topic.courier().tell(topic.receiver(), EVENT)
    assert (answer.result, answer.text) == (Result.LATER, f"HTTP {status}")


@pytest.mark.parametrize("status", [400, 404, 413])
def test_what_cannot_pass_is_final(topic: Topic, status: int) -> None:
    topic.statuses = [status]
    assert topic.courier().tell(topic.receiver(), EVENT).result is Result.NEVER


def test_a_key_that_was_changed_is_read_again(topic: Topic) -> None:
    courier = topic.courier()
    courier.tell(topic.receiver(), EVENT)
    topic.vault.now[0], topic.statuses = "key-2", [401]
    courier.tell(topic.receiver(), EVENT)
    courier.tell(topic.receiver(), EVENT)

    keys = [one.headers.get("aeg-sas-key") or one.headers["authorization"].split()[1] for one in topic.site.asked]
    assert (keys, topic.vault.reads) == (["key-1", "key-1", "key-2"], 2)


def test_what_is_larger_than_a_topic_takes_is_refused_once(topic: Topic) -> None:
    answer = topic.courier().tell(topic.receiver(), b" " * MOST + EVENT)
    assert (answer.result, answer.text) == (Result.NEVER, "HTTP 413")
