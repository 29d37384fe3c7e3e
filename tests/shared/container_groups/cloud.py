"""Container groups as the app reaches them: the published client, the local service's rules, pretended containers."""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, override

import httpx
import requests
from azure.core.credentials import AccessToken
from azure.core.pipeline.transport import HttpTransport, RequestsTransportResponse
from azure.mgmt.containerinstance import ContainerInstanceManagementClient

from devstack.container_groups.app import App
from devstack.container_groups.pretended import PretendedShims, pretended_groups
from shared.container_groups.service import ContainerGroups
from shared.settings import Settings

if TYPE_CHECKING:
    from devstack.container_groups.orders import Order

IMAGE = "slipway/builder:test"
SCOPE = "/subscriptions/sub/resourceGroups/builders"
type Answer = Callable[[str, str, bytes], tuple[int, dict[str, str], bytes]]
"""Answers (method, address, body) with (status, headers, body)."""


class AnyToken:
    """A credential that nobody checks."""

    def get_token(self, *_scopes: str, **_options: Any) -> AccessToken:
        return AccessToken("not-checked", int(time.time()) + 3600)


class Wire(HttpTransport[Any, Any]):
    """A transport of the Azure SDK that asks a function."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer

    @override
    def send(self, request: Any, **_options: Any) -> Any:
        body = request.content if hasattr(request, "content") else request.body
        told = requests.Response()
        data = body.encode() if isinstance(body, str) else body or b""
        told.status_code, headers, told._content = self.answer(request.method, request.url, data)
        told.headers = requests.structures.CaseInsensitiveDict({"Content-Type": "application/json", **headers})
        told._content_consumed = True  # type: ignore[attr-defined]  # what `requests` keeps to itself
        return RequestsTransportResponse(request, told)

    @override
    def open(self) -> None: ...

    @override
    def close(self) -> None: ...

    @override
    def __enter__(self) -> Self:
        return self

    @override
    def __exit__(self, *_: object) -> None: ...


def client_of(answer: Answer, **settings: object) -> ContainerGroups:
    """Answer the app's client, which asks a function instead of Azure."""
    values: dict[str, Any] = {
        "builder_resource_group": SCOPE,
        "builder_image": IMAGE,
        "builder_image_identity": None,
        "confined_image": "",
        "public_url": "https://slipway.test",
        "ca_bundle": None,
        **settings,
    }
    groups = ContainerGroups(Settings.model_construct(**values), AnyToken())
    groups.__dict__["_client"] = ContainerInstanceManagementClient(
        AnyToken(), "sub", base_url="https://azure.test", transport=Wire(answer), retry_total=0, retry_status=0
    )
    return groups


class Cloud:
    """The local service in this process, on a loop of its own; use as a context."""

    def __init__(self, folder: Path) -> None:
        self.begun: list[Order] = []
        self.now = 0.0
        self.groups = pretended_groups(folder, IMAGE, lambda: self.now, self.begun.append)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self.client = client_of(self._answer)

    def __enter__(self) -> Self:
        self._thread.start()
        self._run(self.groups.open())
        return self

    def __exit__(self, *_: object) -> None:
        self._run(self.groups.close(stop_groups=True))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def ask(self, method: str, path: str, **body: object) -> httpx.Response:
        """Call the service, its doors for faults too."""
        return self._run(self._ask(method, f"https://azure.test{path}", json.dumps(body).encode()))

    @property
    def shims(self) -> PretendedShims:
        assert isinstance(self.groups.shims, PretendedShims)
        return self.groups.shims

    def call(self, what: Callable[[], object]) -> None:
        """Do something on the service's loop."""

        async def done() -> None:
            what()

        self._run(done())

    def settle(self) -> None:
        """Return when every group runs or has failed to."""
        while any(group.status.started is None and group.status.exit is None for group in self._run(self._all())):
            pass

    async def _all(self) -> list[Any]:
        return list(self.groups.find("/subscriptions/"))

    def _answer(self, method: str, url: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        told = self._run(self._ask(method, url, body))
        return told.status_code, dict(told.headers), told.content

    async def _ask(self, method: str, url: str, body: bytes) -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=App(self.groups))) as client:
            return await client.request(method, url, content=body)

    def _run[T](self, what: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(what, self._loop).result(30)
