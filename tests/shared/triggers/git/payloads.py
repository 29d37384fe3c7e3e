"""Invented deliveries in the shapes of every host."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared.triggers.git.events import HostKind

OLD, NEW, TIP, NONE = "1" * 40, "2" * 40, "3" * 40, "0" * 40
SECRET = "a secret that hosts know"
Body = dict[str, Any]


@dataclass(frozen=True)
class Request:
    """What a host sends."""

    host: HostKind
    headers: Mapping[str, str]
    body: bytes


def github_repository(**changes: object) -> Body:
    return {
        "id": 77,
        "name": "boat",
        "full_name": "yard/boat",
        "owner": {"login": "yard", "id": 5},
        "html_url": "https://github.example/yard/boat",
        "clone_url": "https://github.example/yard/boat.git",
        "ssh_url": "git@github.example:yard/boat.git",
        "default_branch": "main",
        "fork": False,
    } | changes


def github_commit(commit: str, message: str = "Paint the hull", **paths: list[str]) -> Body:
    lists = {"added": [], "modified": ["hull/paint.txt"], "removed": []} | paths
    return {"id": commit, "message": message, "author": {"name": "Ada"}} | lists


def github_push(**changes: object) -> Body:
    head = github_commit(NEW)
    return {
        "ref": "refs/heads/main",
        "before": OLD,
        "after": NEW,
        "created": False,
        "deleted": False,
        "forced": False,
        "base_ref": None,
        "compare": "https://github.example/yard/boat/compare/1...2",
        "commits": [github_commit(TIP), head],
        "head_commit": head,
        "repository": github_repository(),
        "pusher": {"name": "ada", "email": "ada@example.com"},
        "sender": {"login": "ada", "id": 9},
    } | changes


def github_pull_request(action: str = "opened", request: Body | None = None, **changes: object) -> Body:
    side = {"label": "yard:topic", "ref": "topic", "sha": NEW, "repo": github_repository()}
    content = {
        "number": 12,
        "state": "open",
        "title": "A new sail",
        "draft": False,
        "merged": False,
        "head": side,
        "base": side | {"label": "yard:main", "ref": "main", "sha": OLD},
    }
    return {
        "action": action,
        "number": 12,
        "pull_request": content | (request or {}),
        "repository": github_repository(),
        "sender": {"login": "ada", "id": 9},
    } | changes


def gitlab_project(**changes: object) -> Body:
    return {
        "id": 15,
        "name": "Boat",
        "web_url": "https://gitlab.example/yard/boat",
        "git_ssh_url": "git@gitlab.example:yard/boat.git",
        "git_http_url": "https://gitlab.example/yard/boat.git",
        "path_with_namespace": "yard/boat",
        "default_branch": "main",
    } | changes


def gitlab_push(**changes: object) -> Body:
    return {
        "object_kind": "push",
        "event_name": "push",
        "before": OLD,
        "after": NEW,
        "ref": "refs/heads/main",
        "checkout_sha": NEW,
        "user_id": 4,
        "user_name": "Ada",
        "user_username": "ada",
        "project_id": 15,
        "project": gitlab_project(),
        "repository": {"name": "Boat", "url": "git@gitlab.example:yard/boat.git"},
        "commits": [github_commit(NEW)],
        "total_commits_count": 1,
    } | changes


def gitlab_merge_request(action: str = "open", attributes: Body | None = None, **changes: object) -> Body:
    content = {
        "id": 99,
        "iid": 3,
        "action": action,
        "state": "opened",
        "source_branch": "topic",
        "target_branch": "main",
        "source_project_id": 15,
        "target_project_id": 15,
        "draft": False,
        "last_commit": {"id": NEW, "message": "A new sail"},
        "source": gitlab_project(),
        "target": gitlab_project(),
    }
    return {
        "object_kind": "merge_request",
        "event_type": "merge_request",
        "user": {"id": 4, "username": "ada", "name": "Ada"},
        "project": gitlab_project(),
        "object_attributes": content | (attributes or {}),
        "changes": {},
    } | changes


def cloud_repository(name: str = "yard/boat", uuid: str = "{boat}") -> Body:
    links = {"html": {"href": f"https://bitbucket.org/{name}"}, "self": {"href": "https://api.bitbucket.org/x"}}
    return {"type": "repository", "full_name": name, "name": name.partition("/")[2], "uuid": uuid, "links": links}


def cloud_side(name: str, commit: str, kind: str = "branch", message: str = "A new sail") -> Body:
    return {"name": name, "type": kind, "target": {"type": "commit", "hash": commit, "message": message}}


def cloud_change(**changes: object) -> Body:
    return {
        "old": cloud_side("main", OLD),
        "new": cloud_side("main", NEW),
        "created": False,
        "closed": False,
        "forced": False,
        "truncated": False,
        "commits": [{"hash": NEW, "message": "A new sail"}],
    } | changes


def cloud_push(*changes: Body) -> Body:
    return {
        "push": {"changes": list(changes or (cloud_change(),))},
        "repository": cloud_repository(),
        "actor": {"nickname": "ada", "display_name": "Ada", "uuid": "{ada}"},
    }


def cloud_pull_request(**changes: object) -> Body:
    side = {"branch": {"name": "topic"}, "commit": {"hash": NEW[:12]}, "repository": cloud_repository()}
    request = {
        "id": 8,
        "state": "OPEN",
        "draft": False,
        "source": side,
        "destination": side | {"branch": {"name": "main"}, "commit": {"hash": OLD[:12]}},
    }
    actor = {"nickname": "ada", "uuid": "{ada}"}
    return {"pullrequest": request | changes, "repository": cloud_repository(), "actor": actor}


def server_repository(project: str = "YARD", identifier: int = 84, **changes: object) -> Body:
    base = "https://git.example/bitbucket"
    clone = [
        {"name": "ssh", "href": f"ssh://git@git.example:7999/{project.lower()}/boat.git"},
        {"name": "http", "href": f"{base}/scm/{project.lower()}/boat.git"},
    ]
    links = {"clone": clone, "self": [{"href": f"{base}/projects/{project}/repos/boat/browse"}]}
    return {"id": identifier, "slug": "boat", "name": "boat", "project": {"key": project}, "links": links} | changes


def server_change(kind: str = "UPDATE", **changes: object) -> Body:
    return {
        "ref": {"id": "refs/heads/main", "displayId": "main", "type": "BRANCH"},
        "refId": "refs/heads/main",
        "fromHash": OLD,
        "toHash": NEW,
        "type": kind,
    } | changes


def server_push(*changes: Body, **members: object) -> Body:
    return {
        "eventKey": "repo:refs_changed",
        "date": "2026-01-13T22:26:25+1100",
        "actor": {"name": "ada", "id": 2, "displayName": "Ada"},
        "repository": server_repository(),
        "changes": list(changes or (server_change(),)),
    } | members


def server_pull_request(event: str = "pr:opened", request: Body | None = None, **members: object) -> Body:
    side = {"id": "refs/heads/topic", "displayId": "topic", "latestCommit": NEW, "repository": server_repository()}
    content = {
        "id": 11,
        "state": "OPEN",
        "draft": False,
        "fromRef": side,
        "toRef": side | {"id": "refs/heads/main", "displayId": "main", "latestCommit": OLD},
    }
    actor = {"name": "ada", "id": 2}
    return {"eventKey": event, "actor": actor, "pullRequest": content | (request or {})} | members


def azure_repository(**changes: object) -> Body:
    return {
        "id": "27000000-0000-0000-0000-000000000001",
        "name": "boat",
        "project": {"id": "6c000000-0000-0000-0000-000000000001", "name": "yard"},
        "defaultBranch": "refs/heads/main",
        "remoteUrl": "https://dev.azure.com/harbour/yard/_git/boat",
    } | changes


def azure_update(name: str = "refs/heads/main", old: str = OLD, new: str = NEW) -> Body:
    return {"name": name, "oldObjectId": old, "newObjectId": new}


def azure_push(*updates: Body, **changes: object) -> Body:
    resource = {
        "commits": [{"commitId": NEW, "comment": "A new sail"}],
        "refUpdates": list(updates or (azure_update(),)),
        "repository": azure_repository(),
        "pushedBy": {"id": "00000000-0000-0000-0000-0000000000ad", "displayName": "Ada", "uniqueName": "ada@x"},
        "pushId": 14,
    }
    return {
        "subscriptionId": "5b000000-0000-0000-0000-000000000001",
        "notificationId": 3,
        "id": "03000000-0000-0000-0000-000000000001",
        "eventType": "git.push",
        "publisherId": "tfs",
        "resource": resource,
        "resourceVersion": "1.0",
    } | changes


def azure_pull_request(event: str = "created", sentence: str = "", **changes: object) -> Body:
    request = {
        "repository": azure_repository(),
        "pullRequestId": 21,
        "status": "active",
        "createdBy": {"id": "00000000-0000-0000-0000-0000000000ad", "uniqueName": "ada@x"},
        "sourceRefName": "refs/heads/topic",
        "targetRefName": "refs/heads/main",
        "mergeStatus": "succeeded",
        "lastMergeSourceCommit": {"commitId": NEW},
        "lastMergeTargetCommit": {"commitId": OLD},
        "lastMergeCommit": {"commitId": TIP},
    }
    return {
        "id": "2a000000-0000-0000-0000-000000000001",
        "eventType": f"git.pullrequest.{event}",
        "message": {"text": sentence},
        "resource": request | changes,
        "resourceVersion": "1.0",
    }


def gitea_push(**changes: object) -> Body:
    body = github_push(total_commits=2, repository=github_repository(clone_url="https://gitea.example/yard/boat.git"))
    for member in ("created", "deleted", "forced"):
        del body[member]
    return body | changes


def encoded(body: Body) -> bytes:
    return json.dumps(body).encode()


def signed(host: HostKind, event: str, body: Body | bytes, secret: str = SECRET, **headers: str) -> Request:
    """Sign a delivery as its host would."""
    raw = body if isinstance(body, bytes) else encoded(body)
    signature = hmac.new(secret.encode(), raw, hashlib.sha256).hexdigest()
    by_host: dict[HostKind, dict[str, str]] = {
        HostKind.GITHUB: {
            "X-GitHub-Event": event,
            "X-GitHub-Delivery": "72d3162e",
            "X-Hub-Signature-256": f"sha256={signature}",
        },
        HostKind.AZURE_DEVOPS: {"Authorization": basic(secret)},
        HostKind.GITLAB: {"X-Gitlab-Event": event, "X-Gitlab-Token": secret, "Idempotency-Key": "idem-1"},
        HostKind.BITBUCKET_CLOUD: {
            "X-Event-Key": event,
            "X-Request-UUID": "cloud-1",
            "X-Hub-Signature": f"sha256={signature}",
        },
        HostKind.BITBUCKET_SERVER: {
            "X-Event-Key": event,
            "X-Request-Id": "server-1",
            "X-Hub-Signature": f"sha256={signature}",
        },
        HostKind.GITEA: {
            "X-Gitea-Event": event,
            "X-Gitea-Delivery": "gitea-1",
            "X-Gitea-Signature": signature,
        },
    }
    return Request(host, {"Content-Type": "application/json"} | by_host[host] | headers, raw)


def basic(password: str) -> str:
    return "Basic " + base64.b64encode(f"slipway:{password}".encode()).decode()


SAMPLES: tuple[Request, ...] = (
    signed(HostKind.GITHUB, "push", github_push()),
    signed(HostKind.GITHUB, "pull_request", github_pull_request()),
    signed(HostKind.GITHUB, "create", {"ref": "topic", "ref_type": "branch", "repository": github_repository()}),
    signed(HostKind.AZURE_DEVOPS, "", azure_push()),
    signed(HostKind.AZURE_DEVOPS, "", azure_pull_request()),
    signed(HostKind.GITLAB, "Push Hook", gitlab_push()),
    signed(HostKind.GITLAB, "Merge Request Hook", gitlab_merge_request()),
    signed(HostKind.BITBUCKET_CLOUD, "repo:push", cloud_push()),
    signed(HostKind.BITBUCKET_CLOUD, "pullrequest:created", cloud_pull_request()),
    signed(HostKind.BITBUCKET_SERVER, "repo:refs_changed", server_push()),
    signed(HostKind.BITBUCKET_SERVER, "pr:opened", server_pull_request()),
    signed(HostKind.GITEA, "push", gitea_push()),
    signed(HostKind.GITEA, "pull_request", github_pull_request()),
)
