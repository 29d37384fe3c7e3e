"""Bitbucket Cloud. Source: Atlassian's REST API 2.0 description of repository webhooks and build statuses."""

import base64
import hashlib
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

import httpx

from shared.triggers.git.rest.door import Answer, Door, segment
from shared.triggers.git.rest.model import CommitStatus, HookWanted, NoApi, Refused, State
from shared.triggers.git.rest.repository import Repository

EVENTS: Final = (
    "repo:push",
    "pullrequest:created",
    "pullrequest:updated",
    "pullrequest:fulfilled",
    "pullrequest:rejected",
)
_STATES: Final = {
    State.QUEUED: "INPROGRESS",
    State.RUNNING: "INPROGRESS",
    State.SUCCEEDED: "SUCCESSFUL",
    State.FAILED: "FAILED",
    State.CANCELED: "STOPPED",
    State.ERROR: "FAILED",
}
_PAGE: Final = 100
_MOST_PAGES: Final = 5
_KEY_LENGTH: Final = 40


def authorization(token: str) -> str:
    """Return the header for a token; `user:password` (an app password) goes as basic authentication."""
    if ":" in token:
        return f"Basic {base64.b64encode(token.encode()).decode()}"
    return f"Bearer {token}"


def door(client: httpx.Client, token: str) -> Door:
    """Return the way to Bitbucket Cloud."""
    return Door(client, "https://api.bitbucket.org/2.0", {"Authorization": authorization(token)})


@dataclass(frozen=True)
class BitbucketCloud(Repository):
    """A repository of a workspace."""

    renewing = "PUT"
    id_name = "uuid"
    workspace: str
    name: str

    @property
    def base(self) -> str:
        """The repository's path below the API's own."""
        return f"/repositories/{segment(self.workspace)}/{segment(self.name)}"

    def hook_body(self, hook: HookWanted) -> dict[str, Any]:
        """Return a hook as the host wants it."""
        return {
            "description": "Slipway",
            "url": hook.url,
            "active": True,
            "secret": hook.secret,
            "events": list(EVENTS),
        }

    def find_hook(self, url: str) -> str | None:
        """Answer the hook that delivers to an address, or None."""
        for page in range(1, _MOST_PAGES + 1):
            answer = self.ask("GET", "/hooks", pagelen=str(_PAGE), page=str(page))
            found = next((hook for hook in answer.listed("values") if hook.get("url") == url), None)
            if found or not isinstance(answer.body, dict) or "next" not in answer.body:
                return str(found["uuid"]) if found else None
        return None

    def set_status(self, commit: str, status: CommitStatus) -> None:
        """Set the build status of a commit."""
        body = {
            "key": hashlib.sha256(status.context.encode()).hexdigest()[:_KEY_LENGTH],
            "state": _STATES[status.state],
            "name": status.context,
            "url": status.link,
            "description": status.shown,
        }
        self.ask("POST", f"/commit/{segment(commit)}/statuses/build", body)

    def refusal(self, answer: Answer) -> Refused | NoApi:
        """Name what the token lacks."""
        error = answer.body.get("error") if isinstance(answer.body, dict) else None
        detail = error.get("detail") if isinstance(error, dict) else None
        required = detail.get("required") if isinstance(detail, dict) else None
        if answer.status == HTTPStatus.FORBIDDEN and isinstance(required, list):
            return self.door.refusal(answer, f"the token lacks {', '.join(map(str, required))}")
        if answer.status == HTTPStatus.FORBIDDEN:
            return self.door.refusal(answer, "the token's owner is not an administrator of the repository")
        if answer.status == HTTPStatus.NOT_FOUND and answer.body is not None:
            why = f"there is no repository {self.workspace}/{self.name}, or the token may not see it"
            return self.door.refusal(answer, why)
        return self.door.refusal(answer)
