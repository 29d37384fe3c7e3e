"""What the APIs of most hosts have in common: hooks in a list below a repository, all made and removed alike."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any, ClassVar, Final

from shared.triggers.git.rest.door import Answer, Door, segment
from shared.triggers.git.rest.model import HookWanted, NoApi, Refused

_MOST_PAGES: Final = 10
_GONE: Final = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.GONE})


@dataclass(frozen=True)
class Repository(ABC):
    """A repository at a host; `HostApi` tells what its methods do."""

    door: Door
    hooks: ClassVar[str] = "/hooks"
    renewing: ClassVar[str] = "PATCH"
    id_name: ClassVar[str] = "id"
    only_when_made: ClassVar[str] = ""
    """A member that a hook is made with and that does not change."""

    @property
    @abstractmethod
    def base(self) -> str:
        """The repository's path below the API's own."""

    @abstractmethod
    def hook_body(self, hook: HookWanted) -> dict[str, Any]:
        """Return a hook as the host wants it."""

    @abstractmethod
    def refusal(self, answer: Answer) -> Refused | NoApi:
        """Answer what a refusal is raised as, naming what the token lacks."""

    def hook_in_pages(
        self, url: str, size: Mapping[str, str], address: Callable[[Mapping[str, Any]], str], least: int
    ) -> str | None:
        """Answer the hook that delivers to an address, in the host's pages; one of fewer than `least` is the last."""
        for page in range(1, _MOST_PAGES + 1):
            hooks = self.ask("GET", self.hooks, **size, page=str(page)).listed()
            found = next((hook for hook in hooks if address(hook) == url), None)
            if found or len(hooks) < least:
                return str(found[self.id_name]) if found else None
        return None

    def make_hook(self, hook: HookWanted) -> str:
        """Make a hook for pushes and pull requests."""
        return self.ask("POST", self.hooks, self.hook_body(hook)).member(self.id_name)

    def renew_hook(self, remote: str, hook: HookWanted) -> None:
        """Give a hook another secret."""
        body = {name: value for name, value in self.hook_body(hook).items() if name != self.only_when_made}
        self.ask(self.renewing, f"{self.hooks}/{segment(remote)}", body)

    def delete_hook(self, remote: str) -> None:
        """Remove a hook; one that is gone already is fine."""
        answer = self.door.ask("DELETE", f"{self.base}{self.hooks}/{segment(remote)}")
        if not answer.is_good and answer.status not in _GONE:
            raise self.refusal(answer)

    def redeliver(self, remote: str, since: datetime) -> int:
        """Do nothing: most hosts keep their deliveries to themselves."""
        del remote, since
        return 0

    def ask(self, method: str, rest: str, body: object = None, **query: str) -> Answer:
        """Send one request that must be done. Raises what `refusal` answers, or Unavailable."""
        answer = self.door.ask(method, f"{self.base}{rest}", body, **query)
        if not answer.is_good:
            raise self.refusal(answer)
        return answer


def configured(hook: Mapping[str, Any]) -> str:
    """Return where a hook delivers to, at hosts that put that into its `config`."""
    config = hook.get("config")
    return str(config.get("url", "")) if isinstance(config, dict) else ""
