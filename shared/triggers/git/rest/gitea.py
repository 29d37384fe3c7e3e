"""Gitea and Forgejo. Source: their API description (`/api/v1`) of repository hooks and statuses."""

import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

import httpx

from shared.triggers.git.rest.door import Answer, Door, segment
from shared.triggers.git.rest.model import CommitStatus, HookWanted, NoApi, Refused, State
from shared.triggers.git.rest.repository import Repository, configured

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
_SCOPE: Final = re.compile(r"required scope\(s\)[^\[]*\[([^\]]+)\]")


def door(client: httpx.Client, host: str, token: str) -> Door:
    """Return the way to a Gitea."""
    return Door(client, f"https://{host}/api/v1", {"Authorization": f"token {token}"})


@dataclass(frozen=True)
class Gitea(Repository):
    """A repository of a Gitea."""

    only_when_made = "type"
    owner: str
    name: str

    @property
    def base(self) -> str:
        """The repository's path below the API's own."""
        return f"/repos/{segment(self.owner)}/{segment(self.name)}"

    def hook_body(self, hook: HookWanted) -> dict[str, Any]:
        """Return a hook as the host wants it."""
        config = {"url": hook.url, "content_type": "json", "secret": hook.secret}
        return {"type": "gitea", "active": True, "events": list(_EVENTS), "config": config}

    def find_hook(self, url: str) -> str | None:
        """Answer the hook that delivers to an address, or None."""
        # A server may send fewer than it is asked for.
        return self.hook_in_pages(url, {"limit": str(_PAGE)}, configured, 1)

    def set_status(self, commit: str, status: CommitStatus) -> None:
        """Set the status of a commit."""
        body = {
            "state": _STATES[status.state],
            "context": status.context,
            "target_url": status.link,
            "description": status.shown,
        }
        self.ask("POST", f"/statuses/{segment(commit)}", body)

    def refusal(self, answer: Answer) -> Refused | NoApi:
        """Name the scope that the host says is required."""
        if answer.status == HTTPStatus.FORBIDDEN:
            found = _SCOPE.search(answer.words)
            lacking = f"the token lacks {found[1]}" if found else "the token's owner is not an administrator there"
            return self.door.refusal(answer, lacking)
        if answer.status == HTTPStatus.NOT_FOUND and answer.body is not None:
            why = f"there is no repository {self.owner}/{self.name}, or the token may not see it"
            return self.door.refusal(answer, why)
        return self.door.refusal(answer)
