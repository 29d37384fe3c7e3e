"""Rubbish at every HTTP door: whatever is sent, the answer is one in the ARM form, and never a fault of ours."""

import asyncio
import inspect
import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import azure.functions as func
import pytest

from function_app import open_app
from functions import _git_hosts, _http, builders, live_logs, runs
from functions._services import Services
from shared.access.builder_tokens import Bearer, TokenUse
from shared.access.callers import Caller, Callers
from shared.access.log_tokens import LogTokens
from shared.errors import Unauthenticated

if TYPE_CHECKING:
    from tests.shared.runs.conftest import Hands

pytestmark = pytest.mark.slow
OTHERS = {"git_hook", "registry_events", "provenance_keys", "metadata_endpoints"}
"""Those with services of their own: tested beside the rooms behind them, or without input."""
SECRET = "hunter2-hunter2"
DEEP = 900
SAMPLE = 20
"""Of some hundred changes to each good body, drawn anew by a seed; all of them take ten minutes."""


def nested(depth: int, inner: str = "1") -> bytes:
    return ('{"properties":' * depth + inner + "}" * depth).encode()


BODIES: tuple[bytes, ...] = (
    b"",
    b"null",
    b"0",
    b'""',
    b"[]",
    b"{}",
    b"[[[]]]",
    b'{"',
    b"\xff\xfe\x00",
    b"\x00",
    b"NaN",
    b'{"count": NaN}',
    b'{"properties": {"count": Infinity}}',
    b'{"properties": {"count": 1e400}, "count": -1e400}',
    b'{"properties": {"count": ' + b"9" * 4000 + b"}}",
    b'{"properties": {"count": ' + b"9" * 5000 + b"}}",
    b'{"\\ud800": "\\udfff", "properties": {"\\ud800": "\\ud800"}}',
    b'{"\\u0000": "\\u0000", "properties": null, "tags": null}',
    b'{"properties": [], "tags": [], "identity": [], "location": []}',
    b'{"properties": 7, "tags": 7, "identity": 7, "location": 7, "type": 7}',
    b"[" * 100_000,
    b'{"a":' * 100_000,
    nested(DEEP),
    nested(DEEP, "[" * 90 + "]" * 90),
    b"\xef\xbb\xbf{}",
    "{}".encode("utf-16"),
    b"x" * (4 * 1024**2 + 1),
)
WORDS = (
    "x",
    "\x00",
    "..",
    "a/b",
    "a\\b",
    "a#b?c",
    "%2e%2e%2f",
    "a" * 5000,
    "é" * 40,
    "'",
    "' or PartitionKey ne '",
    "a\r\nb: c",
    "-",
    "~",
    "${7*7}{{7*7}}",
)
QUERIES: tuple[dict[str, str], ...] = (
    {"$top": "x", "$filter": "x"},
    {"$top": "9" * 5000},
    {"$top": "-1", "$skiptoken": "\x00"},
    {"$top": "٣"},
    {"$top": "1", "$skiptoken": "../.."},
    {"$skiptoken": "a" * 5000},
    {"$filter": "(" * 5000},
    {"$filter": "not " * 5000 + "Status eq 'x'"},
    {"$filter": "Status eq '" + "'" * 4999},
    {"$filter": "CreateTime gt 9999-99-99T99:99:99Z"},
    {"$filter": "CreateTime gt 0001-01-01T00:00:00+23:59"},
    {"$filter": "FinishTime lt 9999-12-31T23:59:59-23:59"},
    {"$filter": " and ".join(["Status eq 'Failed'"] * 2000)},
    {"api-version": "\r\nx: y", "format": "\x00"},
)
UNHASHABLE: tuple[Any, ...] = ([], {})
SEARCHED = ("runs_list", "resources_list", "notifications_list", "sight_trace", "agent_pools_delete", "task_runs_list")
HEADERS = {
    "live_logs": ("range", "x-ms-range"),
    "quick_schedule_run": ("traceparent", "x-ms-client-request-id"),
    "task_runs_put": ("x-ms-client-request-id",),
}
LEAVES: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    10**30,
    1.5,
    "",
    "\x00",
    "x" * 100_000,
    "\r\n",
    "é\u2028",
    "9999-12-31T23:59:59-14:00",
    "https://[::1",
    "a@b@c//..\\",
    [],
    {},
    [None],
    [[]],
    ["x"] * 2000,
    {"": ""},
    {"x": None},
)

