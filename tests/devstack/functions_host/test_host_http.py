"""The rules of the real host, on a real host process."""

import json
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

APP = """
import json, os, threading
from azure_functions_runtime import get_threadpool_executor

seen, changed = [], threading.Condition()

def note(value):
    with changed:
        seen.append(value)
        changed.notify_all()

@app.route("ping", methods=["GET"])
def ping(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("pong")

@app.route("aping", methods=["GET", "HEAD"])
async def aping(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("async pong")

@app.route("long", methods=["HEAD"])
def long(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(headers={"Content-Length": "12345"})

@app.route("echo/{x}/{*rest}")
def echo(req: func.HttpRequest) -> func.HttpResponse:
    parts = {"method": req.method, "url": req.url, "headers": dict(req.headers), "query": dict(req.params),
             "route": dict(req.route_params), "body": req.get_body().decode()}
    return func.HttpResponse(json.dumps(parts), mimetype="application/json")

@app.route("order/exact")
def z_exact(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("exact")

@app.route("order/{any}")
def A_any(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("any")

@app.route("boom")
def boom(req: func.HttpRequest) -> func.HttpResponse:
    raise RuntimeError("the reason")

@app.route("text")
def text(req: func.HttpRequest) -> str:
    return "plain"

@app.route("headers")
def headers(req: func.HttpRequest) -> func.HttpResponse:
    response = func.HttpResponse(status_code=202, headers={"Location": "/x", "Retry-After": "5"})
    response.headers.add("Set-Cookie", "a=b; HttpOnly")
    response.headers.add("Set-Cookie", "c=d; Path=/x")
    response.headers.add("X-Twice", "1")
    response.headers.add("X-Twice", "2")
    return response

@app.route("pool")
def pool(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(str(get_threadpool_executor()._max_workers))

@app.route("setting/{name}")
def setting(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(os.environ.get(req.route_params["name"], ""))

@app.route("trace")
def trace(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    return func.HttpResponse(f"{context.function_name} {context.trace_context.Traceparent}")

@app.route("off")
def off(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("on")

@app.route("seen/{count:int}")
def seen_so_far(req: func.HttpRequest) -> func.HttpResponse:
    with changed:
        changed.wait_for(lambda: len(seen) >= int(req.route_params["count"]), 10)
        values = list(seen)
        seen.clear()
    return func.HttpResponse(json.dumps(values))

@app.event_grid_trigger("event")
def on_event(event: func.EventGridEvent) -> None:
    if event.subject == "bad":
        raise ValueError("bad event")
    note([event.subject, event.get_json()])

@app.event_grid_trigger("event")
def on_cloud_event(event: func.CloudEvent) -> None:
    note([event.source, event.get_json()])
"""


@pytest.fixture(scope="module")
def host(workshop: Any, start_host: Any) -> Any:
    root = workshop.write(APP)
    values = {
        "FUNCTIONS_REQUEST_BODY_SIZE_LIMIT": "1000",
        "PYTHON_THREADPOOL_THREAD_COUNT": "3",
        "AzureWebJobs.off.Disabled": "true",
        "FROM_FILE": "file",
        "FROM_BOTH": "file",
    }
    (root / "local.settings.json").write_text(json.dumps({"IsEncrypted": False, "Values": values}))
    return start_host(root, environment={"FROM_BOTH": "environment"})


@pytest.mark.parametrize(
    ("method", "target", "status", "body"),
    [
        ("GET", "/ping", 200, b"pong"),
        ("GET", "/PING/", 200, b"pong"),
        ("GET", "/aping", 200, b"async pong"),
        ("HEAD", "/aping", 200, b""),
        ("HEAD", "/ping", 404, b""),
        ("POST", "/ping", 404, b""),
        ("GET", "/missing", 404, b""),
        ("GET", "/boom", 500, b""),
        ("GET", "/text", 200, b"plain"),
        ("GET", "/order/exact", 200, b"any"),
        ("GET", "/off", 404, b""),
        ("GET", "/admin", 404, b""),
        ("GET", "/runtime/webhooks/other", 404, b""),
        ("GET", "/admin/host/ping", 200, b""),
        ("GET", "/pool", 200, b"3"),
        ("GET", "/setting/FROM_FILE", 200, b"file"),
        ("GET", "/setting/FROM_BOTH", 200, b"environment"),
        ("GET", "/setting/FUNCTIONS_WORKER_RUNTIME", 200, b"python"),
    ],
)
def test_answers(host: Any, method: str, target: str, status: int, body: bytes) -> None:
    answer = host.request(method, target)
    assert (answer.status, answer.body) == (status, body)


