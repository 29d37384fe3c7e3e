"""Tell how the run ended: durably first, then to the app."""

import asyncio
import logging
from typing import Final

import httpx

from builder.control import BackOff, RunLink
from shared.errors import Unavailable
from shared.grant import Report

_log = logging.getLogger("slipway.builder")
_VERSION: Final = "2021-12-02"
_PATIENCE: Final = 30
_WRITTEN: Final = frozenset({201, 409, 412})
"""Created, or already there: an attempt whose answer was lost, since nobody else may write it."""
_PASSING: Final = frozenset({408, 429})


async def tell(http: httpx.AsyncClient, link: RunLink, url: str, report: Report, seconds: float) -> None:
    """Write the report to the signed address `url`, then send it until it is accepted, for `seconds` at most.

    A result blob that cannot be written for half a minute does not keep the report back. Raises Fenced
    when the run is no longer ours, Unavailable when time is up.
    """
    try:
        async with asyncio.timeout(seconds):
            await _write(http, url, report)
            await _send(link, report)
    except TimeoutError:
        raise Unavailable("the report could not be delivered in time") from None


async def _write(http: httpx.AsyncClient, url: str, report: Report) -> None:
    body = report.model_dump_json(by_alias=True, exclude_none=True).encode()
    headers = {
        "x-ms-version": _VERSION,
        "x-ms-blob-type": "BlockBlob",
        "Content-Type": "application/json",
        "If-None-Match": "*",
    }
    back_off = BackOff()
    try:
        async with asyncio.timeout(_PATIENCE):
            while not await _put(http, url, body, headers):
                await back_off.wait()
    except TimeoutError:
        _log.warning("the result could not be stored; the report is sent without it")


async def _put(http: httpx.AsyncClient, url: str, body: bytes, headers: dict[str, str]) -> bool:
    """Return whether there is nothing left to try."""
    try:
        answer = await http.put(url, content=body, headers=headers, timeout=10)
    except httpx.HTTPError:
        return False
    if answer.status_code in _WRITTEN:
        return True
    if answer.is_server_error or answer.status_code in _PASSING:
        return False
    _log.warning("storage refused the result (HTTP %s)", answer.status_code)
    return True


async def _send(link: RunLink, report: Report) -> None:
    back_off = BackOff()
    while True:
        try:
            await link.report(report)
        except Unavailable as fault:
            _log.warning("%s; the report is sent again", fault.message)
            await back_off.wait()
        else:
            return
