"""The APIs of git hosts: hooks, statuses, refusals in sentences, deliveries sent once more."""

from datetime import UTC, datetime

import httpx
import pytest

from shared.errors import SlipwayError, Unavailable
from shared.triggers.git.events import HostKind
from shared.triggers.git.rest.model import CommitStatus, HookWanted, HostApi, NoApi, Refused, State
from shared.triggers.git.rest.opening import open_api
from tests.shared.triggers.git.rest.hosts import ADDRESSES, KINDS, TOKEN, Double, secret_of

ALL = list(HostKind)
WANTED = HookWanted("https://slipway.example/hooks/1", "first-secret-0123456789")
COMMIT = "a" * 40


def api(double: Double, address: str = "", token: str = TOKEN) -> HostApi:
    return open_api(double.client, double.kind, address or ADDRESSES[double.kind], token)


def status(state: State = State.RUNNING, description: str = "Run c1 is running") -> CommitStatus:
    return CommitStatus(state, "slipway/localreg/app", description, "https://slipway.example/runs/c1")


@pytest.mark.parametrize("kind", ALL)
def test_a_hook_is_made_found_renewed_and_removed(kind: HostKind) -> None:
    double = Double(kind)
    host = api(double)
    assert host.find_hook(WANTED.url) is None
    remote = host.make_hook(WANTED)
    assert host.find_hook(WANTED.url) == remote
    assert {secret_of(kind, hook) for hook in double.hooks.values()} == {WANTED.secret}
    host.renew_hook(remote, HookWanted(WANTED.url, "second-secret-0123456789"))
    assert {secret_of(kind, hook) for hook in double.hooks.values()} == {"second-secret-0123456789"}
    host.delete_hook(remote)
    assert double.hooks == {}
    host.delete_hook(remote)
    assert not any(TOKEN in line for line in double.asked)


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize("state", list(State))
def test_every_state_is_one_that_the_host_knows(kind: HostKind, state: State) -> None:
    double = Double(kind)
    api(double).set_status(COMMIT, status(state, "x" * 1000))
    ((commit, body),) = double.statuses
    assert commit == COMMIT
    assert len(body["description"]) == 140


@pytest.mark.parametrize("kind", ALL)
def test_a_lacking_scope_is_named(kind: HostKind) -> None:
    lacking = {
        HostKind.GITHUB: "the token lacks admin:repo_hook",
        HostKind.GITLAB: "the token lacks the scope api",
        HostKind.GITEA: "the token lacks write:repository",
        HostKind.BITBUCKET_CLOUD: "the token lacks webhook",
        HostKind.BITBUCKET_SERVER: "the token lacks the permission repository admin",
        HostKind.AZURE_DEVOPS: "the token, or its owner, lacks Service hooks",
    }
    host = api(Double(kind, lacks=True))
    with pytest.raises(Refused) as refusal:
        host.make_hook(WANTED)
    if kind is HostKind.AZURE_DEVOPS:
        assert "lacks" in refusal.value.message
    else:
        assert lacking[kind] in refusal.value.message
    with pytest.raises(Refused):
        host.set_status(COMMIT, status())


def test_github_names_the_scope_of_statuses_and_the_permission_of_new_tokens() -> None:
    with pytest.raises(Refused, match="the token lacks repo:status"):
        api(Double(HostKind.GITHUB, lacks=True)).set_status(COMMIT, status())

    def fine_grained(_: httpx.Request) -> httpx.Response:
        headers = {"X-GitHub-Request-Id": "1", "X-Accepted-GitHub-Permissions": "repository_hooks=write"}
        return httpx.Response(403, json={"message": "Resource not accessible"}, headers=headers)

    client = httpx.Client(transport=httpx.MockTransport(fine_grained))
    with pytest.raises(Refused, match="the token lacks the permission repository_hooks=write"):
        open_api(client, HostKind.GITHUB, ADDRESSES[HostKind.GITHUB], TOKEN).find_hook("x")


