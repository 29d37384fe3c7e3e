"""The contract of a git host's receiver."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from shared.triggers.git.events import Delivery

MAX_BODY = 25 * 1024 * 1024
"""Bytes of a body: GitHub sends none that is larger."""

Headers = Mapping[str, str]
"""The headers of a request; names in any case."""


@dataclass(frozen=True)
class Verification:
    """Whether a delivery was sent by somebody who holds the hook's secret; as a bool, just that."""

    reason: str = ""
    """Why not, for the operator's log; never for the caller."""
    secret: int = 0
    """Which of the secrets it was: during a rotation this tells when the host uses the new one."""
    signed_at: datetime | None = None
    """When the host signed the request, where it signs that, too."""

    def __bool__(self) -> bool:
        return not self.reason


class GitHost(Protocol):
    """Reads the deliveries of one kind of host.

    Both methods are pure and may be called from several threads. They take whatever arrives: a header or a
    member that is missing, repeated or of another type than documented is as if it had not been told.
    """

    def verify(self, headers: Headers, body: bytes, secrets: Sequence[str]) -> Verification:
        """Judge who sent a body, by its raw bytes and in constant time; never raises.

        `secrets` are those in use, two during a rotation. None at all, and an empty one, verify nothing.
        """
        ...

    def parse(self, headers: Headers, body: bytes) -> Delivery:
        """Say what a body means. Raises InvalidRequest (nothing that can be read) or TooLarge (over `MAX_BODY`)."""
        ...

    def key(self, headers: Headers, body: bytes) -> str:
        """Answer 64 hexadecimal digits that are the same for each repetition of one delivery, and for no other."""
        ...
