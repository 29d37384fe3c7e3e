"""The proxy for git knows one method and one kind of address."""

import asyncio

import pytest

from builder.contexts.gate import Gate
from builder.contexts.tunnel import Tunnel
from builder.faults import ContextRefused
from shared.errors import Unavailable
from shared.network import Allowed


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(100):
        writer.write(data)
    writer.close()


async def _ask(tunnel: Tunnel, head: bytes, more: bytes = b"") -> bytes:
    """Send a head and, once it is answered, more; return all that comes back."""
    host, _, port = tunnel.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(head)
    answer = await reader.readuntil(b"\r\n\r\n")
    if more:
        writer.write(more)
    writer.write_eof()
    answer += await reader.read()
    writer.close()
    return answer


def through(head: str, more: bytes = b"", *, allowed: bool = True, limit: int = 10_000) -> tuple[bytes, Tunnel]:
    """Ask a tunnel for a connection to a server that sends everything back."""

    async def scenario() -> tuple[bytes, Tunnel]:
        server = await asyncio.start_server(_echo, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        gate = Gate(Allowed.read([f"localhost:{port}"] if allowed else []))
        async with server, Tunnel(gate, limit) as tunnel:
            return await _ask(tunnel, head.format(port=port).encode(), more), tunnel

    return asyncio.run(asyncio.wait_for(scenario(), 10))


OPEN = "CONNECT localhost:{port} HTTP/1.1\r\nHost: x\r\n\r\n"


def test_an_allowed_connection_is_passed_through() -> None:
    answer, tunnel = through(OPEN, b"hello")
    assert answer == b"HTTP/1.1 200 Connection established\r\n\r\nhello"
    assert tunnel.fault is None


def test_a_connection_that_is_not_allowed() -> None:
    answer, tunnel = through(OPEN, allowed=False)
    assert answer.startswith(b"HTTP/1.1 403 ")
    assert isinstance(tunnel.fault, ContextRefused)


@pytest.mark.parametrize(
    ("head", "words"),
    [
        ("GET http://localhost:{port}/ HTTP/1.1\r\n\r\n", "not https|not a connection"),
        ("CONNECT 169.254.169.254:443 HTTP/1.1\r\n\r\n", "leads to an address inside"),
        ("CONNECT [::1]:443 HTTP/1.1\r\n\r\n", "leads to an address inside"),
        ("CONNECT localhost:22 HTTP/1.1\r\n\r\n", "Port 22"),
        ("CONNECT localhost HTTP/1.1\r\n\r\n", "Port 0"),
        ("CONNECT localhost:x HTTP/1.1\r\n\r\n", "not a connection"),
        ("CONNECT\r\n\r\n", "not a connection"),
        ("\r\n\r\n", "not a connection"),
        ("CONNECT {port}" + "x" * 40_000 + "\r\n\r\n", "not a connection"),
    ],
)
def test_anything_else_is_refused(head: str, words: str) -> None:
    answer, tunnel = through(head)
    assert answer.startswith(b"HTTP/1.1 403 ")
    assert tunnel.fault
    with pytest.raises(ContextRefused, match=words):
        raise tunnel.fault


def test_what_comes_in_is_limited() -> None:
    answer, tunnel = through(OPEN, b"x" * 50_000, limit=20_000)
    assert len(answer) <= 20_100
    assert str(tunnel.fault) == "the repository is larger than 20000 bytes"


def test_a_host_that_does_not_answer() -> None:
    async def scenario() -> Tunnel:
        listener = await asyncio.start_server(_echo, "127.0.0.1", 0)
        port = listener.sockets[0].getsockname()[1]
        listener.close()
        await listener.wait_closed()
        async with Tunnel(Gate(Allowed.read([f"localhost:{port}"])), 1000) as tunnel:
            await _ask(tunnel, f"CONNECT localhost:{port} HTTP/1.1\r\n\r\n".encode())
            return tunnel

    assert isinstance(asyncio.run(scenario()).fault, Unavailable)
