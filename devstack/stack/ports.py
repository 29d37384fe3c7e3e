"""Every port of a stack, derived from one base number."""

import socket
from dataclasses import dataclass

from devstack.errors import StackError
from devstack.stack import names

DEFAULT_BASE = 7440
LAST_OFFSET = 15
LOOPBACK = "127.0.0.1"
HIGHEST_PORT = 65535
LOWEST_UNPRIVILEGED = 1024


@dataclass(frozen=True)
class Ports:
    """The ports of one stack, all on loopback."""

    base: int = DEFAULT_BASE

    def __post_init__(self) -> None:
        if not LOWEST_UNPRIVILEGED <= self.base <= HIGHEST_PORT - LAST_OFFSET:
            highest = HIGHEST_PORT - LAST_OFFSET
            raise StackError(f"The port base must lie between {LOWEST_UNPRIVILEGED} and {highest}, not {self.base}.")

    @property
    def functions(self) -> int:
        """HTTPS of the functions host."""
        return self.base + 3

    @property
    def entra(self) -> int:
        """HTTPS of the Entra look-alike."""
        return self.base + 4

    @property
    def identity(self) -> int:
        """HTTP of the managed-identity endpoint."""
        return self.base + 5

    @property
    def container_groups(self) -> int:
        """HTTPS of the container-group service."""
        return self.base + 6

    @property
    def tokens(self) -> int:
        """HTTPS of the registry's token service."""
        return self.base + 7

    @property
    def vault(self) -> int:
        """HTTPS of the key vault."""
        return self.base + 8

    @property
    def other_registry(self) -> int:
        """HTTPS of the second registry."""
        return self.base + 9

    @property
    def blob(self) -> int:
        """HTTP of Azurite's blob service."""
        return self.base + 10

    @property
    def queue(self) -> int:
        """HTTP of Azurite's queue service."""
        return self.base + 11

    @property
    def table(self) -> int:
        """HTTP of Azurite's table service."""
        return self.base + 12

    @property
    def guest(self) -> int:
        """Left free for a server of one's own, such as a git host: SLIPWAY_ALLOWED_HOSTS lets groups reach it."""
        return self.base + 14

    @property
    def registry(self) -> int:
        """HTTPS of the registry."""
        return self.base + LAST_OFFSET

    def by_purpose(self) -> dict[str, int]:
        """List every port under the words that a person knows it by."""
        return {
            "Azurite blob": self.blob,
            "Azurite queue": self.queue,
            "Azurite table": self.table,
            "registry": self.registry,
            "second registry": self.other_registry,
            "registry token service": self.tokens,
            "Entra": self.entra,
            "key vault": self.vault,
            "managed identity": self.identity,
            "container groups": self.container_groups,
            "functions host": self.functions,
        }

    @property
    def public_url(self) -> str:
        """Base of the functions app."""
        return f"https://localhost:{self.functions}"

    @property
    def vault_host(self) -> str:
        """The host, with its port, in the address of a secret."""
        return f"localhost:{self.vault}"

    @property
    def authority(self) -> str:
        """Base of the Entra look-alike."""
        return f"https://localhost:{self.entra}"

    @property
    def identity_endpoint(self) -> str:
        """The managed-identity endpoint, plain HTTP as in Azure."""
        return f"http://{LOOPBACK}:{self.identity}/msi/token"

    @property
    def resource_manager(self) -> str:
        """Base of the container-group service."""
        return f"https://localhost:{self.container_groups}"

    @property
    def token_realm(self) -> str:
        """Where the registry sends callers for a token."""
        return f"https://localhost:{self.tokens}/oauth2/token"

    @property
    def login_server(self) -> str:
        """The registry's name as images carry it."""
        return f"{names.REGISTRY_HOST}:{self.registry}"

    @property
    def other_login_server(self) -> str:
        """The second registry's name as images carry it."""
        return f"{names.OTHER_REGISTRY_HOST}:{self.other_registry}"


def is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def require_free(ports: Ports) -> None:
    """Raise `StackError` naming each port that somebody else holds."""
    taken = [f"{port} ({purpose})" for purpose, port in ports.by_purpose().items() if not is_free(port)]
    if taken:
        verb = "is" if len(taken) == 1 else "are"
        noun = "Port" if len(taken) == 1 else "Ports"
        raise StackError(
            f"{noun} {', '.join(taken)} {verb} in use by another program; "
            "stop it or choose other ports with --port-base."
        )


def free_base(start: int = DEFAULT_BASE + 1000, step: int = 20) -> int:
    """Find a base whose ports are all free now; raises `StackError` when there is none."""
    for base in range(start, HIGHEST_PORT - LAST_OFFSET, step):
        if all(is_free(port) for port in Ports(base).by_purpose().values()):
            return base
    raise StackError("No range of free loopback ports was found.")