def test_head_tells_the_length_that_the_function_names(host: Any) -> None:
    assert host.request("HEAD", "/long").header("content-length") == ["12345"]
    assert host.request("HEAD", "/aping").header("content-length") == ["10"]


def test_the_home_page_is_at_the_root(host: Any) -> None:
    assert b"up and running" in host.get("/").body


def test_a_request_arrives_as_the_worker_protocol_carries_it(host: Any) -> None:
    headers = {"X-One": "1", "X-None": "", "Content-Type": "text/plain"}
    answer = host.request("PATCH", "/ECHO/A%2Fb%20c/D/e?q=1&Q=2&none=", b"body", headers)
    parts = json.loads(answer.body)
    assert parts["method"] == "PATCH"
    assert parts["url"] == f"{host.url}/ECHO/A%2Fb%20c/D/e?q=1&Q=2&none="
    assert parts["query"] == {"q": "1,2"}
    assert parts["route"] == {"x": "A%2Fb c", "rest": "D/e"}
    assert parts["body"] == "body"
    assert parts["headers"]["x-one"] == "1"
    assert "x-none" not in parts["headers"]


def test_a_chunked_body_is_not_read(host: Any) -> None:
    answer = host.request("POST", "/echo/x", iter([b"some", b"body"]), {"Transfer-Encoding": "chunked"}, chunked=True)
    assert json.loads(answer.body)["body"] == ""


@pytest.mark.parametrize(("size", "status"), [(1000, 200), (1001, 413)])
def test_bodies_are_limited(host: Any, size: int, status: int) -> None:
    assert host.request("POST", "/echo/x", b"x" * size).status == status


def test_a_connection_is_kept_for_the_next_request(host: Any) -> None:
    connection = host.connect()
    bodies = []
    for _ in range(3):
        connection.request("GET", "/ping")
        bodies.append(connection.getresponse().read())
    connection.close()
    assert bodies == [b"pong"] * 3


def test_response_headers_and_cookies(host: Any) -> None:
    answer = host.get("/headers")
    assert answer.status == 202
    assert answer.header("location") == ["/x"]
    assert answer.header("retry-after") == ["5"]
    assert answer.header("x-twice") == ["2"]
    assert answer.header("set-cookie") == ["a=b; path=/; httponly", "c=d; path=/x"]


def test_the_context_names_function_and_trace(host: Any) -> None:
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    assert host.request("GET", "/trace", headers={"traceparent": parent}).body.decode() == f"trace {parent}"


def test_the_log_names_each_invocation_but_no_query_and_no_body(host: Any) -> None:
    host.request("POST", "/echo/logged?token=hush-query", b"hush-body")
    host.get("/boom")
    log = host.log()
    assert "echo 200 " in log
    assert "boom Failed " in log
    assert "the reason" in log
    assert "hush" not in log


# The host's own management calls.


def test_functions_are_listed_with_their_bindings(host: Any) -> None:
    listed = {function["name"]: function for function in json.loads(host.get("/admin/functions").body)}
    assert listed["ping"]["config"]["bindings"][0]["route"] == "ping"
    assert listed["off"]["isDisabled"] is True
    assert json.loads(host.get("/admin/functions/PING").body)["name"] == "ping"


def test_the_status_says_running(host: Any) -> None:
    assert json.loads(host.get("/admin/host/status").body)["state"] == "Running"


@pytest.mark.parametrize(
    ("name", "body", "status"),
    [("ping", b'{"input": ""}', 400), ("nothing", b'{"input": ""}', 404), ("on_event", b"{", 400)],
)
def test_what_cannot_be_run_by_hand(host: Any, name: str, body: bytes, status: int) -> None:
    assert host.request("POST", f"/admin/functions/{name}", body).status == status


def test_a_function_is_run_by_hand(host: Any) -> None:
    event = json.dumps(_event("by hand"))
    assert host.request("POST", "/admin/functions/on_event", json.dumps({"input": event})).status == 202
    assert json.loads(host.get("/seen/1").body) == [["by hand", {"n": 1}]]


# The Event Grid webhook.


def _event(subject: str) -> dict[str, object]:
    return {
        "id": "1",
        "topic": "t",
        "subject": subject,
        "eventType": "x",
        "eventTime": "2026-11-20T12:00:00Z",
        "data": {"n": 1},
        "dataVersion": "1",
    }