def test_whoever_is_not_an_administrator_is_told_so() -> None:
    def hidden(_: httpx.Request) -> httpx.Response:
        headers = {"X-GitHub-Request-Id": "1", "X-OAuth-Scopes": "repo"}
        return httpx.Response(404, json={"message": "Not Found"}, headers=headers)

    client = httpx.Client(transport=httpx.MockTransport(hidden))
    with pytest.raises(Refused, match="does not exist, or the token's owner is not its administrator"):
        open_api(client, HostKind.GITHUB, ADDRESSES[HostKind.GITHUB], TOKEN).find_hook("x")


@pytest.mark.parametrize("kind", ALL)
def test_a_token_that_does_not_hold_is_said_without_showing_it(kind: HostKind) -> None:
    host = api(Double(kind), token="hunter2-expired")
    with pytest.raises(Refused, match="not valid there") as refusal:
        host.make_hook(WANTED)
    assert "hunter2" not in refusal.value.message


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize("fault", [429, 500, 502, 503, httpx.ConnectError("no"), httpx.ReadTimeout("slow")])
def test_what_may_pass_is_unavailable(kind: HostKind, fault: int | Exception) -> None:
    double = Double(kind, fault=fault)
    with pytest.raises(Unavailable):
        api(double).make_hook(WANTED)
    with pytest.raises(Unavailable):
        api(double).set_status(COMMIT, status())
    with pytest.raises(Unavailable):
        api(double).delete_hook("1")


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(404, text="<html>nothing</html>"),
        httpx.Response(302, headers={"Location": "https://elsewhere.example/"}),
        httpx.Response(200, text="<html>hello</html>"),
        httpx.Response(200, json=["what", None]),
        httpx.Response(400, json={"errors": [{"message": None}, 7, [[["deep"]]]]}),
        httpx.Response(422, content=b"\xff\xfe{"),
    ],
    ids=["404", "redirect", "html", "odd", "errors", "rubbish"],
)
def test_whatever_answers_is_an_error_of_ours(kind: HostKind, answer: httpx.Response) -> None:
    def told(request: httpx.Request) -> httpx.Response:
        assert request.url.host != "elsewhere.example"
        return httpx.Response(answer.status_code, content=answer.content, headers=answer.headers)

    host = open_api(httpx.Client(transport=httpx.MockTransport(told)), kind, ADDRESSES[kind], TOKEN)
    with pytest.raises(SlipwayError):
        host.make_hook(WANTED)


def test_a_plain_git_server_is_known_as_one() -> None:
    client = httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(404, text="no")))
    with pytest.raises(NoApi):
        open_api(client, HostKind.GITHUB, "https://git.example/yard/boat.git", TOKEN).find_hook("x")


@pytest.mark.parametrize("kind", [HostKind.GITHUB, HostKind.GITLAB, HostKind.BITBUCKET_CLOUD, HostKind.GITEA])
def test_a_hook_on_a_later_page_is_found(kind: HostKind) -> None:
    double = Double(kind, page={HostKind.GITEA: 50}.get(kind, 100))
    host = api(double)
    for number in range(120):
        host.make_hook(HookWanted(f"https://other.example/{number}", "another-secret-0123456789"))
    remote = host.make_hook(WANTED)
    assert host.find_hook(WANTED.url) == remote


def test_github_sends_again_what_did_not_arrive() -> None:
    double = Double(HostKind.GITHUB)
    host = api(double)
    remote = host.make_hook(WANTED)
    told = [(1, "a", 502), (2, "b", 200), (3, "a", 200), (4, "c", 0), (5, "c", 503), (6, "old", 500)]
    double.deliveries = [
        {
            "id": number,
            "guid": guid,
            "status_code": code,
            "delivered_at": "2026-01-02T00:00:00Z" if guid == "old" else "2026-01-03T12:00:00Z",
        }
        for number, guid, code in told
    ]
    assert host.redeliver(remote, datetime(2026, 1, 3, tzinfo=UTC)) == 1
    assert double.sent == ["4"]


def test_gitlab_sends_again_what_did_not_arrive() -> None:
    double = Double(HostKind.GITLAB)
    host = api(double)
    remote = host.make_hook(WANTED)
    double.deliveries = [
        {"id": 1, "failure": "server_failure", "created_at": "2026-01-03T12:00:00.000Z"},
        {"id": 2, "failure": "server_failure", "created_at": "2026-01-01T12:00:00.000Z"},
        {"id": 3, "failure": "client_failure"},
        {"id": 4, "created_at": "2026-01-03T12:00:00.000Z"},
    ]
    assert host.redeliver(remote, datetime(2026, 1, 3, tzinfo=UTC)) == 1
    assert double.sent == ["1"]