STEP: dict[str, Any] = {
    "type": "EncodedTask",
    "encodedTaskContent": "c3RlcHM6CiAgLSBjbWQ6IGJhc2gK",
    "encodedValuesContent": "YTogYgo=",
    "values": [{"name": "a", "value": "b", "isSecret": False}],
    "contextPath": "https://github.com/yard/boat.git#main:dir",
    "contextAccessToken": SECRET,
}
GOOD: Mapping[str, dict[str, Any]] = {
    "tasks_put": {
        "location": "local",
        "tags": {"a": "b"},
        "identity": {"type": "SystemAssigned", "userAssignedIdentities": {}},
        "properties": {
            "status": "Enabled",
            "platform": {"os": "linux", "architecture": "arm64", "variant": "v8"},
            "agentConfiguration": {"cpu": 2},
            "timeout": 3600,
            "step": STEP,
            "trigger": {
                "timerTriggers": [{"schedule": "0 0 * * *", "name": "t1", "status": "Enabled"}],
                "baseImageTrigger": {
                    "name": "base",
                    "baseImageTriggerType": "Runtime",
                    "status": "Enabled",
                    "updateTriggerEndpoint": "https://example.com/x",
                    "updateTriggerPayloadType": "Default",
                },
            },
            "credentials": {
                "sourceRegistry": {"loginMode": "Default", "identity": "x"},
                "customRegistries": {
                    "r.example": {
                        "userName": {"type": "Opaque", "value": "u"},
                        "password": {"type": "Opaque", "value": SECRET},
                        "identity": "x",
                    }
                },
            },
            "logTemplate": "a:b",
            "isSystemTask": False,
        },
    },
    "quick_schedule_run": {
        "type": "DockerBuildRequest",
        "imageNames": ["hello:v1"],
        "dockerFilePath": "Dockerfile",
        "isPushEnabled": True,
        "noCache": False,
        "target": "x",
        "arguments": [{"name": "a", "value": SECRET, "isSecret": True}],
        "timeout": 600,
        "platform": {"os": "linux", "architecture": "arm64", "variant": "v8"},
        "agentConfiguration": {"cpu": 2},
        "sourceLocation": "https://github.com/yard/boat.git",
        "credentials": {"customRegistries": {"r.example": {"identity": "x"}}},
        "isArchiveEnabled": False,
        "logTemplate": "a:b",
    },
    "task_runs_put": {
        "location": "local",
        "identity": {"type": "None"},
        "properties": {
            "forceUpdateTag": "x",
            "runRequest": {
                "type": "TaskRunRequest",
                "taskId": "x",
                "overrideTaskStepProperties": {
                    "contextPath": "https://github.com/yard/boat.git",
                    "updateTriggerToken": "eA==",
                    "values": [{"name": "a", "value": "b"}],
                },
            },
        },
    },
    "agent_pools_put": {
        "location": "local",
        "tags": {"a": "b"},
        "properties": {"count": 0, "tier": "S1", "os": "Linux"},
    },
    "runs_update": {"isArchiveEnabled": True, "properties": {"isArchiveEnabled": True}},
    "pool_machines_register": {"machine": "m", "platforms": ["linux/amd64"], "reuse": "builds"},
    "builders_login": {
        "pull": ["a"],
        "push": ["hello"],
        "layers": {"repository": "hello", "tag": "cache-" + "0" * 16, "replaced": ""},
    },
    "builders_secrets": {"secrets": [{"id": "a", "keyvault": "https://x.vault.azure.net/secrets/a", "clientId": "x"}]},
    "builders_contents": {
        "repository": "hello",
        "digest": "sha256:" + "a" * 64,
        "distribution": {"id": "debian", "version": "13"},
        "packages": [{"kind": "deb", "name": "a", "version": "1", "architecture": "amd64", "source": "a"}],
        "lacks": "x",
    },
    "builders_report": {
        "runId": "",
        "epoch": 1,
        "outcome": "Failed",
        "error": "x",
        "images": [{"registry": "r.example", "repository": "a", "tag": "b", "digest": "sha256:" + "a" * 64}],
        "dependencies": [{"image": None, "runtime": {"registry": "r", "repository": "a"}, "buildtime": []}],
        "platforms": [{"os": "linux"}],
        "steps": [{"step": "a", "image": "b"}],
        "spans": [{"name": "build", "beginMs": 1, "tookMs": 2, "failed": False, "step": "s"}],
        "tellsContents": True,
        "needsFull": True,
    },
}
EXPECTED = {"builders_secrets": {403}, "builders_contents": {409}, "pool_machines_register": {401}}
"""What a door answers a good body for another reason, where that is not that it has done it."""
GOOD_TOO = {"tasks_patch": "tasks_put", "task_runs_patch": "task_runs_put", "agent_pools_patch": "agent_pools_put"}


