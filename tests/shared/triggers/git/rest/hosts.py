"""Git hosts' APIs as doubles: none can be had here.

Each holds its hooks, checks what it is sent against the published schema of its host (members, types and values;
anything else is a 422 that the tests see), and answers in its words.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Any, Literal

import httpx
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from shared.triggers.git.events import HostKind

TOKEN = "hunter2-pat"
Https = Annotated[str, StringConstraints(pattern=r"^https://[^\s@]+$")]
Short = Annotated[str, StringConstraints(max_length=140)]
Sha = r"[0-9a-f]{40}"


class Body(BaseModel):
    """A body of which every member is known."""

    model_config = ConfigDict(extra="forbid", strict=True)


class WebConfig(Body):
    url: Https
    content_type: Literal["json", "form"]
    secret: str = Field(min_length=16)
    insecure_ssl: Literal["0", "1"] = "0"


class GitHubChange(Body):
    active: bool
    events: list[Literal["push", "pull_request"]]
    config: WebConfig


class GitHubHook(GitHubChange):
    name: Literal["web"]


class GitHubStatus(Body):
    state: Literal["error", "failure", "pending", "success"]
    target_url: Https
    description: Short
    context: str


class GitLabHook(Body):
    url: Https
    token: str = Field(min_length=16)
    push_events: bool
    tag_push_events: bool
    merge_requests_events: bool
    enable_ssl_verification: bool


class GitLabStatus(Body):
    state: Literal["pending", "running", "success", "failed", "canceled", "skipped"]
    name: str = Field(max_length=255)
    target_url: Https
    description: str = Field(max_length=255)


class GiteaConfig(Body):
    url: Https
    content_type: Literal["json", "form"]
    secret: str = Field(min_length=16)


class GiteaChange(Body):
    active: bool
    events: list[Literal["push", "create", "delete", "pull_request", "pull_request_sync"]]
    config: GiteaConfig


class GiteaHook(GiteaChange):
    type: Literal["gitea", "gogs", "slack"]


class GiteaStatus(Body):
    state: Literal["pending", "success", "error", "failure", "warning"]
    context: str
    target_url: Https
    description: str


class CloudHook(Body):
    description: str
    url: Https
    active: bool
    secret: str = Field(min_length=16)
    events: list[Annotated[str, StringConstraints(pattern=r"^(repo|pullrequest):[a-z_]+$")]]


class CloudStatus(Body):
    key: str = Field(max_length=40)
    state: Literal["INPROGRESS", "SUCCESSFUL", "FAILED", "STOPPED"]
    name: str
    url: Https
    description: str


class ServerConfig(Body):
    secret: str = Field(min_length=16)


class ServerHook(Body):
    name: str = Field(min_length=1)
    url: Https
    active: bool
    events: list[Annotated[str, StringConstraints(pattern=r"^(repo:refs_changed|pr:[a-z_]+)$")]]
    configuration: ServerConfig


class ServerStatus(Body):
    key: str = Field(max_length=255)
    state: Literal["CANCELLED", "FAILED", "INPROGRESS", "SUCCESSFUL", "UNKNOWN"]
    name: str
    url: Https
    description: str


class PublisherInputs(Body):
    projectId: str = Field(min_length=36)  # noqa: N815 - the wire's
    repository: str = Field(min_length=36)


class ConsumerInputs(Body):
    url: Https
    basicAuthUsername: str  # noqa: N815 - the wire's
    basicAuthPassword: str = Field(min_length=16)  # noqa: N815 - the wire's
    resourceDetailsToSend: Literal["all", "minimal", "none"]  # noqa: N815 - the wire's
    messagesToSend: Literal["all", "html", "markdown", "none", "text"]  # noqa: N815 - the wire's
    detailedMessagesToSend: Literal["all", "html", "markdown", "none", "text"]  # noqa: N815 - the wire's


class Subscription(Body):
    id: str | None = None
    publisherId: Literal["tfs"]  # noqa: N815 - the wire's
    eventType: Literal[  # noqa: N815 - the wire's
        "git.push", "git.pullrequest.created", "git.pullrequest.updated", "git.pullrequest.merged"
    ]
    resourceVersion: Literal["1.0", "1.0-preview.1", "2.0"]  # noqa: N815 - the wire's
    consumerId: Literal["webHooks"]  # noqa: N815 - the wire's
    consumerActionId: Literal["httpRequest"]  # noqa: N815 - the wire's
    publisherInputs: PublisherInputs  # noqa: N815 - the wire's
    consumerInputs: ConsumerInputs  # noqa: N815 - the wire's
    status: str | None = None


class DevOpsContext(Body):
    name: str = Field(min_length=1)
    genre: str


class DevOpsStatus(Body):
    state: Literal["error", "failed", "notApplicable", "notSet", "pending", "succeeded"]
    description: str
    targetUrl: Https  # noqa: N815 - the wire's
    context: DevOpsContext


@dataclass(frozen=True)
class Kind:
    """How a kind of host is spoken to: where the API lies, its bodies, and how it proves and refuses."""

    base: str
    """The API below the host's address, with the repository's path as a pattern."""
    hooks: str
    statuses: str
    hook: type[Body]
    status: type[Body]
    authorization: str
    lacking: tuple[int, Any, Mapping[str, str]]
    """What it answers to a token that may not do this."""
    headers: Mapping[str, str] = field(default_factory=dict)
    id_name: str = "id"
    wrapped: str = ""
    """The member that holds a list of hooks, where they come in an object."""


KINDS = {
    HostKind.GITHUB: Kind(
        "(?:api.github.com|[^/]+/api/v3)/repos/yard/boat", "/hooks", f"/statuses/({Sha})", GitHubHook, GitHubStatus,
        f"Bearer {TOKEN}", (404, {"message": "Not Found"}, {"X-OAuth-Scopes": "gist, read:org"}),
        {"X-GitHub-Request-Id": "1"},
    ),
    HostKind.GITLAB: Kind(
        "[^/]+/api/v4/projects/yard%2Fboat", "/hooks", f"/statuses/({Sha})", GitLabHook, GitLabStatus,
        f"Bearer {TOKEN}", (403, {"error": "insufficient_scope", "scope": "api"}, {}),
    ),
    HostKind.GITEA: Kind(
        "[^/]+/api/v1/repos/yard/boat", "/hooks", f"/statuses/({Sha})", GiteaHook, GiteaStatus,
        f"token {TOKEN}",
        (403, {"message": "token does not have at least one of required scope(s): [write:repository]"}, {}),
    ),
    HostKind.BITBUCKET_CLOUD: Kind(
        "api.bitbucket.org/2.0/repositories/yard/boat", "/hooks", f"/commit/({Sha})/statuses/build", CloudHook,
        CloudStatus, f"Bearer {TOKEN}",
        (403, {"error": {"message": "lacks scopes", "detail": {"required": ["webhook"], "granted": []}}}, {}),
        id_name="uuid", wrapped="values",
    ),
    HostKind.BITBUCKET_SERVER: Kind(
        "[^/]+(?:/bitbucket)?/rest/api/1.0/projects/yard/repos/boat", "/webhooks", f"/commits/({Sha})/builds",
        ServerHook, ServerStatus, f"Bearer {TOKEN}", (401, {"errors": [{"message": "You are not permitted"}]}, {}),
        wrapped="values",
    ),
    HostKind.AZURE_DEVOPS: Kind(
        "dev.azure.com/fleet", "/_apis/hooks/subscriptions",
        f"/yard/_apis/git/repositories/boat/commits/({Sha})/statuses", Subscription, DevOpsStatus,
        "Basic Omh1bnRlcjItcGF0", (403, {"message": "Access denied"}, {}), wrapped="value",
    ),
}  # fmt: skip
ADDRESSES = {
    HostKind.GITHUB: "https://github.com/yard/boat.git",
    HostKind.GITLAB: "https://gitlab.example/yard/boat.git",
    HostKind.GITEA: "https://gitea.example:3000/yard/boat.git",
    HostKind.BITBUCKET_CLOUD: "https://bitbucket.org/yard/boat.git",
    HostKind.BITBUCKET_SERVER: "https://bitbucket.example/scm/yard/boat.git",
    HostKind.AZURE_DEVOPS: "https://dev.azure.com/fleet/yard/_git/boat",
}
PROJECT, REPOSITORY = "11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222"


type Use = Callable[[dict[str, Any]], tuple[int, Any]]


@dataclass
class Double:
    """A git host with one repository `yard/boat`."""

    kind: HostKind
    hooks: dict[str, dict[str, Any]] = field(default_factory=dict)
    statuses: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    lacks: bool = False
    fault: int | Exception | None = None
    deliveries: list[dict[str, Any]] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)
    page: int = 100

    @property
    def client(self) -> httpx.Client:
        return httpx.Client(transport=httpx.MockTransport(self.answer))

    def answer(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        known, where = KINDS[self.kind], request.url
        path = where.raw_path.decode().partition("?")[0]
        self.asked.append(f"{request.method} {path}")
        if isinstance(self.fault, Exception):
            raise self.fault
        if self.fault:
            return httpx.Response(self.fault, json={"message": "not now"})
        if request.headers["authorization"] != known.authorization:
            return httpx.Response(401, json={"message": "Bad credentials"}, headers=known.headers)
        if self.lacks:
            status, body, headers = known.lacking
            return httpx.Response(status, json=body, headers={**known.headers, **headers})
        found = re.fullmatch(f"{known.base}(/.*)", f"{where.netloc.decode()}{path}")
        if found is None:
            return httpx.Response(404, json={"message": "Not Found"}, headers=known.headers)
        status, body = self._told(request.method, found[1], dict(where.params), request.content)
        return httpx.Response(status, headers=known.headers, json=body) if body is not None else httpx.Response(status)

    def _told(  # noqa: PLR0911 - one for each door
        self, method: str, path: str, query: Mapping[str, str], content: bytes
    ) -> tuple[int, Any]:
        known = KINDS[self.kind]
        if self.kind is HostKind.AZURE_DEVOPS and query.get("api-version") != "7.1":
            return 400, {"message": "the api-version is missing"}
        if found := re.fullmatch(known.statuses, path):
            return self._checked(known.status, content, partial(self._status, found[1]))
        if path == known.hooks and method == "GET":
            return 200, self._page(query)
        if path == known.hooks and method == "POST":
            return self._checked(known.hook, content, self._made)
        if found := re.fullmatch(f"{known.hooks}/([^/]+)", path):
            return self._on_hook(method, httpx.URL(f"https://x/{found[1]}").path[1:], content)
        if found := re.fullmatch(f"{known.hooks}/([^/]+)/(deliveries|events)(?:/([^/]+)/(attempts|resend))?", path):
            return self._delivered(method, found[3], query)
        if self.kind is HostKind.AZURE_DEVOPS and path == "/yard/_apis/git/repositories/boat":
            return 200, {"id": REPOSITORY, "project": {"id": PROJECT}}
        return 404, {"message": "Not Found"}

    def _checked(self, model: type[Body], content: bytes, use: Use) -> tuple[int, Any]:
        try:
            model.model_validate_json(content)
        except ValidationError as error:
            return 422, {"message": f"Validation Failed: {error}"}
        return use(json.loads(content))

    def _status(self, commit: str, body: dict[str, Any]) -> tuple[int, Any]:
        self.statuses.append((commit, body))
        return 201, body

    def _made(self, body: dict[str, Any]) -> tuple[int, Any]:
        name = f"{{{len(self.hooks) + 1}}}" if self.kind is HostKind.BITBUCKET_CLOUD else str(len(self.hooks) + 1)
        self.hooks[name] = body | {KINDS[self.kind].id_name: name, "status": "enabled"}
        return 201, self.hooks[name]

    def _page(self, query: Mapping[str, str]) -> Any:
        known, hooks = KINDS[self.kind], list(self.hooks.values())
        first = int(query.get("start", 0)) or (int(query.get("page", 1)) - 1) * self.page
        page = hooks[first : first + self.page]
        if not known.wrapped:
            return page
        more = len(hooks) > first + self.page
        rest = {"next": "https://x/"} if more else {}
        return {known.wrapped: page, "isLastPage": not more, "nextPageStart": first + self.page} | rest

    def _on_hook(self, method: str, name: str, content: bytes) -> tuple[int, Any]:
        if name not in self.hooks:
            return 404, {"message": "Not Found"}
        if method == "DELETE":
            del self.hooks[name]
            return 204, None
        if method == "GET":
            return 200, self.hooks[name]
        changing: dict[HostKind, type[Body]] = {HostKind.GITHUB: GitHubChange, HostKind.GITEA: GiteaChange}
        model = changing.get(self.kind, KINDS[self.kind].hook)
        return self._checked(model, content, lambda body: self._changed(name, body))

    def _changed(self, name: str, body: dict[str, Any]) -> tuple[int, Any]:
        self.hooks[name] |= body
        return 200, self.hooks[name]

    def _delivered(self, method: str, number: str | None, query: Mapping[str, str]) -> tuple[int, Any]:
        if method == "POST" and number:
            self.sent.append(number)
            return 202, {}
        wanted = query.get("status")
        return 200, [one for one in self.deliveries if wanted is None or one.get("failure") == wanted]


def secret_of(kind: HostKind, hook: Mapping[str, Any]) -> str:
    """Return the secret that a host holds for a hook."""
    match kind:
        case HostKind.GITHUB | HostKind.GITEA:
            return str(hook["config"]["secret"])
        case HostKind.GITLAB:
            return str(hook["token"])
        case HostKind.BITBUCKET_CLOUD:
            return str(hook["secret"])
        case HostKind.BITBUCKET_SERVER:
            return str(hook["configuration"]["secret"])
    return str(hook["consumerInputs"]["basicAuthPassword"])
