"""A workshop on a real Azurite; only Azure Container Instances is a double, a set of names."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, Protocol

import pytest
from azure.data.tables import TableServiceClient

from shared.access.builder_tokens import Bearer, BuilderTokens
from shared.access.callers import Caller
from shared.access.keys import Keys
from shared.arm.requests import QuickRunRequest, parse_run_request
from shared.container_groups.loss import Loss
from shared.container_groups.pool import GroupPool
from shared.container_groups.service import Groups as GroupService
from shared.container_groups.service import GroupState
from shared.container_groups.spec import GroupRequest
from shared.errors import SlipwayError
from shared.grant import Grant, Outcome, RegistryLogin, Report
from shared.runs.claim import look_for_work
from shared.runs.context import Workshop
from shared.runs.model import Run
from shared.runs.sources import upload_location
from shared.runs.store import RunStore
from shared.runs.submit import submit
from shared.settings import BuilderKind, RegistrySettings, Settings
from shared.storage import Table, open_storage

_TABLES = count(1)


class Connected(Protocol):
    @property
    def connection(self) -> str: ...


@dataclass
class Groups:
    """Container Instances as this room sees it."""

    running: dict[str, GroupState] = field(default_factory=dict)
    started: list[str] = field(default_factory=list)
    fault: SlipwayError | None = None
    places: list[str] = field(default_factory=list)
    kinds: list[BuilderKind] = field(default_factory=list)
    requests: list[GroupRequest] = field(default_factory=list)
    losses: dict[str, Loss] = field(default_factory=dict)

    def start(self, request: GroupRequest) -> None:
        if self.fault:
            raise self.fault
        self.started.append(request.name)
        self.places.append(request.location)
        self.kinds.append(request.kind)
        self.requests.append(request)
        self.running.setdefault(request.name, GroupState.RUNNING)

    def state(self, name: str) -> GroupState:
        return self.running.get(name, GroupState.ABSENT)

    def loss(self, name: str) -> Loss | None:
        return self.losses.get(name)

    def delete(self, name: str) -> None:
        self.running.pop(name, None)

    def names(self) -> list[str]:
        return list(self.running)


@dataclass
class Hands:
    """The workshop, and what a test does with it."""

    shop: Workshop
    groups: Groups
    registry: RegistrySettings
    now: list[datetime]
    table: Table
    """Of its groups alone."""

    def reach(self, groups: GroupService) -> None:
        """Have groups asked for elsewhere."""
        pool = GroupPool(self.table, groups, self.shop.tokens, self.shop.clock)
        self.shop = replace(self.shop, pool=pool)

    @property
    def partition(self) -> str:
        return self.registry.name.lower()

    def later(self, **change: float) -> None:
        self.now[0] += timedelta(**change)

    def submit(self, key: str, **changes: object) -> Run:
        self.later(milliseconds=100)
        return self.submit_now(key, **changes)

    def submit_now(self, key: str, **changes: object) -> Run:
        return submit(self.shop, self.registry, self.request(**changes), Caller("me", "User", frozenset()), key)

    def request(self, **changes: object) -> QuickRunRequest:
        location = upload_location(self.shop, self.partition).relative_path
        self.shop.storage.blobs.put("sources", f"{self.partition}/{location}", b"archive")
        body = {
            "type": "DockerBuildRequest",
            "imageNames": ["hello:v1"],
            "dockerFilePath": "Dockerfile",
            "sourceLocation": location,
            "arguments": [{"name": "TOKEN", "value": "hunter2", "isSecret": True}],
        }
        return parse_run_request(body | changes)

    def get(self, run: Run) -> Run:
        return self.shop.store.get(run.registry, run.id)

    def claim(self, run: Run) -> Grant:
        grant = look_for_work(self.shop, Bearer(run.registry, self.get(run).group or ""))
        assert grant is not None
        return grant

    def bearer(self, grant: Grant) -> Bearer:
        return Bearer(self.partition, grant.group, grant.run_id, grant.epoch)

    def report(self, grant: Grant, outcome: Outcome = Outcome.SUCCEEDED, **values: object) -> Report:
        return Report.model_validate({"run_id": grant.run_id, "epoch": grant.epoch, "outcome": outcome} | values)

    def log(self, run: Run) -> str:
        return self.shop.storage.blobs.read("logs", f"{run.registry}/{run.id}/rawtext.log").decode()

    def complete(self, run: Run) -> str | None:
        metadata = self.shop.storage.blobs.state("logs", f"{run.registry}/{run.id}/rawtext.log").metadata
        return metadata.get("Complete") or metadata.get("complete")


def _issue(registry: RegistrySettings, pull: tuple[str, ...], push: tuple[str, ...]) -> RegistryLogin:
    return RegistryLogin(registry=registry.login_server, token=f"{','.join(pull)}|{','.join(push)}")


@pytest.fixture
def hands(azurite: Connected) -> Iterator[Hands]:
    number = next(_TABLES)
    name = f"registry{number}"
    registry = RegistrySettings(
        id=f"/subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerRegistry/registries/{name}",
        login_server=f"{name}.slipway.test",
        location="local",
    )
    values: dict[str, Any] = {
        "storage_connection": azurite.connection,
        "registries": (registry,),
        "run_concurrency": 2,
        "warm_builders": 0,
        "retention_days": 30,
        "cache_repository": "{repository}",
    }
    settings = Settings.model_construct(**values)
    now = [datetime.now(UTC)]
    storage = open_storage(settings)
    service = TableServiceClient.from_connection_string(azurite.connection)
    groups_table = service.create_table_if_not_exists(f"groups{number}")
    groups, tokens, table = Groups(), BuilderTokens(b"k" * 32), Table(groups_table)
    shop = Workshop(
        settings=settings,
        storage=storage,
        store=RunStore(storage.runs),
        pool=GroupPool(table, groups, tokens, lambda: now[0]),
        keys=Keys(bytes(32)),
        tokens=tokens,
        issue_login=_issue,
        clock=lambda: now[0],
    )
    yield Hands(shop, groups, registry, now, table)
    service.close()
