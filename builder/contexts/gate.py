"""The only way out for a builder's own fetches: every address is checked, and the checked one is called."""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import Final

import httpx

from builder.faults import ContextRefused
from shared.errors import InvalidRequest, Unavailable
from shared.network import Allowed, Target

type Resolve = Callable[[str, int], Awaitable[tuple[str, ...]]]
"""Answers the addresses of a host; raises OSError where it has none."""

_TIMEOUT: Final = httpx.Timeout(30.0, connect=10.0)
_NAMED: Final = 64


async def resolve(host: str, port: int) -> tuple[str, ...]:
    """Ask the system for the addresses of a host, which may be spelled in any way that the system knows."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(str(address[0]) for *_, address in found)


class Gate:
    """Applies an operator's rules to everything that is called for a context."""

    def __init__(self, allowed: Allowed, resolver: Resolve = resolve) -> None:
        self._allowed = allowed
        self._resolver = resolver

    def check_url(self, url: str) -> Target:
        """Return what a URL calls. Raises ContextRefused, without quoting it, where that is not allowed."""
        try:
            return self._allowed.check_url(url)
        except InvalidRequest as fault:
            raise ContextRefused(fault.message) from None

    async def addresses(self, target: Target) -> tuple[str, ...]:
        """Return the addresses to connect to. Raises ContextRefused if one is inside, Unavailable if there is none."""
        try:
            found = await self._resolver(self._allowed.check_target(target).host, target.port)
        except InvalidRequest as fault:
            raise ContextRefused(fault.message) from None
        except (OSError, UnicodeError):
            raise Unavailable(f"The host {target.host[:_NAMED]} is not known.") from None
        try:
            return self._allowed.check_addresses(target, found)
        except InvalidRequest as fault:
            raise ContextRefused(fault.message) from None

    def client(self, tls: ssl.SSLContext) -> httpx.AsyncClient:
        """Open an HTTP client that goes through this gate, follows no redirect and keeps no connection."""
        return httpx.AsyncClient(transport=_Transport(self, tls), timeout=_TIMEOUT, follow_redirects=False)


class _Transport(httpx.AsyncBaseTransport):
    """Connects to the address that was checked, while the certificate is still that of the name.

    Connections are not kept: a pool knows them by address and could give one host's connection to another's request.
    """

    def __init__(self, gate: Gate, tls: ssl.SSLContext) -> None:
        self._gate = gate
        limits = httpx.Limits(max_keepalive_connections=0)
        self._inner = httpx.AsyncHTTPTransport(verify=tls, trust_env=False, limits=limits)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        target = self._gate.check_url(str(request.url))
        fault: httpx.HTTPError | None = None
        for address in await self._gate.addresses(target):
            try:
                return await self._inner.handle_async_request(_pinned(request, target, address))
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                fault = error
        raise fault or httpx.ConnectError("no address")

    async def aclose(self) -> None:
        await self._inner.aclose()


def _pinned(request: httpx.Request, target: Target, address: str) -> httpx.Request:
    """Return the request to one address; its Host header stays, and TLS asks for the host by its name."""
    return httpx.Request(
        request.method,
        request.url.copy_with(host=address),
        headers=request.headers,
        stream=request.stream,
        extensions={**request.extensions, "sni_hostname": target.host},
    )
