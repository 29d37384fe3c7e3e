"""The app's way out to addresses that users name: each is checked, and the checked one is called."""

import socket
from collections.abc import Callable
from typing import Final

import httpx

from shared.access.callers import trust
from shared.errors import InvalidRequest
from shared.network import Allowed, Target
from shared.settings import Settings

type Resolve = Callable[[str, int], tuple[str, ...]]
"""Answers the addresses of a host; raises OSError where it has none."""

_TIMEOUT: Final = httpx.Timeout(20.0, connect=10.0)


def resolve(host: str, port: int) -> tuple[str, ...]:
    """Ask the system for the addresses of a host."""
    return tuple(str(address[0]) for *_, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))


def allowed(settings: Settings) -> Allowed:
    """Answer what may be called: public addresses, what the operator allows, and the deployment's own registries."""
    own = tuple(registry.login_server for registry in settings.registries)
    return Allowed.read((*settings.allowed_hosts, *own))


def outbound_client(settings: Settings) -> httpx.Client:
    """Open a client that calls nothing but what is allowed, follows no redirect and uses no proxy."""
    inner = httpx.HTTPTransport(
        verify=trust(settings), trust_env=False, limits=httpx.Limits(max_keepalive_connections=0)
    )
    return httpx.Client(transport=CheckedTransport(allowed(settings), inner), timeout=_TIMEOUT, follow_redirects=False)


class CheckedTransport(httpx.BaseTransport):
    """Connects to an address that was checked, while the certificate is still that of the name.

    What is refused is an `httpx.ConnectError`, as an address that does not answer. The inner transport must keep no
    connections: a pool knows them by address and could give one host's connection to another's request.
    """

    def __init__(self, rules: Allowed, inner: httpx.BaseTransport, resolver: Resolve = resolve) -> None:
        self._rules = rules
        self._inner = inner
        self._resolve = resolver

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request to the first address that answers."""
        fault: httpx.HTTPError | None = None
        target, addresses = self._checked(request)
        for address in addresses:
            try:
                return self._inner.handle_request(_pinned(request, target, address))
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                fault = error
        raise fault or httpx.ConnectError("no address")

    def close(self) -> None:
        """Close the inner transport."""
        self._inner.close()

    def _checked(self, request: httpx.Request) -> tuple[Target, tuple[str, ...]]:
        try:
            target = self._rules.check_url(str(request.url))
            return target, self._rules.check_addresses(target, self._resolve(target.host, target.port))
        except InvalidRequest as refusal:
            raise httpx.ConnectError(refusal.message) from None
        except (OSError, UnicodeError):
            raise httpx.ConnectError("the host is not known") from None


def _pinned(request: httpx.Request, target: Target, address: str) -> httpx.Request:
    """Return the request to one address; its Host header stays, and TLS asks for the host by its name."""
    return httpx.Request(
        request.method,
        request.url.copy_with(host=address),
        headers=request.headers,
        stream=request.stream,
        extensions={**request.extensions, "sni_hostname": target.host},
    )