class AnyCaller(Callers):
    """Everybody may do everything."""

    def __init__(self) -> None:
        """Ask nobody for keys."""

    @property
    def challenge(self) -> str:
        return "Bearer"

    def authenticate(self, authorization: str | None) -> Caller:
        if authorization != "Bearer me":
            raise Unauthenticated("no")
        return Caller("me", "User", frozenset({"me"}))

    def require(self, *_: object) -> None:
        """Let everybody in."""

    def holds(self, *_: object) -> bool:
        return True


@dataclass
class Site:
    """All doors, and what to say at them."""

    hands: "Hands"
    params: dict[str, str]
    tokens: dict[str, str]
    log: pytest.LogCaptureFixture
    faults: list[str] = field(default_factory=list)
    allowed: str = ""
    said: bytes = b""
    asked: int = 0

    def ask(self, door: Any, about: str, **changes: Any) -> int:
        """Call a door as a good caller does, but for `changes`; note what must not be."""
        trigger, name = door.get_trigger(), door.get_function_name()
        self.allowed = "shows a secret" if name == "builders_claim" else ""
        params = self.params | changes.get("params", {})
        headers = {"authorization": f"Bearer {self.token(name)}"} | changes.get("headers", {})
        for method in trigger.methods:
            request = func.HttpRequest(
                method.value,
                "https://localhost/" + trigger.route,
                headers=headers,
                params={"sig": self.tokens["log"]} | changes.get("query", {}),
                route_params={one: value for one, value in params.items() if f"{{{one}}}" in trigger.route},
                body=changes.get("body", b"{}"),
            )
            self.asked += 1
            status = self._judged(f"{method.value} {name} {about[:80]!r}", door.get_user_function(), request)
        return status

    def judge(self) -> None:
        """Fail with the first fault of each door."""
        first = {fault.split("'")[0]: fault for fault in reversed(self.faults)}
        pytest.fail("\n".join(first.values())) if first else None

    def token(self, name: str) -> str:
        if name in {"builders_claim", "pool_machines_leave"}:
            return self.tokens["group"]
        if name.startswith("builders_"):
            return self.tokens["run"]
        return self.tokens["pool"] if name == "pool_machines_register" else "me"

    def _judged(self, what: str, call: Any, request: func.HttpRequest) -> int:
        try:
            more = [SimpleNamespace(trace_context=None)] if "context" in inspect.signature(call).parameters else []
            answer = call(request, *more)
            answer = asyncio.run(answer) if inspect.iscoroutine(answer) else answer
        except Exception as error:  # noqa: BLE001 - that is what is looked for
            self.faults.append(f"{what}: raised {type(error).__name__} {str(error)[:100]}")
            return 0
        why = self.log.records[-1].exc_text or "" if answer.status_code >= 500 and self.log.records else ""
        self.faults += [
            f"{what}: {answer.status_code} {fault} {why[-300:]}" for fault in faults_of(answer) if fault != self.allowed
        ]
        self.said = answer.get_body()[:300]
        return int(answer.status_code)


