from http.cookies import SimpleCookie

import pytest
from azure_functions_runtime.bindings.datumdef import parse_to_rpc_http_cookie_list

from devstack.functions_host import protos
from devstack.functions_host.http_messages import (
    content_length,
    joined_headers,
    joined_query,
    response_of,
    rpc_request,
    set_cookie,
)
from devstack.functions_host.protos import RpcHttp, TypedData


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (b"", {}),
        (b"a=1&b=2", {"a": "1", "b": "2"}),
        (b"a=1&a=2", {"a": "1,2"}),
        (b"a=1&A=2", {"a": "1,2"}),
        (b"a=&b", {}),
        (b"a=&a=1", {"a": "1"}),
        (b"$filter=a+eq+%27b%27", {"$filter": "a eq 'b'"}),
        (b"a=%C3%A4", {"a": "ä"}),
        (b"a=b=c", {"a": "b=c"}),
    ],
)
def test_query_values_are_joined_and_empty_ones_dropped(query: bytes, expected: dict[str, str]) -> None:
    assert joined_query(query) == expected


def test_headers_are_lower_case_joined_and_never_empty() -> None:
    raw = [(b"Accept", b"a"), (b"accept", b"b"), (b"X-None", b""), (b"x-blank", b"  "), (b"X-One", b" 1 ")]
    assert joined_headers(raw) == {"accept": "a,b", "x-one": "1"}


@pytest.mark.parametrize(("value", "expected"), [("12", 12), ("0", 0), ("", 0), ("-1", 0), ("x", 0), ("²", 0)])
def test_only_a_declared_length_counts(value: str, expected: int) -> None:
    assert content_length({"content-length": value}) == expected


def test_the_request_keeps_its_escaped_path_and_query() -> None:
    scope = {"scheme": "https", "method": "PUT", "raw_path": b"/a%2Fb%20c", "query_string": b"x=1&y="}
    data = rpc_request(scope, {"host": "h:1"}, b"body", {"v": "a%2Fb c"})
    assert data.http.url == "https://h:1/a%2Fb%20c?x=1&y="
    assert data.http.query == {"x": "1"}
    assert data.http.params == {"v": "a%2Fb c"}
    assert data.http.body.bytes == b"body"


def _returned(status: str, headers: dict[str, str], body: bytes = b"x") -> TypedData:
    return TypedData(http=RpcHttp(status_code=status, headers=headers, cookies=None, body=TypedData(bytes=body)))


def test_nothing_returned_is_204() -> None:
    assert response_of(None).status == 204


def test_a_text_is_plain() -> None:
    response = response_of(TypedData(string="ä"))
    assert (response.status, response.body) == (200, "ä".encode())
    assert response.headers == ((b"content-type", b"text/plain; charset=utf-8"),)


def test_repeated_headers_collapse_to_the_last() -> None:
    response = response_of(_returned("202", {"X-A": "1", "x-a": "2"}))
    assert response.headers == ((b"x-a", b"2"),)


def test_framing_headers_of_the_function_are_the_hosts_own_business() -> None:
    """A length is kept, for HEAD alone may tell one."""
    response = response_of(_returned("200", {"Content-Length": "999", "Transfer-Encoding": "chunked"}))
    assert response.headers == ((b"content-length", b"999"),)


@pytest.mark.parametrize("status", ["204", "205", "304"])
def test_a_status_without_body_sends_none(status: str) -> None:
    assert response_of(_returned(status, {}, b"body")).body == b""


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "a\0b", "\u2603"])
def test_a_header_that_would_split_the_response_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match=r"line break|latin-1"):
        response_of(_returned("200", {"X-A": value}))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("a=b", "a=b; path=/"),
        ("a=b; Path=/x; HttpOnly; Secure", "a=b; path=/x; secure; httponly"),
        ("a=b; Max-Age=60; Domain=d", "a=b; max-age=60; domain=d; path=/"),
        ("a=b; SameSite=Strict", "a=b; path=/; samesite=strict"),
        ("a=b; SameSite=None", "a=b; path=/; samesite=none"),
        ("a=b; Expires=Wed, 21 Oct 2026 07:28:00 GMT", "a=b; expires=Wed, 21 Oct 2026 07:28:00 GMT; path=/"),
        ('a="b c"', "a=b%20c; path=/"),
    ],
)
def test_cookies_go_through_the_worker_and_out(given: str, expected: str) -> None:
    (cookie,) = parse_to_rpc_http_cookie_list([SimpleCookie(given)], protos)
    assert set_cookie(cookie) == expected
