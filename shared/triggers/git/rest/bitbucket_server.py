"""Bitbucket Data Center. Source: Atlassian's REST API 1.0 description of webhooks and commit builds (7.4 and later)."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

import httpx

from shared.triggers.git.rest.bitbucket_cloud import authorization
from shared.triggers.git.rest.door import Answer, Door, segment
from shared.triggers.git.rest.model import CommitStatus, HookWanted, NoApi, Refused, State
from shared.triggers.git.rest.repository import Repository

EVENTS: Final = (
    "repo:refs_changed",
    "pr:opened",
    "pr:from_ref_updated",
    "pr:modified",
    "pr:merged",
    "pr:declined",
    "pr:deleted",
)
_STATES: Final = {
    State.QUEUED: "INPROGRESS",
    State.RUNNING: "INPROGRESS",
    State.SUCCEEDED: "SUCCESSFUL",
    State.FAILED: "FAILED",
    State.CANCELED: "FAILED",
    State.ERROR: "FAILED",
}
_PAGE: Final = 100
_MOST_PAGES: Final = 5


def door(client: httpx.Client, place: str, token: str) -> Door:
    """Return the way to a Bitbucket; `place` is its host, and the path that it is installed below, if any."""
    return Door(client, f"https://{place}/rest/api/1.0", {"Authorization": authorization(token)})


@dataclass(frozen=True)
class BitbucketServer(Repository):
    """A repository of a project; `~name` is somebody's own project."""

    hooks = "/webhooks"
    renewing = "PUT"
    project: str
    name: str

    @property
    def base(self) -> str:
        """The repository's path below the API's own."""
        return f"/projects/{segment(self.project)}/repos/{segment(self.name)}"

    def hook_body(self, hook: HookWanted) -> dict[str, Any]:
        """Return a hook as the host wants it."""
        return {
            "name": "Slipway",
            "url": hook.url,
            "active": True,
            "events": list(EVENTS),
            "configuration": {"secret": hook.secret},
        }

    def find_hook(self, url: str) -> str | None:
        """Answer the hook that delivers to an address, or None."""
        start = 0
        for _ in range(_MOST_PAGES):
            answer = self.ask("GET", "/webhooks", limit=str(_PAGE), start=str(start))
            page = answer.body if isinstance(answer.body, dict) else {}
            found = next((hook for hook in answer.listed("values") if hook.get("url") == url), None)
            if found or page.get("isLastPage", True):
                return str(found["id"]) if found else None
            start = int(page["nextPageStart"])
        return None

    def set_status(self, commit: str, status: CommitStatus) -> None:
        """Set the build of a commit."""
        body = {
            "key": status.context,
            "state": _STATES[status.state],
            "name": status.context,
            "url": status.link,
            "description": status.shown,
        }
        self.ask("POST", f"/commits/{segment(commit)}/builds", body)

    def refusal(self, answer: Answer) -> Refused | NoApi:
        """Name what the token lacks."""
        if answer.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN} and answer.body is not None:
            return self.door.refusal(answer, "the token lacks the permission repository admin, or is not valid there")
        if answer.status == HTTPStatus.NOT_FOUND and answer.body is not None:
            why = f"there is no repository {self.project}/{self.name}, or the token may not see it"
            return self.door.refusal(answer, why)
        return self.door.refusal(answer)
