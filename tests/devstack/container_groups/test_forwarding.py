import hashlib
import os
import socket
import threading
from collections.abc import Iterator

import pytest

from devstack.container_groups.shim.forwarding import new_forwarding
from devstack.container_groups.shim.network import Forward

SIZE = 8 * 1024**2


@pytest.fixture
def echo() -> Iterator[int]:
    """Serve every connection by sending the digest of all that came, once the sender has ended."""
    server = socket.create_server(("127.0.0.1", 0))

    def answer(connection: socket.socket) -> None:
        with connection:
            whole = hashlib.sha256()
            while data := connection.recv(65_536):
                whole.update(data)
            connection.sendall(whole.digest() + bytes(SIZE))

    def accept() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    yield server.getsockname()[1]
    server.shutdown(socket.SHUT_RDWR)
    server.close()


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server
        server.shutdown(socket.SHUT_RDWR)


def received(connection: socket.socket) -> bytes:
    data = bytearray()
    while part := connection.recv(1 << 20):
        data += part
    return bytes(data)


def test_both_directions_arrive_whole_with_a_half_close_between(echo: int, listener: socket.socket) -> None:
    new_forwarding().serve(Forward("", 0, "127.0.0.1", echo), listener)
    data = os.urandom(SIZE)
    with socket.create_connection(listener.getsockname(), timeout=20) as client:
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        answer = received(client)
    assert answer == hashlib.sha256(data).digest() + bytes(SIZE)


def test_many_connections_at_once(echo: int, listener: socket.socket) -> None:
    new_forwarding().serve(Forward("", 0, "127.0.0.1", echo), listener)
    clients = [socket.create_connection(listener.getsockname(), timeout=20) for _ in range(20)]
    for number, client in enumerate(clients):
        client.sendall(bytes([number]))
        client.shutdown(socket.SHUT_WR)
    for number, client in enumerate(clients):
        with client:
            assert received(client)[:32] == hashlib.sha256(bytes([number])).digest()


def test_an_absent_target_ends_the_connection(listener: socket.socket) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    new_forwarding().serve(Forward("", 0, "127.0.0.1", port), listener)
    with socket.create_connection(listener.getsockname(), timeout=20) as client:
        assert client.recv(1) == b""
