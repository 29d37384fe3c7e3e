"""What is asked of a git host, whatever its API. Pure."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final, Protocol

from shared.errors import SlipwayError

MAX_DESCRIPTION: Final = 140
"""Characters of a status's description: GitHub's limit, the lowest of all."""
_SHOWN: Final = "…"


class Refused(SlipwayError):
    """The host answered that it will not do this; asking again unchanged cannot help. The message says why."""

    status = 400
    code = "GitHostRefused"


class NoApi(SlipwayError):
    """What answers at the address does not speak the host's API: a plain git server."""

    status = 400
    code = "GitHostUnknown"


@dataclass(frozen=True, slots=True)
class HookWanted:
    """A hook as it is to be at the host: where deliveries go, and by what they prove where they come from."""

    url: str
    secret: str = field(repr=False)


class State(StrEnum):
    """How far a run is, in the words of statuses."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class CommitStatus:
    """What a commit's status says. `context` tells statuses of one commit apart; `link` leads to the run."""

    state: State
    context: str
    description: str
    link: str

    @property
    def shown(self) -> str:
        """The description, cut to what every host takes."""
        text = self.description
        return text if len(text) <= MAX_DESCRIPTION else text[: MAX_DESCRIPTION - 1] + _SHOWN


class HostApi(Protocol):
    """One repository at one git host, with one token.

    Every method raises Refused or NoApi for an answer that will stay, and Unavailable for one that may pass. A hook
    is named by a text of the host's, which may stand for several of its own subscriptions.
    """

    def find_hook(self, url: str) -> str | None:
        """Answer the hook that delivers to an address, or None."""
        ...

    def make_hook(self, hook: HookWanted) -> str:
        """Make a hook for pushes and pull requests."""
        ...

    def renew_hook(self, remote: str, hook: HookWanted) -> None:
        """Give a hook another secret."""
        ...

    def delete_hook(self, remote: str) -> None:
        """Remove a hook; one that is gone already is fine."""
        ...

    def set_status(self, commit: str, status: CommitStatus) -> None:
        """Set the status of a commit."""
        ...

    def redeliver(self, remote: str, since: datetime) -> int:
        """Have deliveries since a moment that did not arrive sent once more, where the host can; answer how many."""
        ...
