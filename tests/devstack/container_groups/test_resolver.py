import socket
import struct
import threading
from collections.abc import Iterator

import pytest

from devstack.container_groups.shim.resolver import Resolver
from tests.devstack.container_groups.test_dns import query

ANSWER = b"-answered"


def bound() -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind(("127.0.0.1", 0))
    made.settimeout(20)
    return made


@pytest.fixture
def upstream() -> Iterator[socket.socket]:
    """Answer every query with itself and a mark."""
    server = bound()
    server.settimeout(None)

    def serve() -> None:
        while True:
            message, client = server.recvfrom(4096)
            if not message:
                return
            server.sendto(message + ANSWER, client)

    thread = threading.Thread(target=serve)
    thread.start()
    yield server
    with bound() as last:
        last.sendto(b"", server.getsockname())
    thread.join()
    server.close()


def ask(resolver: Resolver, message: bytes) -> bytes:
    with bound() as client:
        client.sendto(message, resolver.datagrams.getsockname())
        return client.recv(4096)


def test_own_names_are_answered_here_and_others_by_the_host(upstream: socket.socket) -> None:
    resolver = Resolver(bound(), {"registry.test": "10.99.0.1"}, (upstream.getsockname(),))
    resolver.datagrams.settimeout(None)
    resolver.start()
    assert ask(resolver, query("registry.test")).endswith(bytes([10, 99, 0, 1]))
    assert ask(resolver, query("example.org")) == query("example.org") + ANSWER


def test_the_next_resolver_is_asked_when_one_is_gone(upstream: socket.socket) -> None:
    gone = bound()
    address = gone.getsockname()
    gone.close()
    resolver = Resolver(bound(), {}, (address, upstream.getsockname()))
    resolver.datagrams.settimeout(None)
    resolver.start()
    assert ask(resolver, query("example.org")).endswith(ANSWER)


def test_without_any_resolver_the_query_fails_at_once() -> None:
    resolver = Resolver(bound(), {}, ())
    resolver.datagrams.settimeout(None)
    resolver.start()
    assert struct.unpack_from("!6H", ask(resolver, query("example.org")))[1] & 0x0F == 2
