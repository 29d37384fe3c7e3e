"""GitLab. Source: GitLab's REST API documentation of project webhooks and commit statuses."""

from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final

import httpx

from shared.triggers.git.rest.door import Answer, Door, segment
from shared.triggers.git.rest.model import CommitStatus, HookWanted, NoApi, Refused, State
from shared.triggers.git.rest.repository import Repository

_STATES: Final = {
    State.QUEUED: "pending",
    State.RUNNING: "running",
    State.SUCCEEDED: "success",
    State.FAILED: "failed",
    State.CANCELED: "canceled",
    State.ERROR: "failed",
}
_PAGE: Final = 100
_MOST_SENT: Final = 50


def door(client: httpx.Client, host: str, token: str) -> Door:
    """Return the way to a GitLab, for personal, group, project and OAuth tokens alike."""
    return Door(client, f"https://{host}/api/v4", {"Authorization": f"Bearer {token}"})


@dataclass(frozen=True)
class GitLab(Repository):
    """A project of a GitLab; `path` with all its groups."""

    renewing = "PUT"
    path: str

    @property
    def base(self) -> str:
        """The project's path below the API's own."""
        return f"/projects/{segment(self.path)}"

    def hook_body(self, hook: HookWanted) -> dict[str, Any]:
        """Return a hook as the host wants it."""
        return {
            "url": hook.url,
            "token": hook.secret,
            "push_events": True,
            "tag_push_events": True,
            "merge_requests_events": True,
            "enable_ssl_verification": True,
        }

    def find_hook(self, url: str) -> str | None:
        """Answer the hook that delivers to an address, or None."""
        return self.hook_in_pages(url, {"per_page": str(_PAGE)}, lambda hook: str(hook.get("url")), _PAGE)

    def set_status(self, commit: str, status: CommitStatus) -> None:
        """Set the status of a commit; GitLab refuses one that says what it says already, which is fine."""
        body = {
            "state": _STATES[status.state],
            "name": status.context,
            "target_url": status.link,
            "description": status.shown,
        }
        answer = self.door.ask("POST", f"{self.base}/statuses/{segment(commit)}", body)
        if not answer.is_good and not (answer.status == HTTPStatus.BAD_REQUEST and "transition" in answer.words):
            raise self.refusal(answer)

    def redeliver(self, remote: str, since: datetime) -> int:
        """Have deliveries that did not arrive sent once more (GitLab 17.4 and later; nothing before)."""
        events = f"{self.base}/hooks/{segment(remote)}/events"
        sent = 0
        for kind in ("server_failure", "client_failure"):
            answer = self.door.ask("GET", events, status=kind, per_page=str(_PAGE))
            for one in answer.listed() if answer.is_good else []:
                if sent < _MOST_SENT and _moment(one) >= since:
                    again = self.door.ask("POST", f"{events}/{segment(str(one['id']))}/resend")
                    sent += again.is_good
        return sent

    def refusal(self, answer: Answer) -> Refused | NoApi:
        """Name the scope that the host says is required."""
        body = answer.body if isinstance(answer.body, dict) else {}
        if body.get("error") == "insufficient_scope":
            return self.door.refusal(answer, f"the token lacks the scope {body.get('scope') or 'api'}")
        if answer.status == HTTPStatus.FORBIDDEN:
            return self.door.refusal(answer, "the token needs the scope api and the role Maintainer")
        if answer.status == HTTPStatus.NOT_FOUND and answer.body is not None:
            return self.door.refusal(answer, f"there is no project {self.path}, or the token may not see it")
        return self.door.refusal(answer)


def _moment(event: dict[str, Any]) -> datetime:
    """Return when a delivery was made; one that does not tell counts as old."""
    try:
        return datetime.fromisoformat(str(event["created_at"]))
    except (KeyError, ValueError):
        return datetime.fromisoformat("1970-01-01T00:00:00Z")
