"""Gitea and Forgejo. Source: their API description (`/api/v1`) of repository hooks and statuses."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final

import httpx

from shared.triggers.git.rest.door import Answer, Door, segment
from shared.triggers.git.rest.model import CommitStatus, HookWanted, NoApi, Refused, State

_EVENTS: Final = ("push", "create", "pull_request", "pull_request_sync")
_STATES: Final = {
    State.QUEUED: "pending",
    State.RUNNING: "pending",
    State.SUCCEEDED: "success",
    State.FAILED: "failure",
    State.CANCELED: "warning",
    State.ERROR: "error",
}
_PAGE: Final = 50
_MOST_PAGES: Final = 10
_SCOPE: Final = re.compile(r"required scope\(s\)[^\[]*\[([^\]]+)\]")


def door(client: httpx.Client, host: str, token: str) -> Door:
    """Return the way to a Gitea."""
    return Door(client, f"https://{host}/api/v1", {"Authorization": f"token {token}"})


@dataclass(frozen=True, slots=True)
class Gitea:
    """A repository of a Gitea."""

    door: Door
    owner: str
    name: str

    @property
    def _base(self) -> str:
        return f"/repos/{segment(self.owner)}/{segment(self.name)}"

    def find_hook(self, url: str) -> str | None:
        """Answer the hook that delivers to an address, or None."""
        for page in range(1, _MOST_PAGES + 1):
            answer = self._ask("GET", "/hooks", limit=str(_PAGE), page=str(page))
            hooks = answer.listed()
            found = next((hook for hook in hooks if _address(hook) == url), None)
            if found or not hooks:
                return str(found["id"]) if found else None
        return None

    def make_hook(self, hook: HookWanted) -> str:
        """Make a hook for pushes and pull requests."""
        return self._ask("POST", "/hooks", {"type": "gitea", **_hook(hook)}).member("id")

    def renew_hook(self, remote: str, hook: HookWanted) -> None:
        """Give a hook another secret."""
        self._ask("PATCH", f"/hooks/{segment(remote)}", _hook(hook))

    def delete_hook(self, remote: str) -> None:
        """Remove a hook; one that is gone already is fine."""
        answer = self.door.ask("DELETE", f"{self._base}/hooks/{segment(remote)}")
        if not answer.is_good and answer.status != HTTPStatus.NOT_FOUND:
            raise self._refusal(answer)

    def set_status(self, commit: str, status: CommitStatus) -> None:
        """Set the status of a commit."""
        body = {
            "state": _STATES[status.state],
            "context": status.context,
            "target_url": status.link,
            "description": status.shown,
        }
        self._ask("POST", f"/statuses/{segment(commit)}", body)

    def redeliver(self, remote: str, since: datetime) -> int:
        """Do nothing: Gitea keeps its deliveries to itself."""
        del remote, since
        return 0

    def _ask(self, method: str, rest: str, body: object = None, **query: str) -> Answer:
        answer = self.door.ask(method, f"{self._base}{rest}", body, **query)
        if not answer.is_good:
            raise self._refusal(answer)
        return answer

    def _refusal(self, answer: Answer) -> Refused | NoApi:
        if answer.status == HTTPStatus.FORBIDDEN:
            found = _SCOPE.search(answer.words)
            lacking = f"the token lacks {found[1]}" if found else "the token's owner is not an administrator there"
            return self.door.refusal(answer, lacking)
        if answer.status == HTTPStatus.NOT_FOUND and answer.body is not None:
            why = f"there is no repository {self.owner}/{self.name}, or the token may not see it"
            return self.door.refusal(answer, why)
        return self.door.refusal(answer)


def _address(hook: Mapping[str, Any]) -> str:
    """Return where a hook of the host's list delivers to."""
    config = hook.get("config")
    return str(config.get("url", "")) if isinstance(config, dict) else ""


def _hook(hook: HookWanted) -> dict[str, Any]:
    config = {"url": hook.url, "content_type": "json", "secret": hook.secret}
    return {"active": True, "events": list(_EVENTS), "config": config}
