"""A group's network namespace: its loopback, the listeners inside it, and its way to the internet.

`slirp4netns` carries the traffic in user space, so nothing of the host's firewall, forwarding or
addresses changes. The host's own addresses and the link-local range (cloud metadata services) are
unreachable by route; the root user of a privileged group could delete these routes, a build step cannot.
"""

import contextlib
import fcntl
import os
import socket
import struct
import subprocess
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

DNS_PORT = 53

_SIOCADDRT = 0x890B
_SIOCSIFADDR = 0x8916
_SIOCSIFFLAGS = 0x8914
_SIOCSIFNETMASK = 0x891C
_IFF_UP = 0x1
_RTF_UP_REJECT = 0x1 | 0x200
_LINK_LOCAL = ("169.254.0.0", "255.255.0.0")
_NO_GATEWAY = bytes(16)
_BACKLOG = 128


@dataclass(frozen=True)
class Forward:
    """A listener inside the namespace and the host's address that it leads to."""

    listen_address: str
    port: int
    target_host: str
    target_port: int


@dataclass(frozen=True)
class NetworkPlan:
    """What every group of this service finds in its namespace.

    `resolver` is the address of the group's DNS server, `hosts` are the names that it answers itself.
    """

    forwards: tuple[Forward, ...]
    hosts: dict[str, str]
    resolver: str


@dataclass(frozen=True)
class Network:
    """An open namespace. It lives as long as `namespace` (an open file) or a process in it does."""

    namespace: int
    listeners: tuple[tuple[Forward, socket.socket], ...]
    dns_datagrams: socket.socket
    dns_streams: socket.socket


def open_network(plan: NetworkPlan) -> Network:
    """Make a namespace with all listeners of `plan` bound; the caller's own namespace stays as it is."""
    host_addresses = own_addresses()

    def make() -> Network:
        os.unshare(os.CLONE_NEWNET)
        local = {forward.listen_address for forward in plan.forwards} | {plan.resolver}
        _raise_loopback(sorted(address for address in local if not address.startswith("127.")))
        _reject(*_LINK_LOCAL)
        for address in host_addresses:
            _reject(address, "255.255.255.255")
        return Network(
            namespace=os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC),
            listeners=tuple((forward, _listen(forward.listen_address, forward.port)) for forward in plan.forwards),
            dns_datagrams=_bind(plan.resolver, DNS_PORT),
            dns_streams=_listen(plan.resolver, DNS_PORT),
        )

    return _on_own_thread(make)


def connect_internet(network: Network, log: Path) -> subprocess.Popen[bytes]:
    """Give the namespace a default route through `slirp4netns`, which ends when this process does."""
    ready_read, ready_write = os.pipe()
    exit_read, _held_open = os.pipe()
    with log.open("ab") as errors:
        process = subprocess.Popen(
            [
                "slirp4netns", "--configure", "--mtu=65520", "--disable-host-loopback", "--disable-dns",
                "--enable-sandbox", "--enable-seccomp", f"--ready-fd={ready_write}", f"--exit-fd={exit_read}",
                "--netns-type=path", f"/proc/self/fd/{network.namespace}", "tap0",
            ],
            pass_fds=(ready_write, exit_read, network.namespace),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors,
        )  # fmt: skip
    os.close(ready_write)
    os.close(exit_read)
    with open(ready_read, "rb") as ready:  # noqa: PTH123 - a file descriptor, not a path
        if not ready.read(1):
            raise OSError("slirp4netns did not bring the group's network up")
    return process


def _on_own_thread[T](make: Callable[[], T]) -> T:
    """Run `make` on a thread of its own, for what the kernel keeps per thread."""
    results: list[T] = []
    failures: list[BaseException] = []

    def run() -> None:
        try:
            results.append(make())
        except OSError as error:
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failures:
        raise failures[0]
    return results[0]


def _raise_loopback(extra: Iterable[str]) -> None:
    with _control() as control:
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", _IFF_UP))
        for number, address in enumerate(extra, start=1):
            label = f"lo:{number}".encode()
            fcntl.ioctl(control, _SIOCSIFADDR, struct.pack("16s16s", label, _sockaddr(address)))
            fcntl.ioctl(control, _SIOCSIFNETMASK, struct.pack("16s16s", label, _sockaddr("255.255.255.255")))


def _reject(destination: str, mask: str) -> None:
    """Add an unreachable route (`struct rtentry` of linux/route.h)."""
    route = struct.pack(
        "L16s16s16sHhLPhPLLH6x",
        0, _sockaddr(destination), _NO_GATEWAY, _sockaddr(mask), _RTF_UP_REJECT, 0, 0, 0, 0, 0, 0, 0, 0,
    )  # fmt: skip
    with _control() as control, contextlib.suppress(FileExistsError):
        fcntl.ioctl(control, _SIOCADDRT, route)


def own_addresses() -> set[str]:
    """Return the host's IPv4 addresses other than loopback ones, as the kernel's local routes list them."""
    found: set[str] = set()
    previous = ""
    for line in Path("/proc/net/fib_trie").read_text(encoding="ascii").splitlines():
        if "/32 host LOCAL" in line:
            found.add(previous.removeprefix("|-- "))
        previous = line.strip()
    return {address for address in found if not address.startswith("127.")}


def _control() -> socket.socket:
    return socket.socket(socket.AF_INET, socket.SOCK_DGRAM)


def _sockaddr(address: str) -> bytes:
    return struct.pack("HH4s8x", socket.AF_INET, 0, socket.inet_aton(address))


def _listen(address: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((address, port))
    listener.listen(_BACKLOG)
    return listener


def _bind(address: str, port: int) -> socket.socket:
    bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    bound.bind((address, port))
    return bound
