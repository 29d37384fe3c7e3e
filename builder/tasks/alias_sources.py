"""What `alias: src` names: a file of the context, or a text behind an https address."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

import httpx

from builder.contexts.choose import Means
from builder.contexts.following import following
from builder.contexts.gate import Gate
from builder.contexts.source import Context
from builder.contexts.tree import read_text
from builder.faults import ContextRefused, reason
from builder.shop import Shop
from builder.trust import tls
from shared.contexts import REFUSED, ArchiveContext, is_address, read_context
from shared.errors import SlipwayError
from shared.language.errors import AliasError
from shared.network import Allowed

TEXT_LIMIT: Final = 4 * 1024**2
"""Bytes of a text that is read at all; what the language allows is less and has its own words."""
_SECONDS: Final = 10.0
"""For all addresses of a task together."""
_SHOWN: Final = 200


@dataclass(slots=True)
class AliasSources:
    """Reads each source of one task once. Made in a running loop, asked from another thread."""

    root: Path
    means: Means
    gate: Gate
    loop: asyncio.AbstractEventLoop
    _texts: dict[str, str] = field(default_factory=dict)
    _left: float = field(default_factory=lambda: _SECONDS)

    @classmethod
    def of(cls, shop: Shop, context: Context) -> Self:
        """Read from a run's context, and from the addresses that its grant allows."""
        gate = Gate(Allowed.read(shop.grant.allowed_hosts), shop.means.resolver)
        return cls(context.root, shop.means, gate, asyncio.get_running_loop())

    def read(self, name: str) -> str:
        """Answer the text of a source. Raises AliasError, which quotes no login and no query."""
        if name not in self._texts:
            self._texts[name] = self._fetched(name) if is_address(name) else self._file(name)
        return self._texts[name]

    def _file(self, name: str) -> str:
        try:
            text = read_text(self.root, name, TEXT_LIMIT)
        except (ContextRefused, OSError):
            text = None
        if text is None:
            raise AliasError(f"open {name}: no such file or directory")
        return text

    def _fetched(self, url: str) -> str:
        began = self.loop.time()
        try:
            return asyncio.run_coroutine_threadsafe(self._fetch(url), self.loop).result()
        except TimeoutError:
            why = f"alias sources have {_SECONDS:.0f} seconds together"
        except httpx.HTTPError as fault:
            why = f"the server cannot be reached ({type(fault).__name__})"
        except SlipwayError as fault:
            why = reason(fault).removeprefix(REFUSED)
        finally:
            self._left -= self.loop.time() - began
        raise AliasError(f"the alias source {_shown(url)!r} cannot be read: {why}")

    async def _fetch(self, url: str) -> str:
        context = read_context(url)
        if not isinstance(context, ArchiveContext):
            raise ContextRefused("it is the address of a git repository")
        async with (
            asyncio.timeout(max(0.0, self._left)),
            self.gate.client(tls(self.means.bundle)) as http,
            following(context, http, self.gate, {"Accept-Encoding": "identity"}) as answer,
        ):
            if answer.status_code != httpx.codes.OK:
                raise ContextRefused(f"the server answers HTTP {answer.status_code}")
            return (await _body(answer)).decode("utf-8-sig", "replace")


async def _body(answer: httpx.Response) -> bytes:
    body = b""
    async for piece in answer.aiter_raw():
        body += piece
        if len(body) > TEXT_LIMIT:
            raise ContextRefused(f"it is longer than {TEXT_LIMIT} bytes")
    return body


def _shown(url: str) -> str:
    """Answer an address without login, query and fragment."""
    scheme, _, rest = url.partition("://")
    place = rest.partition("#")[0].partition("?")[0]
    host, slash, path = place.partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"[:_SHOWN]
