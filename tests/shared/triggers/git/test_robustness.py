"""Whatever is sent, a receiver answers an event or a typed refusal."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import InvalidRequest, TooLarge
from shared.triggers.git.events import Delivery, HostKind
from shared.triggers.git.host import MAX_BODY
from shared.triggers.git.hosts import git_host
from shared.triggers.git.matching import GitTrigger, decide
from tests.shared.triggers.git.payloads import SAMPLES, Request, github_push

_TRIGGER = GitTrigger("t", "https://github.example/yard/boat", "main", on_pull_request=True, paths=("**/*.py",))
_OTHERS: tuple[object, ...] = (None, 0, -1, 2**80, 1.5, True, "", "x", "\ud800", [], {}, [[]], {"x": {}})
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just("0" * 40),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
_EVENTS = st.sampled_from(
    [
        *("push", "create", "delete", "pull_request", "ping", "Push Hook", "System Hook", ""),
        *("repo:push", "pullrequest:updated", "repo:refs_changed", "pr:opened", "pr:modified", "diagnostics:ping"),
    ]
)


def taken(kind: HostKind, headers: dict[str, str], body: bytes) -> Delivery | None:
    """Parse a body, and do with its events all that is done with one."""
    host = git_host(kind)
    host.verify(headers, body, ["secret"])
    assert len(host.key(headers, body)) == 64
    try:
        delivery = host.parse(headers, body)
    except (InvalidRequest, TooLarge):
        return None
    assert Delivery.model_validate_json(delivery.model_dump_json()) == delivery
    assert delivery.events
    for event in delivery.events:
        assert decide(_TRIGGER, event).reason
    return delivery


def headers_of(event: str) -> dict[str, str]:
    names = ("X-GitHub-Event", "X-Gitea-Event", "X-Gitlab-Event", "X-Event-Key", "X-GitHub-Delivery")
    return dict.fromkeys(names, event)


@given(kind=st.sampled_from(HostKind), event=_EVENTS, body=st.binary(max_size=200))
def test_any_bytes(kind: HostKind, event: str, body: bytes) -> None:
    taken(kind, headers_of(event), body)


@given(kind=st.sampled_from(HostKind), event=st.text(max_size=30) | _EVENTS, body=_JSON)
def test_any_json(kind: HostKind, event: str, body: Any) -> None:
    taken(kind, headers_of(event), json.dumps(body).encode())


def paths(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from paths(inner, (*path, key))


def replaced(value: Any, path: tuple[str | int, ...], other: object) -> Any:
    parent = json.loads(json.dumps(value))
    place = parent
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = other
    return parent


@settings(max_examples=400)
@given(data=st.data(), request=st.sampled_from(SAMPLES), other=_JSON)
def test_any_member_of_any_other_type(data: st.DataObject, request: Request, other: object) -> None:
    body = json.loads(request.body)
    path = data.draw(st.sampled_from(list(paths(body))))
    taken(request.host, dict(request.headers), json.dumps(replaced(body, path, other)).encode())


@pytest.mark.parametrize("request_", SAMPLES, ids=lambda request: f"{request.host}-{len(request.body)}")
def test_each_member_missing_and_each_of_every_type(request_: Request) -> None:
    body = json.loads(request_.body)
    for path in paths(body):
        for other in _OTHERS:
            delivery = taken(request_.host, dict(request_.headers), json.dumps(replaced(body, path, other)).encode())
            assert delivery is not None


@pytest.mark.parametrize("kind", HostKind)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"3",
        b'"x"',
        b"{",
        b"payload=",
        b"payload=%7B",
        b"payload=%FF%FE",
        b"payload=[]",
        b"\xff\xfe",
        b"\xef\xbb\xbf[]",
        b"[" * 200_000,
        b'{"a":' * 200_000 + b"1" + b"}" * 200_000,
        b"9" * 10_000,
        b"&" * 1000,
        b"payload=x&" * 1000,
    ],
    ids=lambda body: f"{body[:8]!r}x{len(body)}",
)
def test_bodies_that_say_nothing_are_refused(kind: HostKind, body: bytes) -> None:
    for headers in ({}, {"Content-Type": "application/x-www-form-urlencoded"}, {"content-type": "\0"}):
        with pytest.raises(InvalidRequest):
            git_host(kind).parse(headers, body)


@pytest.mark.parametrize("kind", HostKind)
def test_a_body_over_the_limit_is_refused_unread(kind: HostKind) -> None:
    with pytest.raises(TooLarge):
        git_host(kind).parse({}, b" " * (MAX_BODY + 1))


def test_a_body_at_the_limit_is_read() -> None:
    body = json.dumps(github_push()).encode()
    padded = body + b" " * (MAX_BODY - len(body))
    assert taken(HostKind.GITHUB, {"X-GitHub-Event": "push"}, padded) is not None


def test_a_name_of_any_length_is_no_name() -> None:
    body = json.dumps(github_push(ref="refs/heads/" + "x" * 5000)).encode()
    delivery = taken(HostKind.GITHUB, {"X-GitHub-Event": "push"}, body)
    assert delivery is not None
    assert delivery.events[0].kind == "ignored"
