"""Azure DevOps Services and Server. Source: the REST API 7.1 of service hook subscriptions and git statuses.

One subscription holds one kind of event, so a hook stands for several: their ids with commas between.
"""

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final

import httpx

from shared.triggers.git.rest.door import Answer, Door, segment
from shared.triggers.git.rest.model import CommitStatus, HookWanted, NoApi, Refused, State

EVENTS: Final = ("git.push", "git.pullrequest.created", "git.pullrequest.updated", "git.pullrequest.merged")
USER: Final = "slipway"
"""The user of basic authentication, of which Azure DevOps asks for one."""
_STATES: Final = {
    State.QUEUED: "pending",
    State.RUNNING: "pending",
    State.SUCCEEDED: "succeeded",
    State.FAILED: "failed",
    State.CANCELED: "error",
    State.ERROR: "error",
}
_API: Final = {"api-version": "7.1"}
_SIGN_IN: Final = HTTPStatus.NON_AUTHORITATIVE_INFORMATION
"""What the page to sign in comes with, in place of 401."""
_DISABLED: Final = frozenset({"disabledBySystem", "disabledByInactiveIdentity", "onProbation"})


def door(client: httpx.Client, organization: str, token: str) -> Door:
    """Return the way to an organization or collection, `organization` being its address without `https://`."""
    login = base64.b64encode(f":{token}".encode()).decode()
    return Door(client, f"https://{organization}", {"Authorization": f"Basic {login}"})


@dataclass(frozen=True, slots=True)
class AzureDevOps:
    """A repository of a project."""

    door: Door
    project: str
    name: str

    def find_hook(self, url: str) -> str | None:
        """Answer the hook that delivers to an address, None unless it has all its subscriptions."""
        found = self._subscriptions(url)
        return ",".join(found[event] for event in EVENTS) if found.keys() >= set(EVENTS) else None

    def make_hook(self, hook: HookWanted) -> str:
        """Make the subscriptions that are missing."""
        known, ids = self._subscriptions(hook.url), self._ids()
        made = {
            event: known.get(event) or self._hooks("POST", "", _subscription(event, ids, hook)).member("id")
            for event in EVENTS
        }
        return ",".join(made.values())

    def renew_hook(self, remote: str, hook: HookWanted) -> None:
        """Give each subscription another secret."""
        ids = self._ids()
        for identifier, event in zip(remote.split(","), EVENTS, strict=False):
            self._hooks("PUT", f"/{segment(identifier)}", {"id": identifier, **_subscription(event, ids, hook)})

    def delete_hook(self, remote: str) -> None:
        """Remove the subscriptions; those that are gone already are fine."""
        for identifier in filter(None, remote.split(",")):
            answer = self.door.ask("DELETE", f"/_apis/hooks/subscriptions/{segment(identifier)}", **_API)
            if not answer.is_good and answer.status != HTTPStatus.NOT_FOUND:
                raise self._refusal(answer, "Service hooks")

    def set_status(self, commit: str, status: CommitStatus) -> None:
        """Set the status of a commit."""
        genre, _, name = status.context.rpartition("/")
        body = {
            "state": _STATES[status.state],
            "description": status.shown,
            "targetUrl": status.link,
            "context": {"name": name, "genre": genre},
        }
        answer = self.door.ask("POST", f"{self._repository}/commits/{segment(commit)}/statuses", body, **_API)
        if not answer.is_good or answer.status == _SIGN_IN:
            raise self._refusal(answer, "Code (status)")

    def redeliver(self, remote: str, since: datetime) -> int:
        """Switch subscriptions on again that Azure DevOps has switched off; what they missed a look finds."""
        del since
        woken = 0
        for identifier in filter(None, remote.split(",")):
            known = self._hooks("GET", f"/{segment(identifier)}").body
            if isinstance(known, dict) and known.get("status") in _DISABLED:
                self._hooks("PUT", f"/{segment(identifier)}", known | {"status": "enabled"})
                woken += 1
        return woken

    @property
    def _repository(self) -> str:
        return f"/{segment(self.project)}/_apis/git/repositories/{segment(self.name)}"

    def _ids(self) -> dict[str, str]:
        answer = self.door.ask("GET", self._repository, **_API)
        if not answer.is_good or not isinstance(answer.body, dict) or answer.status == _SIGN_IN:
            raise self._refusal(answer, "Code (read)")
        project = answer.body.get("project")
        if not isinstance(project, dict) or "id" not in project:
            raise self.door.refusal(answer, "what answers is not Azure DevOps")
        return {"projectId": str(project["id"]), "repository": answer.member("id")}

    def _subscriptions(self, url: str) -> dict[str, str]:
        """Answer the ids of what delivers to an address, by kind of event."""
        answer = self._hooks("GET", "", publisherId="tfs", consumerId="webHooks")
        return {
            str(one["eventType"]): str(one["id"]) for one in _listed(answer) if one["consumerInputs"].get("url") == url
        }

    def _hooks(self, method: str, rest: str, body: object = None, **query: str) -> Answer:
        answer = self.door.ask(method, f"/_apis/hooks/subscriptions{rest}", body, **_API, **query)
        if not answer.is_good or answer.status == _SIGN_IN:
            raise self._refusal(answer, "Service hooks (View, Edit subscriptions)")
        return answer

    def _refusal(self, answer: Answer, scope: str) -> Refused | NoApi:
        if answer.status in {HTTPStatus.UNAUTHORIZED, _SIGN_IN}:
            return self.door.refusal(answer, f"the token is not valid there, has expired, or lacks {scope}")
        if answer.status == HTTPStatus.FORBIDDEN:
            return self.door.refusal(answer, f"the token, or its owner, lacks {scope}")
        if answer.status == HTTPStatus.NOT_FOUND and answer.body is not None:
            why = f"there is no repository {self.name} in {self.project}, or the token may not see it"
            return self.door.refusal(answer, why)
        return self.door.refusal(answer)


def _listed(answer: Answer) -> Iterator[dict[str, Any]]:
    return (one for one in answer.listed("value") if isinstance(one.get("consumerInputs"), dict))


def _subscription(event: str, ids: dict[str, str], hook: HookWanted) -> dict[str, Any]:
    return {
        "publisherId": "tfs",
        "eventType": event,
        "resourceVersion": "1.0",
        "consumerId": "webHooks",
        "consumerActionId": "httpRequest",
        "publisherInputs": ids,
        "consumerInputs": {
            "url": hook.url,
            "basicAuthUsername": USER,
            "basicAuthPassword": hook.secret,
            "resourceDetailsToSend": "all",
            "messagesToSend": "none",
            "detailedMessagesToSend": "none",
        },
    }
