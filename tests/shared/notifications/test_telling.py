"""Notifications against a real receiver and a real Azurite: once recorded, told until taken, and never without end."""

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Any, Protocol, cast

import httpx
import pytest

from shared.access.builder_tokens import BuilderTokens
from shared.access.keys import Keys
from shared.access.outbound import CheckedTransport
from shared.arm.wire import SourceTriggerCause
from shared.errors import Unavailable
from shared.grant import Image, RegistryLogin
from shared.metrics import Metric
from shared.network import Allowed
from shared.notifications.receivers import Courier
from shared.notifications.records import Delivery, Fate
from shared.notifications.telling import PATIENCE, Teller
from shared.runs.causes import Cause, CauseKind
from shared.runs.context import Workshop
from shared.runs.ids import run_id
from shared.runs.model import Requester, Run, Status
from shared.runs.store import RunStore
from shared.settings import Notice, Receiver, RegistrySettings, Settings
from shared.storage import Storage, open_storage
from tests.conftest import Counted

if TYPE_CHECKING:
    from shared.container_groups.pool import GroupPool

_NAMES = count(1)
SECRET = "hunter2"


class Connected(Protocol):
    @property
    def connection(self) -> str: ...


class Hook(Protocol):
    url: str
    allows: str
    statuses: list[int]
    retry_after: str
    asked: list[dict[str, str]]
    got: list[tuple[dict[str, str], bytes]]

    @property
    def events(self) -> list[dict[str, Any]]: ...