def faults_of(answer: func.HttpResponse) -> Iterator[str]:
    body = answer.get_body()
    if answer.status_code >= 500:
        yield f"is a fault of ours: {body[:200]!r}"
    if b"Traceback" in body or b"site-packages" in body or b'.py"' in body:
        yield "shows a traceback"
    if SECRET.encode() in body:
        yield "shows a secret"
    if any("\n" in value or "\r" in value for value in answer.headers.values()):
        yield "has a header of two lines"
    if answer.mimetype == "application/json" and body:
        try:
            told = json.loads(body.decode(), parse_constant=pytest.fail)
            body.decode().encode()
        except (ValueError, pytest.fail.Exception):
            yield f"is no JSON: {body[:100]!r}"
            return
        if answer.status_code >= 400 and not isinstance(told.get("error", {}).get("message"), str):
            yield f"is no error of ARM: {body[:100]!r}"
        json.dumps(told, ensure_ascii=False).encode("utf-8", "strict")
    elif answer.status_code >= 400 and answer.status_code != 416:
        yield "has no error of ARM"


def door(name: str) -> Any:
    return next(one for one in DOORS if one.get_function_name() == name)


ALL: list[Any] = open_app().get_functions()
DOORS = [one for one in ALL if one.get_trigger().type == "httpTrigger" and one.get_function_name() not in OTHERS]


