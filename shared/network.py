"""Which addresses may be called on behalf of somebody else: the public internet, and what an operator allows.

A name is judged by every address that it resolves to, never by its text, and the caller connects to the very
address that was judged. Pure rules; who resolves and connects is elsewhere.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, Self
from urllib.parse import urlsplit

from shared.errors import InvalidRequest

HTTPS_PORT: Final = 443

type Address = IPv4Address | IPv6Address
type Network = IPv4Network | IPv6Network


class Reach(Enum):
    """Where an address leads: to everybody, into somebody's own network, or to what nobody may call for others."""

    PUBLIC = auto()
    INNER = auto()
    NEVER = auto()


_NEVER: Final[tuple[Network, ...]] = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8",
        "100.100.100.200/32",  # the metadata service of Alibaba Cloud
        "168.63.129.16/32",  # the platform address of Azure
        "169.254.0.0/16",  # link-local, with the metadata services of most clouds
        "192.0.0.0/24",
        "192.88.99.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "::/96",  # IPv4-compatible and unspecified; ::1 is inner, see below
        "64:ff9b:1::/48",  # local NAT64: whose translation it is cannot be known
        "2001::/32",  # Teredo
        "2002::/16",  # 6to4
        "fd00:ec2::254/128",  # the metadata service of AWS
        "fe80::/10",
        "fec0::/10",
        "ff00::/8",
    )
)
_INNER: Final[tuple[Network, ...]] = tuple(
    ip_network(text)
    for text in (
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "fc00::/7",
    )
)
_HOST: Final = re.compile(r"[a-z0-9._-]+|[0-9a-f:.]+", re.IGNORECASE)
_LOOPBACK6: Final = IPv6Address("::1")
_NAT64: Final = IPv6Network("64:ff9b::/96")


def reach(address: Address) -> Reach:
    """Tell where an address leads; one that carries an IPv4 address leads where that one does."""
    if isinstance(address, IPv6Address):
        if address == _LOOPBACK6:
            return Reach.INNER
        carried = _carried(address)
        if carried:
            return reach(carried)
    if _within(address, _NEVER):
        return Reach.NEVER
    if _within(address, _INNER):
        return Reach.INNER
    return Reach.PUBLIC if address.is_global else Reach.NEVER


def _carried(address: IPv6Address) -> IPv4Address | None:
    if address.ipv4_mapped:
        return address.ipv4_mapped
    return IPv4Address(int(address) & 0xFFFFFFFF) if address in _NAT64 else None


def _within(address: Address, networks: Iterable[Network]) -> bool:
    return any(address.version == network.version and address in network for network in networks)


@dataclass(frozen=True, slots=True)
class Target:
    """A host, in lower case, and a port that may be called if its addresses may."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Allowed:
    """What an operator allows beside port 443 of public addresses: hosts with a port, and networks."""

    targets: frozenset[Target] = frozenset()
    networks: tuple[Network, ...] = ()

    @classmethod
    def read(cls, entries: Iterable[str]) -> Self:
        """Read entries: `git.corp.example` (port 443), `git.corp.example:8443`, `10.1.0.0/16`, `[fd00::1]:8443`.

        Raises InvalidRequest that names the entry.
        """
        targets, networks = set[Target](), list[Network]()
        for entry in entries:
            network = _network(entry)
            if network:
                networks.append(network)
            else:
                targets.add(_target(entry))
        return cls(frozenset(targets), tuple(networks))

    def check_url(self, url: str) -> Target:
        """Return what a URL calls. Raises InvalidRequest, without quoting it, unless it is https on an open port."""
        try:
            parts = urlsplit(url)
            target = Target((parts.hostname or "").lower().rstrip("."), parts.port or HTTPS_PORT)
        except ValueError:
            raise InvalidRequest("An address cannot be read.") from None
        if parts.scheme != "https":
            raise InvalidRequest("Only https addresses are called.")
        return self.check_target(target)

    def check_target(self, target: Target) -> Target:
        """Return the target. Raises InvalidRequest where its port is not open to everybody and not allowed."""
        if not _HOST.fullmatch(target.host):
            raise InvalidRequest("An address names no host.")
        if target.port != HTTPS_PORT and target not in self.targets:
            raise InvalidRequest(
                f"Port {target.port} of {target.host} is not called: only port {HTTPS_PORT} is,"
                " unless an operator allows it (SLIPWAY_ALLOWED_HOSTS)."
            )
        return target

    def check_addresses(self, target: Target, addresses: Iterable[str]) -> tuple[str, ...]:
        """Return the addresses that a target resolved to.

        Raises InvalidRequest if there is none, and if any one of them must not be called: a name that leads
        inside now and then is not called at all.
        """
        found = tuple(dict.fromkeys(addresses))
        if not found:
            raise InvalidRequest(f"The host {target.host} has no address.")
        for text in found:
            if not self._permits(target, ip_address(text.partition("%")[0])):
                raise InvalidRequest(
                    f"The host {target.host} is not called: it leads to an address inside a network,"
                    " which only an operator can allow (SLIPWAY_ALLOWED_HOSTS)."
                )
        return found

    def _permits(self, target: Target, address: Address) -> bool:
        match reach(address):
            case Reach.PUBLIC:
                return True
            case Reach.INNER:
                return target in self.targets or _within(address, self.networks)
            case Reach.NEVER:
                return False


def _network(entry: str) -> Network | None:
    try:
        return ip_network(entry)
    except ValueError:
        return None


def _target(entry: str) -> Target:
    try:
        parts = urlsplit(f"//{entry}")
        target = Target((parts.hostname or "").rstrip("."), parts.port or HTTPS_PORT)
    except ValueError:
        target = Target("", 0)
    if not target.host or any(mark in entry for mark in "/@?#* \\"):
        raise InvalidRequest(f"'{entry}' is neither a host, nor a host with a port, nor a network such as 10.0.0.0/8.")
    return target