class WithoutTls(httpx.HTTPTransport):
    """Speaks plainly to a receiver whose address says https."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.url = request.url.copy_with(scheme="http")
        return super().handle_request(request)


class Safe:
    def __init__(self) -> None:
        self.is_away = False

    def read(self, address: str, client_id: str) -> str:
        if self.is_away:
            raise Unavailable("The key vault does not answer.")
        assert (address, client_id) == ("https://safe.vault.test/secrets/hook", "")
        return SECRET


@dataclass
class Yard:
    """A deployment with one registry."""

    storage: Storage
    registry: RegistrySettings
    now: list[datetime]
    safe: Safe
    is_allowed: bool = True

    @property
    def partition(self) -> str:
        return self.registry.name.lower()

    def teller(self, *receivers: Receiver) -> Teller:
        settings = Settings.model_construct(
            **cast("dict[str, Any]", {"registries": (self.registry,), "notifications": receivers})
        )
        shop = Workshop(
            settings=settings,
            storage=self.storage,
            store=RunStore(self.storage.runs),
            pool=cast("GroupPool", None),
            keys=Keys(bytes(32)),
            tokens=BuilderTokens(b"k" * 32),
            issue_login=lambda *_: RegistryLogin(registry=""),
            clock=lambda: self.now[0],
        )
        hosts = [httpx.URL(one.url).netloc.decode() for one in receivers] if self.is_allowed else []
        client = httpx.Client(transport=CheckedTransport(Allowed.read(hosts), WithoutTls()))
        return Teller(shop, Courier(client, self.safe, "slipway.example", shop.clock, lambda: "grid-token"))

    def run(self, teller: Teller, **changes: object) -> Run:
        self.now[0] += timedelta(seconds=1)
        run = Run(
            id=run_id(self.now[0]),
            registry=self.partition,
            created=self.now[0],
            updated=self.now[0],
            timeout_seconds=60,
            requester=Requester(name="me", kind="User"),
        ).model_copy(update=changes)
        teller.shop.store.insert(run, f"key{run.id}")
        return run

    def move(self, teller: Teller, run: Run, status: Status, **changes: object) -> None:
        self.now[0] += timedelta(seconds=1)
        teller.shop.store.change(run.registry, run.id, lambda one: one.moved(status, self.now[0], **changes))

    def deliver_all(self, teller: Teller) -> list[Delivery]:
        pending = list(teller.deliveries.pending(self.partition))
        return [done for one in pending if (done := teller.deliver(one.registry, one.key))]


@pytest.fixture(scope="module")
def storage(azurite: Connected) -> Storage:
    settings = Settings.model_construct(**cast("dict[str, Any]", {"storage_connection": azurite.connection}))
    return open_storage(settings)


@pytest.fixture
def yard(storage: Storage) -> Yard:
    name = f"noticereg{next(_NAMES)}"
    registry = RegistrySettings(
        id=f"/subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerRegistry/registries/{name}",
        login_server=f"{name}.slipway.test",
        location="local",
    )
    return Yard(storage, registry, [datetime.now(UTC)], Safe())


Make = Callable[..., Receiver]


@pytest.fixture
def make(webhook: Hook) -> Make:
    return lambda **values: Receiver.model_validate({"name": "hook", "url": webhook.url} | values)


def test_a_run_is_told_from_its_queue_to_its_end_once(yard: Yard, webhook: Hook, make: Make) -> None:
    teller = yard.teller(make())
    run = yard.run(teller, update_trigger_token="c2VjcmV0")

    assert teller.plan(run.registry, run.id) == 1
    assert teller.plan(run.registry, run.id) == 0
    yard.deliver_all(teller)
    yard.move(teller, run, Status.RUNNING, started=yard.now[0], epoch=1)
    yard.move(
        teller,
        run,
        Status.SUCCEEDED,
        finished=yard.now[0],
        output_images=(Image(registry="r", repository="hello", digest="sha256:1"),),
    )
    assert teller.plan(run.registry, run.id) == 2, "what no message came for is told with the end"
    yard.deliver_all(teller)

    assert [event["type"].rpartition(".")[2] for event in webhook.events] in (
        ["queued", "started", "succeeded"],
        ["queued", "succeeded", "started"],
    )
    by_type = {event["type"]: event for event in webhook.events}
    end = by_type["dev.slipway.run.succeeded"]
    assert end["specversion"] == "1.0"
    assert end["source"] == yard.registry.id
    assert end["subject"] == f"runs/{run.id}"
    assert end["data"]["properties"]["outputImages"][0]["repository"] == "hello"
    begun = by_type["dev.slipway.run.started"]["data"]["properties"]
    assert begun["status"] == "Running"
    assert "outputImages" not in begun
    assert b"c2VjcmV0" not in b"".join(body for _, body in webhook.got)
    assert {one.fate for one in teller.deliveries.newest(yard.partition, 10)} == {Fate.DELIVERED}
    assert not list(teller.deliveries.pending(yard.partition))


def test_a_body_is_signed_with_its_time_and_the_vault_s_secret(yard: Yard, webhook: Hook, make: Make) -> None:
    teller = yard.teller(make(secret="https://safe.vault.test/secrets/hook"))
    run = yard.run(teller)
    teller.plan(run.registry, run.id)

    yard.deliver_all(teller)

    headers, body = webhook.got[0]
    signed = headers["x-slipway-timestamp"].encode() + b"." + body
    assert headers["x-slipway-signature"] == f"sha256={hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()}"
    assert abs(int(headers["x-slipway-timestamp"]) - yard.now[0].timestamp()) < 2
    assert headers["content-type"] == "application/cloudevents+json; charset=utf-8"


def test_a_receiver_that_fails_is_asked_again_with_growing_pauses(yard: Yard, webhook: Hook, make: Make) -> None:
    webhook.statuses = [500, 503]
    teller = yard.teller(make())
    run = yard.run(teller)
    teller.plan(run.registry, run.id)

    (first,) = yard.deliver_all(teller)
    assert (first.fate, first.answer, first.due - yard.now[0]) == (Fate.PENDING, "HTTP 500", timedelta(seconds=10))
    assert yard.deliver_all(teller) == [], "a message that comes too early does nothing"
    yard.now[0] += timedelta(seconds=11)
    (second,) = yard.deliver_all(teller)
    assert second.due - yard.now[0] == timedelta(seconds=20)
    yard.now[0] += timedelta(seconds=21)
    (third,) = yard.deliver_all(teller)

    assert (third.fate, third.attempts, len(webhook.got)) == (Fate.DELIVERED, 3, 3)
    assert len({body for _, body in webhook.got}) == 1


def test_a_receiver_that_is_gone_is_given_up_after_a_day(yard: Yard, make: Make) -> None:
    teller = yard.teller(make(url="https://127.0.0.1:9/hook", handshake=False))
    run = yard.run(teller)
    teller.plan(run.registry, run.id)
    begin, delivery = yard.now[0], None

    for _ in range(60):
        for delivery in yard.deliver_all(teller):
            yard.now[0] = max(yard.now[0], delivery.due)
        if delivery and delivery.fate is not Fate.PENDING:
            break

    assert delivery is not None
    assert (delivery.fate, delivery.answer) == (
        Fate.GIVEN_UP,
        "no answer (ConnectError: [Errno 111] Connection refused)",
    )
    assert PATIENCE - timedelta(hours=2) < yard.now[0] - begin <= PATIENCE
    assert 20 < delivery.attempts < 40


def test_an_attempt_that_was_cut_short_is_made_again(yard: Yard, webhook: Hook, make: Make) -> None:
    teller = yard.teller(make())
    run = yard.run(teller)
    teller.plan(run.registry, run.id)
    (pending,) = teller.deliveries.pending(yard.partition)
    known = teller.deliveries.find(yard.partition, pending.key)
    assert known is not None
    assert teller._claim(known) is not None, "and here the process dies"

    yard.now[0] += timedelta(minutes=3)
    teller.sweep(yard.partition)
    (done,) = yard.deliver_all(teller)

    assert (done.fate, done.attempts, len(webhook.got)) == (Fate.DELIVERED, 2, 1)


@pytest.mark.parametrize("status", [400, 404, 410, 302])
def test_a_refusal_is_final(yard: Yard, webhook: Hook, make: Make, status: int) -> None:
    webhook.statuses = [status]
    teller = yard.teller(make())
    run = yard.run(teller)
    teller.plan(run.registry, run.id)

    (done,) = yard.deliver_all(teller)

    assert (done.fate, done.answer) == (Fate.REFUSED, f"HTTP {status}")


def test_a_webhook_is_asked_whether_it_wants_events(yard: Yard, webhook: Hook, make: Make) -> None:
    webhook.allows = "other.example"
    teller = yard.teller(make())
    run = yard.run(teller)
    teller.plan(run.registry, run.id)
    (unwanted,) = yard.deliver_all(teller)
    assert (unwanted.fate, webhook.got) == (Fate.PENDING, [])

    webhook.allows = "slipway.example"
    yard.now[0] += timedelta(seconds=11)
    (wanted,) = yard.deliver_all(teller)

    assert wanted.fate is Fate.DELIVERED
    assert webhook.asked[-1]["webhook-request-origin"] == "slipway.example"


def test_what_a_receiver_asks_to_wait_is_kept(yard: Yard, webhook: Hook, make: Make) -> None:
    webhook.statuses, webhook.retry_after = [429], "120"
    teller = yard.teller(make())
    run = yard.run(teller)
    teller.plan(run.registry, run.id)

    (later,) = yard.deliver_all(teller)

    assert later.due - yard.now[0] == timedelta(seconds=120)


def test_an_address_inside_that_nobody_allowed_is_not_called(yard: Yard, webhook: Hook, make: Make) -> None:
    teller = replace(yard, is_allowed=False).teller(make())
    run = yard.run(teller)
    teller.plan(run.registry, run.id)

    (later,) = yard.deliver_all(teller)

    assert "which only an operator can allow" in later.answer or "unless an operator allows it" in later.answer
    assert webhook.asked == []


def test_a_vault_that_is_away_is_waited_for_and_nothing_goes_unsigned(yard: Yard, webhook: Hook, make: Make) -> None:
    yard.safe.is_away = True
    teller = yard.teller(make(secret="https://safe.vault.test/secrets/hook"))
    run = yard.run(teller)
    teller.plan(run.registry, run.id)

    (later,) = yard.deliver_all(teller)

    assert (later.fate, later.answer, webhook.got) == (Fate.PENDING, "The key vault does not answer.", [])


def test_a_topic_of_event_grid_gets_a_list_and_a_token(yard: Yard, webhook: Hook, make: Make) -> None:
    teller = yard.teller(make(kind="eventGrid"))
    run = yard.run(teller)
    teller.plan(run.registry, run.id)

    yard.deliver_all(teller)

    headers, _ = webhook.got[0]
    assert headers["authorization"] == "Bearer grid-token"
    assert headers["content-type"] == "application/cloudevents-batch+json; charset=utf-8"
    assert [event["id"] for event in cast("list[Any]", webhook.events[0])] == [f"{run.id}-queued"]
    assert webhook.asked == []


def test_a_key_of_a_topic_goes_into_its_header(yard: Yard, webhook: Hook, make: Make) -> None:
    teller = yard.teller(make(kind="eventGrid", secret="https://safe.vault.test/secrets/hook"))
    run = yard.run(teller)
    teller.plan(run.registry, run.id)

    yard.deliver_all(teller)

    assert webhook.got[0][0]["aeg-sas-key"] == SECRET
    assert "authorization" not in webhook.got[0][0]


@pytest.mark.parametrize(
    ("filters", "task", "told"),
    [
        ({"events": ["failed"]}, None, []),
        ({"events": ["queued", "failed"]}, None, [Notice.QUEUED]),
        ({"tasks": ["nightly*"]}, None, []),
        ({"tasks": ["nightly*"]}, "Nightly-web", [Notice.QUEUED]),
        ({"tasks": ["nightly*"]}, "weekly", []),
        ({"registries": ["elsewhere"]}, None, []),
    ],
)
def test_a_receiver_is_told_what_it_asked_for(
    yard: Yard, make: Make, filters: dict[str, list[str]], task: str | None, told: list[Notice]
) -> None:
    teller = yard.teller(make(**filters))
    run = yard.run(teller, task=task)
    teller.plan(run.registry, run.id)

    assert [one.notice for one in teller.deliveries.newest(yard.partition, 10)] == told


def test_a_repository_s_address_is_told_without_its_login(yard: Yard, webhook: Hook, make: Make) -> None:
    source = SourceTriggerCause(
        id="1", event_type="commit", repository_url="https://me:hunter2@git.example/a.git?token=hunter3"
    )
    teller = yard.teller(make())
    run = yard.run(teller, task="web", cause=Cause(kind=CauseKind.COMMIT, source_trigger=source))
    teller.plan(run.registry, run.id)

    yard.deliver_all(teller)

    event: Any = webhook.events[0]
    told = event["data"]["properties"]["sourceTrigger"]
    assert told["repositoryUrl"] == "https://git.example/a.git"
    assert b"hunter" not in webhook.got[0][1]


def test_deliveries_that_are_settled_are_forgotten_in_the_end(yard: Yard, webhook: Hook, make: Make) -> None:
    teller = yard.teller(make())
    run = yard.run(teller)
    teller.plan(run.registry, run.id)
    yard.deliver_all(teller)
    assert webhook.got

    yard.now[0] += timedelta(days=40)
    teller.purge(yard.partition)

    assert teller.deliveries.newest(yard.partition, 10) == []


def test_attempts_are_counted_by_what_they_came_to(yard: Yard, webhook: Hook, make: Make, counted: Counted) -> None:
    webhook.statuses = [500, 200, 410]
    teller = yard.teller(make())
    for _ in range(2):
        run = yard.run(teller)
        teller.plan(run.registry, run.id)
        yard.deliver_all(teller)
        yard.now[0] += timedelta(seconds=11)
        yard.deliver_all(teller)

    outcomes = {outcome: number for (outcome, _), number in counted(Metric.NOTIFICATIONS).items()}
    assert outcomes == {"failed": 1, "delivered": 1, "refused": 1}