def _deliver(host: Any, content: object, kind: str = "Notification", function: str = "on_event") -> Any:
    return host.request(
        "POST",
        f"/runtime/webhooks/EventGrid?functionName={function}&code=k",
        content if isinstance(content, bytes) else json.dumps(content),
        {"aeg-event-type": kind} if kind else {},
    )


def test_each_event_of_a_delivery_runs_the_function(host: Any) -> None:
    assert _deliver(host, [_event("a"), _event("b")]).status == 202
    assert sorted(json.loads(host.get("/seen/2").body)) == [["a", {"n": 1}], ["b", {"n": 1}]]


def test_one_failed_event_fails_the_delivery(host: Any) -> None:
    assert _deliver(host, [_event("good"), _event("bad")]).status == 500
    assert json.loads(host.get("/seen/1").body) == [["good", {"n": 1}]]


def test_a_cloud_event_is_a_delivery_of_its_own(host: Any) -> None:
    event = {"specversion": "1.0", "id": "1", "source": "s", "type": "t", "data": {"n": 2}}
    assert _deliver(host, event, function="on_cloud_event").status == 202
    assert json.loads(host.get("/seen/1").body) == [["s", {"n": 2}]]


@pytest.mark.parametrize(
    "content",
    [[{"data": {"validationCode": "c0de"}}], {"data": '{"validationCode": "c0de"}'}],
    ids=["event grid schema", "cloud event"],
)
def test_the_handshake_echoes_the_code(host: Any, content: object) -> None:
    answer = _deliver(host, content, "SubscriptionValidation")
    assert (answer.status, json.loads(answer.body)) == (200, {"validationResponse": "c0de"})


@pytest.mark.parametrize(
    ("content", "kind", "function", "status"),
    [
        ([], "Unsubscribe", "on_event", 202),
        ([], "Other", "on_event", 400),
        ([], "", "on_event", 400),
        ([], "Notification", "ON_EVENT", 404),
        ([], "Notification", "ping", 404),
        (b"{", "Notification", "on_event", 500),
        (b"{}", "SubscriptionValidation", "on_event", 500),
    ],
)
def test_other_deliveries(host: Any, content: object, kind: str, function: str, status: int) -> None:
    assert _deliver(host, content, kind, function).status == status


# Stopping.

HOLD = """
import asyncio

@app.route("forever")
async def forever(req: func.HttpRequest) -> func.HttpResponse:
    await asyncio.Event().wait()

@app.route("hold")
def hold(req: func.HttpRequest) -> func.HttpResponse:
    with open("entered", "w") as entered:
        entered.write("x")
    with open("go") as go:
        go.read()
    return func.HttpResponse("done")
"""


def _hold(workshop: Any, **options: str) -> Path:
    root: Path = workshop.write(HOLD, **options)
    for name in ("entered", "go"):
        (root / name).unlink(missing_ok=True)
        os.mkfifo(root / name)
    return root


@pytest.fixture
def held(workshop: Any, start_host: Any) -> Iterator[tuple[Any, Path, list[Any], threading.Thread]]:
    """Give a host whose one request waits in its function until the FIFO `go` is opened."""
    root = _hold(workshop)
    host = start_host(root)
    answers: list[Any] = []
    caller = threading.Thread(target=lambda: answers.append(host.get("/hold")))
    caller.start()
    (root / "entered").read_text()
    yield host, root, answers, caller
    caller.join(30)


def _accepts(host: Any) -> bool:
    try:
        return bool(host.get("/admin/host/ping").status)
    except OSError:
        return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_running_invocation_finishes_before_the_host_does(held: Any, number: int) -> None:
    host, root, answers, caller = held
    host.process.send_signal(number)
    while _accepts(host):
        pass
    (root / "go").write_text("x")
    caller.join(30)
    assert [answer.body for answer in answers] == [b"done"]
    assert host.process.wait(30) == 0


def test_an_invocation_that_never_ends_is_abandoned_after_the_grace(workshop: Any, start_host: Any) -> None:
    root = _hold(workshop)
    host = start_host(root, "--grace", "0.2")
    connection = host.connect()
    connection.request("GET", "/hold")
    (root / "entered").read_text()
    assert host.stop() == 2
    connection.close()


def test_a_function_over_its_timeout_fails(workshop: Any, start_host: Any) -> None:
    host_json = '{"version": "2.0", "functionTimeout": "00:00:00.200", "extensions": {"http": {"routePrefix": ""}}}'
    host = start_host(_hold(workshop, host_json=host_json))
    assert (host.get("/forever").status, host.get("/forever").body) == (500, b"")
    assert "The timeout of 0.2 s was exceeded" in host.log()