@pytest.fixture
def site(hands: "Hands", monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Site:
    """Make a registry with a run; its doors wait for nothing."""
    logs = LogTokens(b"l" * 32)
    more = {"public_url": "https://localhost", "live_logs": True, "tenant_id": "t"}
    settings = hands.shop.settings.model_copy(update=more)
    shop = hands.shop = replace(hands.shop, settings=settings)
    known = Services(settings, AnyCaller(), shop, logs)
    for module in (_http, _git_hosts):
        monkeypatch.setattr(module, "services", lambda: known)
    monkeypatch.setattr(_git_hosts, "_api", lambda: None)
    for where, name in ((builders, "_CLAIM_SECONDS"), (live_logs, "_HOLD_SECONDS")):
        monkeypatch.setattr(where, name, 0)
    monkeypatch.setattr(runs, "_SHORT_RUN", runs._SHORT_RUN * 0)
    run = hands.submit("k1", arguments=[{"name": "A", "value": SECRET, "isSecret": True}])
    grant = hands.claim(run)
    hour = timedelta(hours=1)
    params = {
        "subscription": "s",
        "resource_group": "rg",
        "registry": hands.registry.name,
        "run": run.id,
        "group": grant.group,
        "task": "task1",
        "task_run": "taskrun1",
        "pool": "pool1",
        "token": "x",
        "trigger": "t1",
        "operation": "x",
    }
    tokens = {
        "run": grant.run_token,
        "group": shop.tokens.sign(TokenUse.GROUP, Bearer(run.registry, grant.group), shop.clock(), hour),
        "log": logs.sign(run.registry, run.id, shop.clock(), hour, reader="x"),
        "pool": "x.y",
    }
    return Site(hands, params, tokens, caplog)


def test_a_body_of_rubbish(site: Site) -> None:
    """Bytes that are no JSON, JSON that is no object, numbers that are none, depths without an end."""
    for one in DOORS:
        reads = {method.value for method in one.get_trigger().methods} - {"GET", "HEAD", "DELETE"}
        for body in BODIES if reads else ():
            site.ask(one, f"body {body[:60]!r}", body=body)
    site.judge()


def test_a_name_of_rubbish(site: Site) -> None:
    for one in DOORS:
        for name in site.params:
            if f"{{{name}}}" in one.get_trigger().route:
                for word in WORDS:
                    site.ask(one, f"{name} {word!r}", params={name: word})
    site.judge()


def test_a_query_of_rubbish(site: Site) -> None:
    for one in map(door, SEARCHED):
        for query in QUERIES:
            site.ask(one, f"query {query}", query=query)
    site.judge()


def test_a_header_of_rubbish(site: Site) -> None:
    """A token that is none is answered with 401 or 403 by every door, and a traceparent or a range never hurts."""
    for one in DOORS:
        body = json.dumps(GOOD.get(one.get_function_name(), {})).encode()
        for word in ("", *WORDS[:5], "é", "e30.e30.e30", "W10.W10.", "eyJhbGciOiJub25lIn0.e30.", "x." * 5000):
            for scheme in ("Bearer ", "Basic ", ""):
                status = site.ask(
                    one, f"token {word!r}", headers={"authorization": scheme + word}, query={"sig": word}, body=body
                )
                if status not in {401, 403}:
                    site.faults.append(f"{one.get_function_name()}: {status} for the token {word!r}")
        for name in HEADERS.get(one.get_function_name(), ()):
            for word in ("bytes=" + "9" * 5000 + "-", "bytes=-" + "9" * 5000, "bytes=5-1", "bytes=٣-", *WORDS):
                site.ask(one, f"{name} {word!r}", headers={name: word})
    site.judge()


def test_a_builder_of_a_registry_that_is_served_no_more_is_sent_away(site: Site) -> None:
    shop, params = site.hands.shop, site.params
    for use in TokenUse:
        bearer = Bearer("gone", params["group"], params["run"] if use is TokenUse.RUN else "", 1)
        site.tokens[use.value.removeprefix("slipway-")] = shop.tokens.sign(
            use, bearer, shop.clock(), timedelta(hours=1)
        )
    for one in DOORS:
        if one.get_trigger().route.startswith("builders/"):
            name = one.get_function_name()
            assert site.ask(one, "gone", body=json.dumps(GOOD.get(name, {})).encode()) == 401
    site.judge()


def paths(value: object, here: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    yield here
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in members:
        yield from paths(inner, (*here, name))


def changed(value: Any, path: tuple[str | int, ...], leaf: object) -> Any:
    if not path:
        return leaf
    copy = value.copy()
    copy[path[0]] = changed(value[path[0]], path[1:], leaf)
    return copy


@pytest.mark.parametrize("name", [*GOOD, *GOOD_TOO])
def test_a_good_body_with_one_member_of_rubbish(site: Site, name: str) -> None:
    good, asked = dict(GOOD[GOOD_TOO.get(name, name)]), door(name)
    if "runId" in good:
        good["runId"] = site.params["run"]
    store, registry = site.hands.shop.store, site.hands.partition
    run = store.get(registry, site.params["run"])
    if "runRequest" in good.get("properties", {}):
        site.ask(door("tasks_put"), "good", body=json.dumps(GOOD["tasks_put"]).encode())
        good = changed(good, ("properties", "runRequest", "taskId"), f"{site.hands.registry.id}/tasks/task1")
    for first in (GOOD_TOO[name], name) if name in GOOD_TOO else (name,):
        status = site.ask(door(first), "good", body=json.dumps(good).encode())
        assert status in EXPECTED.get(name, {200, 201}), site.said
        store.change(registry, run.id, lambda _: run)
    every = [(path, leaf) for path in paths(good) for leaf in LEAVES]
    kinds = [(path, leaf) for path, leaf in every if path[-1:] == ("type",) and leaf in UNHASHABLE]
    for path, leaf in (*kinds, *random.Random(7).sample(every, min(SAMPLE, len(every)))):
        body = json.dumps(changed(good, path, leaf)).encode()
        site.ask(asked, f"{'.'.join(map(str, path))} {leaf!r}", body=body)
        store.change(registry, run.id, lambda _: run)
    site.judge()
