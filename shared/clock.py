"""The time, as a value that can be handed in."""

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]
"""Answers the present moment, always in UTC."""


def utc_now() -> datetime:
    """Answer the present moment in UTC."""
    return datetime.now(UTC)
