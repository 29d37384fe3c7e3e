"""What lies behind an https address, wherever it redirects to."""

import base64
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

import httpx

from builder.contexts.gate import Gate
from builder.faults import ContextRefused
from shared.contexts import ArchiveContext, origin

_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_MOST_REDIRECTS: Final = 3


@asynccontextmanager
async def following(
    context: ArchiveContext, http: httpx.AsyncClient, gate: Gate, headers: Mapping[str, str]
) -> AsyncIterator[httpx.Response]:
    """Open the answer to a GET, redirects followed, each of them checked like the first address.

    `http` goes through `gate`. The login of the address goes to its own host and port only. Raises ContextRefused,
    never quoting an address.
    """
    url, login = context.url, _login(context)
    for _ in range(_MOST_REDIRECTS + 1):
        gate.check_url(url)
        async with http.stream("GET", url, headers={**headers, **login}) as answer:
            location = answer.headers.get("Location")
            if answer.status_code not in _REDIRECTS or not location:
                yield answer
                return
        further = _joined(url, location)
        if origin(further) != origin(url):
            login = {}
        url = further
    raise ContextRefused(f"the server redirects more than {_MOST_REDIRECTS} times")


def _login(context: ArchiveContext) -> dict[str, str]:
    if not context.username and not context.password:
        return {}
    value = f"{context.username}:{context.password}".encode()
    return {"Authorization": f"Basic {base64.b64encode(value).decode()}"}


def _joined(url: str, location: str) -> str:
    try:
        return str(httpx.URL(url).join(location))
    except (httpx.InvalidURL, ValueError):
        raise ContextRefused("the server redirects to an address that is none") from None
