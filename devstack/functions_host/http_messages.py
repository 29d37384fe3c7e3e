"""HTTP requests and responses between ASGI and the worker protocol, as the host converts them (pure)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qsl, quote

from devstack.functions_host.protos import RpcHttp, RpcHttpCookie, TypedData

RawHeaders = Sequence[tuple[bytes, bytes]]

_BODILESS = {204, 205, 304}
_OWN_HEADERS = {"transfer-encoding", "connection"}


@dataclass(frozen=True, slots=True)
class Response:
    """What goes back to the caller."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""


def joined_headers(raw: RawHeaders) -> dict[str, str]:
    """Return headers by lower-case name; repeated ones joined by commas, empty ones left out."""
    return _joined((name.decode("latin-1").lower(), value.decode("latin-1").strip()) for name, value in raw)


def joined_query(query: bytes) -> dict[str, str]:
    """Return query values by name; names in any case are one, empty values are left out."""
    names: dict[str, str] = {}
    pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    return _joined((names.setdefault(name.lower(), name), value) for name, value in pairs)


def content_length(headers: dict[str, str]) -> int:
    """Return the declared size of the body in bytes, 0 when none is declared: such a body is never read."""
    length = headers.get("content-length", "")
    return int(length) if length.isascii() and length.isdigit() else 0


def rpc_request(scope: dict[str, Any], headers: dict[str, str], body: bytes, values: dict[str, str]) -> TypedData:
    """Build the trigger data of an HTTP function from an ASGI scope (its members are ASGI's, hence Any)."""
    path = scope["raw_path"].decode("ascii", "replace")
    query = scope["query_string"]
    url = f"{scope['scheme']}://{headers.get('host', 'localhost')}{path}"
    if query:
        url += "?" + query.decode("ascii", "replace")
    request = RpcHttp(
        method=scope["method"],
        url=url,
        headers=headers,
        query=joined_query(query),
        params=values,
        body=TypedData(bytes=body),
    )
    return TypedData(http=request)


def response_of(value: TypedData | None) -> Response:
    """Return the response for what a function returned: None is 204, a text is 200 in plain text."""
    kind = None if value is None else value.WhichOneof("data")
    if value is None or kind is None:
        return Response(204)
    if kind != "http":
        content = value.string.encode() if kind == "string" else str(getattr(value, kind)).encode()
        media = "application/json" if kind == "json" else "text/plain"
        return Response(200, ((b"content-type", f"{media}; charset=utf-8".encode()),), content)
    http = value.http
    status = int(http.status_code)
    # Names in any case are one header, and the last value wins.
    single = {name.lower(): text for name, text in http.headers.items()}
    headers = [(_field(name), _field(text)) for name, text in single.items() if name not in _OWN_HEADERS]
    headers += [(b"set-cookie", _field(set_cookie(cookie))) for cookie in http.cookies or ()]
    return Response(status, tuple(headers), b"" if status in _BODILESS else http.body.bytes)


def set_cookie(cookie: RpcHttpCookie) -> str:
    """Return the Set-Cookie value as ASP.NET writes it: value percent-encoded, attributes in its order."""
    parts = [f"{cookie.name}={quote(cookie.value, safe='-_.~')}"]
    if cookie.expires is not None:
        expires = datetime.fromtimestamp(cookie.expires.value.seconds, UTC)
        parts.append(f"expires={format_datetime(expires, usegmt=True)}")
    if cookie.max_age is not None:
        parts.append(f"max-age={int(cookie.max_age.value)}")
    if cookie.domain is not None and cookie.domain.value:
        parts.append(f"domain={cookie.domain.value}")
    parts.append(f"path={cookie.path.value if cookie.path is not None and cookie.path.value else '/'}")
    if cookie.secure is not None and cookie.secure.value:
        parts.append("secure")
    if cookie.same_site:
        parts.append(f"samesite={cookie.same_site}")
    if cookie.http_only is not None and cookie.http_only.value:
        parts.append("httponly")
    return "; ".join(parts)


def _joined(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    joined: dict[str, str] = {}
    for name, value in pairs:
        if value:
            joined[name] = f"{joined[name]},{value}" if name in joined else value
    return joined


def _field(text: str) -> bytes:
    """Encode a header; one that carries a line break or a non-Latin character is refused with ValueError."""
    if "\r" in text or "\n" in text or "\0" in text:
        raise ValueError("A response header contains a line break.")
    return text.encode("latin-1")
