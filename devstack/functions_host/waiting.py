"""Waiting that ends early."""

import asyncio
import contextlib


async def pause(seconds: float, *events: asyncio.Event) -> bool:
    """Wait `seconds`, or until one of the events is set; return whether one is."""
    waiters = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waiters, timeout=max(seconds, 0), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for waiter in waiters:
            waiter.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await waiter
    return any(event.is_set() for event in events)
