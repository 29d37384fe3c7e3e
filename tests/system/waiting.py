"""Waiting for what nobody tells: the stack is asked until there is an answer."""

import time
from collections.abc import Callable

import pytest

PATIENCE = 120.0
_PAUSE = 0.3


def until[T](ask: Callable[[], T | None], what: str = "an answer", *, seconds: float = PATIENCE) -> T:
    """Answer what `ask` answers as soon as that is something; running out of time is a failure."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        answer = ask()
        if answer:
            return answer
        time.sleep(_PAUSE)
    pytest.fail(f"{what} did not come within {seconds:g} s")