def test_azure_devops_is_switched_on_again() -> None:
    double = Double(HostKind.AZURE_DEVOPS)
    host = api(double)
    remote = host.make_hook(WANTED)
    assert len(double.hooks) == 4
    double.hooks["2"]["status"] = "disabledBySystem"
    assert host.redeliver(remote, datetime(2026, 1, 3, tzinfo=UTC)) == 1
    assert double.hooks["2"]["status"] == "enabled"


def test_azure_devops_makes_what_a_crash_left_out() -> None:
    double = Double(HostKind.AZURE_DEVOPS)
    host = api(double)
    host.make_hook(WANTED)
    del double.hooks["3"]
    double.hooks["9"] = double.hooks.pop("4")
    assert host.find_hook(WANTED.url) is None
    host.make_hook(WANTED)
    assert len(double.hooks) == 4
    assert sorted(hook["eventType"] for hook in double.hooks.values()) == [
        "git.pullrequest.created",
        "git.pullrequest.merged",
        "git.pullrequest.updated",
        "git.push",
    ]


@pytest.mark.parametrize(
    ("kind", "address", "path"),
    [
        (HostKind.GITHUB, "https://github.corp.example/yard/boat", "/api/v3/repos/yard/boat/hooks"),
        (HostKind.GITLAB, "https://gitlab.example/a/b/c.git", "/api/v4/projects/a%2Fb%2Fc/hooks"),
        (
            HostKind.BITBUCKET_SERVER,
            "https://h.example/git/scm/~ada/boat.git",
            "/git/rest/api/1.0/projects/~ada/repos/boat/webhooks",
        ),
        (HostKind.AZURE_DEVOPS, "https://fleet.visualstudio.com/yard/_git/boat", "/_apis/hooks/subscriptions"),
        (HostKind.AZURE_DEVOPS, "https://f.visualstudio.com/DefaultCollection/y/_git/b", "/_apis/hooks/subscriptions"),
        (HostKind.AZURE_DEVOPS, "https://dev.azure.com/fleet/_git/boat", "/fleet/_apis/hooks/subscriptions"),
        (HostKind.AZURE_DEVOPS, "https://tfs.example/tfs/col/yard/_git/boat", "/tfs/col/_apis/hooks/subscriptions"),
        (HostKind.GITHUB, "https://github.com/ya%2Frd/bo at%3F.git", "/repos/ya%2Frd/bo%20at%3F/hooks"),
    ],
)  # fmt: skip
def test_where_the_api_of_an_address_lies(kind: HostKind, address: str, path: str) -> None:
    seen: list[str] = []

    def told(request: httpx.Request) -> httpx.Response:
        seen.append(request.url.raw_path.decode().partition("?")[0])
        return httpx.Response(200, json=[] if kind in {HostKind.GITHUB, HostKind.GITLAB} else {})

    open_api(httpx.Client(transport=httpx.MockTransport(told)), kind, address, TOKEN).find_hook("x")
    assert seen == [path]


NO_REPOSITORIES = {
    HostKind.GITHUB: ("", "one", "a/b/c"),
    HostKind.GITLAB: ("",),
    HostKind.GITEA: ("", "one", "a/b/c"),
    HostKind.BITBUCKET_CLOUD: ("", "one", "a/b/c"),
    HostKind.BITBUCKET_SERVER: ("", "one", "scm/x", "scm/x/y/z"),
    HostKind.AZURE_DEVOPS: ("", "one", "_git", "_git/x", "a/b"),
}


@pytest.mark.parametrize(("kind", "path"), [(kind, path) for kind, paths in NO_REPOSITORIES.items() for path in paths])
def test_an_address_of_no_repository_is_refused(kind: HostKind, path: str) -> None:
    with pytest.raises(NoApi):
        open_api(httpx.Client(), kind, f"https://h.example/{path}", TOKEN)


def test_the_doubles_know_all_hosts() -> None:
    assert set(KINDS) == set(HostKind)
