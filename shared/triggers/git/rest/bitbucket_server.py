"""Bitbucket Data Center. Source: Atlassian's REST API 1.0 description of webhooks and commit builds (7.4 and later)."""

from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final

import httpx

from shared.triggers.git.rest.bitbucket_cloud import authorization
from shared.triggers.git.rest.door import Answer, Door, segment
from shared.triggers.git.rest.model import CommitStatus, HookWanted, NoApi, Refused, State

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


@dataclass(frozen=True, slots=True)
class BitbucketServer:
    """A repository of a project; `~name` is somebody's own project."""

    door: Door
    project: str
    name: str

    @property
    def _base(self) -> str:
        return f"/projects/{segment(self.project)}/repos/{segment(self.name)}"

    def find_hook(self, url: str) -> str | None:
        """Answer the hook that delivers to an address, or None."""
        start = 0
        for _ in range(_MOST_PAGES):
            answer = self._ask("GET", "/webhooks", limit=str(_PAGE), start=str(start))
            page = answer.body if isinstance(answer.body, dict) else {}
            found = next((hook for hook in answer.listed("values") if hook.get("url") == url), None)
            if found or page.get("isLastPage", True):
                return str(found["id"]) if found else None
            start = int(page["nextPageStart"])
        return None

    def make_hook(self, hook: HookWanted) -> str:
        """Make a hook for pushes and pull requests."""
        return self._ask("POST", "/webhooks", _hook(hook)).member("id")

    def renew_hook(self, remote: str, hook: HookWanted) -> None:
        """Give a hook another secret."""
        self._ask("PUT", f"/webhooks/{segment(remote)}", _hook(hook))

    def delete_hook(self, remote: str) -> None:
        """Remove a hook; one that is gone already is fine."""
        answer = self.door.ask("DELETE", f"{self._base}/webhooks/{segment(remote)}")
        if not answer.is_good and answer.status != HTTPStatus.NOT_FOUND:
            raise self._refusal(answer)

    def set_status(self, commit: str, status: CommitStatus) -> None:
        """Set the build of a commit."""
        body = {
            "key": status.context,
            "state": _STATES[status.state],
            "name": status.context,
            "url": status.link,
            "description": status.shown,
        }
        self._ask("POST", f"/commits/{segment(commit)}/builds", body)

    def redeliver(self, remote: str, since: datetime) -> int:
        """Do nothing: Data Center keeps only the last delivery of a hook."""
        del remote, since
        return 0

    def _ask(self, method: str, rest: str, body: object = None, **query: str) -> Answer:
        answer = self.door.ask(method, f"{self._base}{rest}", body, **query)
        if not answer.is_good:
            raise self._refusal(answer)
        return answer

    def _refusal(self, answer: Answer) -> Refused | NoApi:
        if answer.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN} and answer.body is not None:
            return self.door.refusal(answer, "the token lacks the permission repository admin, or is not valid there")
        if answer.status == HTTPStatus.NOT_FOUND and answer.body is not None:
            why = f"there is no repository {self.project}/{self.name}, or the token may not see it"
            return self.door.refusal(answer, why)
        return self.door.refusal(answer)


def _hook(hook: HookWanted) -> dict[str, Any]:
    return {
        "name": "Slipway",
        "url": hook.url,
        "active": True,
        "events": list(EVENTS),
        "configuration": {"secret": hook.secret},
    }
