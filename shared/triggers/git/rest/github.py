"""GitHub and GitHub Enterprise Server. Source: GitHub's REST API description of repository webhooks and statuses."""

from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final

import httpx
from pydantic import BaseModel, ValidationError

from shared.triggers.git.rest.door import Answer, Door, segment
from shared.triggers.git.rest.model import CommitStatus, HookWanted, NoApi, Refused, State
from shared.triggers.git.rest.repository import Repository, configured

EVENTS: Final = ("push", "pull_request")
_HOOK_SCOPES: Final = frozenset({"repo", "public_repo", "admin:repo_hook", "write:repo_hook"})
_STATUS_SCOPES: Final = frozenset({"repo", "public_repo", "repo:status"})
_STATES: Final = {
    State.QUEUED: "pending",
    State.RUNNING: "pending",
    State.SUCCEEDED: "success",
    State.FAILED: "failure",
    State.CANCELED: "error",
    State.ERROR: "error",
}
_PAGE: Final = 100
_MOST_SENT: Final = 50


class _Delivery(BaseModel):
    """One attempt to deliver, as GitHub lists it."""

    id: int
    guid: str
    delivered_at: datetime
    status_code: int = 0


def door(client: httpx.Client, host: str, token: str) -> Door:
    """Return the way to a GitHub; Enterprise Server has its API below its own name."""
    base = "https://api.github.com" if host in {"github.com", "www.github.com"} else f"https://{host}/api/v3"
    headers = {
        "Authorization": f"Bearer {token}",
        "Accept": "application/vnd.github+json",
        "X-GitHub-Api-Version": "2022-11-28",
    }
    return Door(client, base, headers)


@dataclass(frozen=True)
class GitHub(Repository):
    """A repository at a GitHub."""

    only_when_made = "name"
    owner: str
    name: str

    @property
    def base(self) -> str:
        """The repository's path below the API's own."""
        return f"/repos/{segment(self.owner)}/{segment(self.name)}"

    def hook_body(self, hook: HookWanted) -> dict[str, Any]:
        """Return a hook as the host wants it."""
        config = {"url": hook.url, "content_type": "json", "secret": hook.secret, "insecure_ssl": "0"}
        return {"name": "web", "active": True, "events": list(EVENTS), "config": config}

    def find_hook(self, url: str) -> str | None:
        """Answer the hook that delivers to an address, or None."""
        return self.hook_in_pages(url, {"per_page": str(_PAGE)}, configured, _PAGE)

    def set_status(self, commit: str, status: CommitStatus) -> None:
        """Set the status of a commit."""
        body = {
            "state": _STATES[status.state],
            "target_url": status.link,
            "description": status.shown,
            "context": status.context,
        }
        answer = self.door.ask("POST", f"{self.base}/statuses/{segment(commit)}", body)
        if not answer.is_good:
            raise self._refusal(answer, _STATUS_SCOPES, "repo:status", "statuses")

    def redeliver(self, remote: str, since: datetime) -> int:
        """Have deliveries that did not arrive sent once more: GitHub never does so by itself."""
        answer = self.ask("GET", f"/hooks/{segment(remote)}/deliveries", per_page=str(_PAGE))
        arrived: set[str] = set()
        failed: dict[str, int] = {}
        for one in answer.listed():
            try:
                found = _Delivery.model_validate(one)
            except ValidationError:
                continue
            if found.delivered_at < since:
                continue
            if HTTPStatus.OK <= found.status_code < HTTPStatus.MULTIPLE_CHOICES:
                arrived.add(found.guid)
            else:
                failed.setdefault(found.guid, found.id)
        again = [number for guid, number in failed.items() if guid not in arrived][:_MOST_SENT]
        for number in again:
            self.ask("POST", f"/hooks/{segment(remote)}/deliveries/{number}/attempts")
        return len(again)

    def refusal(self, answer: Answer) -> Refused | NoApi:
        """Name what the token lacks to change hooks."""
        return self._refusal(answer, _HOOK_SCOPES, "admin:repo_hook", "repository_hooks")

    def _refusal(self, answer: Answer, enough: frozenset[str], scope: str, permission: str) -> Refused | NoApi:
        """Name what the token lacks: GitHub answers 404 to whoever may not know that there is something."""
        if answer.status not in {HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND}:
            return self.door.refusal(answer)
        if "x-github-request-id" not in answer.headers and answer.status == HTTPStatus.NOT_FOUND:
            return NoApi(f"{self.door.host} does not answer as GitHub's API does.")
        scopes = answer.headers.get("x-oauth-scopes")
        accepted = answer.headers.get("x-accepted-github-permissions", "")
        if scopes is not None and enough.isdisjoint(one.strip() for one in scopes.split(",")):
            return self.door.refusal(answer, f"the token lacks {scope}")
        if scopes is None and permission in accepted:
            return self.door.refusal(answer, f"the token lacks the permission {accepted}")
        return self.door.refusal(
            answer,
            f"the repository {self.owner}/{self.name} does not exist, or the token's owner is not its administrator",
        )
