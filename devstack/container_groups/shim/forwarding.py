"""Carry TCP connections from a group's namespace to the host, inside the kernel (splice)."""

import contextlib
import fcntl
import os
import socket
import threading
from dataclasses import dataclass

from devstack.container_groups.shim.network import Forward

_CHUNK = 1 << 20
_CONNECT_SECONDS = 5.0
_CONNECTIONS = 256
"""At once in one group; more wait in the listener's backlog. Each holds two threads and two pipes."""


@dataclass(frozen=True)
class Forwarding:
    """The running forwards of one group."""

    slots: threading.BoundedSemaphore

    def serve(self, forward: Forward, listener: socket.socket) -> None:
        """Accept connections on `listener` for ever, on a thread of its own."""
        threading.Thread(target=self._accept, args=(forward, listener), daemon=True).start()

    def _accept(self, forward: Forward, listener: socket.socket) -> None:
        while True:
            self.slots.acquire()
            try:
                inner, _ = listener.accept()
            except OSError:
                self.slots.release()
                return
            threading.Thread(target=self._carry, args=(forward, inner), daemon=True).start()

    def _carry(self, forward: Forward, inner: socket.socket) -> None:
        try:
            with inner, contextlib.suppress(OSError):
                target = (forward.target_host, forward.target_port)
                with socket.create_connection(target, timeout=_CONNECT_SECONDS) as outer:
                    _join(inner, outer)
        finally:
            self.slots.release()


def new_forwarding() -> Forwarding:
    """Return a forwarding without connections."""
    return Forwarding(threading.BoundedSemaphore(_CONNECTIONS))


def _join(inner: socket.socket, outer: socket.socket) -> None:
    for end in (inner, outer):
        end.settimeout(None)
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        end.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    answers = threading.Thread(target=_pump, args=(outer, inner), daemon=True)
    answers.start()
    _pump(inner, outer)
    answers.join()


def _pump(source: socket.socket, target: socket.socket) -> None:
    """Move bytes until `source` ends, then end `target`; a fault ends both directions."""
    pipe_read, pipe_write = os.pipe()
    try:
        fcntl.fcntl(pipe_write, fcntl.F_SETPIPE_SZ, _CHUNK)
        while count := os.splice(source.fileno(), pipe_write, _CHUNK):
            while count:
                count -= os.splice(pipe_read, target.fileno(), count)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
    finally:
        os.close(pipe_read)
        os.close(pipe_write)
