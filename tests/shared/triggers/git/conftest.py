"""A desk on a real Azurite; its queue is a list, and its clock is set by hand."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any, Protocol

import httpx
import pytest
from azure.data.tables import TableServiceClient

from shared.access.builder_tokens import BuilderTokens
from shared.access.keys import Keys
from shared.access.outbound import outbound_client
from shared.container_groups.pool import GroupPool
from shared.container_groups.service import GroupState
from shared.container_groups.spec import GroupRequest
from shared.errors import SlipwayError, Unavailable
from shared.grant import RegistryLogin
from shared.runs.context import Workshop
from shared.runs.store import RunStore
from shared.settings import RegistrySettings, Settings
from shared.storage import Table, open_storage
from shared.triggers.git.announcing import Announcer
from shared.triggers.git.deliveries import DeliveryStore
from shared.triggers.git.drain import Drain
from shared.triggers.git.events import Event, HostKind
from shared.triggers.git.hooks import Hook, HookStore, KnownHooks
from shared.triggers.git.receive import Desk, Receipt, receive
from tests.builder.contexts.web import Site, running_site
from tests.shared.triggers.git.payloads import Request, signed
from tests.shared.triggers.git.yard import Yard, open_yard

_NUMBERS = count(1)
REGISTRY = "localreg"


class Connected(Protocol):
    @property
    def connection(self) -> str: ...


@dataclass
class Messages:
    """A queue as its senders see it."""

    sent: list[dict[str, str]] = field(default_factory=list)
    fault: SlipwayError | None = None

    def send(self, message: Mapping[str, str], *, delay_seconds: int = 0) -> None:
        del delay_seconds
        if self.fault:
            raise self.fault
        self.sent.append(dict(message))


@dataclass
class Ear:
    """Hears events; raises what it is told to for those that it is to fail."""

    heard: list[tuple[str, Event]] = field(default_factory=list)
    fails: int = 0

    def on_event(self, registry: str, hook: Hook, event: Event, key: str) -> None:
        assert registry == hook.registry
        if self.fails:
            self.fails -= 1
            raise Unavailable("storage is away")
        self.heard.append((key, event))


@dataclass
class Office:
    """The desk and all around it."""

    desk: Desk
    hooks: HookStore
    hook_table: Table
    delivery_table: Table
    messages: Messages
    ear: Ear
    drain: Drain
    now: list[datetime]

    def later(self, **change: float) -> None:
        self.now[0] += timedelta(**change)

    def hook(self, host: HostKind = HostKind.GITHUB) -> Hook:
        return self.hooks.create(REGISTRY, host, "https://github.example/yard/boat")

    def deliver(self, hook: Hook, body: object, event: str = "push") -> Receipt:
        return self.take(hook, signed(hook.host, event, body, hook.secrets[-1]))  # type: ignore[arg-type] # any body

    def take(self, hook: Hook, request: Request) -> Receipt:
        return receive(self.desk, hook.id, request.headers, request.body)


@pytest.fixture
def office(azurite: Connected) -> Iterator[Office]:
    number = next(_NUMBERS)
    service = TableServiceClient.from_connection_string(azurite.connection)
    hook_table = Table(service.create_table(f"hooks{number}"))
    delivery_table = Table(service.create_table(f"deliveries{number}"))
    now, messages, ear = [datetime.now(UTC)], Messages(), Ear()
    hooks, deliveries = HookStore(hook_table, Keys(bytes(32))), DeliveryStore(delivery_table)
    known = KnownHooks(hooks, lambda: now[0])
    announcer = Announcer(messages)  # type: ignore[arg-type] # the double
    desk = Desk(known, deliveries, announcer, lambda: now[0])
    yield Office(
        desk=desk,
        hooks=hooks,
        hook_table=hook_table,
        delivery_table=delivery_table,
        messages=messages,
        ear=ear,
        drain=Drain(deliveries, known, ear, lambda: now[0]),
        now=now,
    )
    announcer.wait(5)
    service.close()


class Nowhere:
    """Container Instances, of which nobody asks for anything: there is no slot, so every run waits."""

    def start(self, request: GroupRequest) -> None:
        raise AssertionError(f"nobody starts {request.name} here")

    def state(self, name: str) -> GroupState:
        assert name
        return GroupState.ABSENT

    def loss(self, name: str) -> None:
        assert name

    def delete(self, name: str) -> None:
        assert name

    def names(self) -> list[str]:
        return []


def _no_login(registry: RegistrySettings, pull: tuple[str, ...], push: tuple[str, ...]) -> RegistryLogin:
    raise AssertionError(f"nobody logs in to {registry.name} for {pull} or {push} here")


@pytest.fixture
def yard(azurite: Connected) -> Yard:
    """Answer tasks of a registry of its own; no run finds a builder."""
    name = f"yards{next(_NUMBERS)}"
    registry = RegistrySettings(
        id=f"/subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerRegistry/registries/{name}",
        login_server=f"{name}.slipway.test",
        location="local",
    )
    values: dict[str, Any] = {
        "storage_connection": azurite.connection,
        "registries": (registry,),
        "public_url": "https://slipway.example",
        "run_concurrency": 0,
    }
    known = Settings.model_construct(**values)
    now, storage, tokens = [datetime.now(UTC)], open_storage(known), BuilderTokens(b"k" * 32)
    shop = Workshop(
        settings=known,
        storage=storage,
        store=RunStore(storage.runs),
        pool=GroupPool(storage.groups, Nowhere(), tokens, lambda: now[0]),
        keys=Keys(bytes(32)),
        tokens=tokens,
        issue_login=_no_login,
        clock=lambda: now[0],
    )
    return open_yard(shop, registry, now)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Serve git over HTTPS on loopback."""
    with running_site(tmp_path / "site") as running:
        yield running


@pytest.fixture
def client(site: Site) -> Iterator[httpx.Client]:
    """Answer the app's own client, which may call the site."""
    values: dict[str, Any] = {"allowed_hosts": site.allowed, "registries": (), "ca_bundle": site.bundle}
    with outbound_client(Settings.model_construct(**values)) as made:
        yield made
