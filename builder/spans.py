"""What a run's time went into: spans that go to the app with the report."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from shared.grant import MOST_SPANS, Span, SpanName

_UNUSUAL: Final = re.compile(r"[^A-Za-z0-9._-]")


class Spans:
    """Measures the parts of one run, by a clock that never goes back, from when the run was claimed."""

    def __init__(self) -> None:
        self._origin = time.monotonic()
        self._made: list[Span] = []

    @contextmanager
    def span(self, name: SpanName, step: str = "") -> Iterator[None]:
        """Measure a part of the run; one that raises has failed."""
        begin, failed = time.monotonic(), True
        try:
            yield
            failed = False
        finally:
            self._add(name, step, begin, failed=failed)

    @property
    def made(self) -> tuple[Span, ...]:
        """The parts that are over, in the order of their ends."""
        return tuple(self._made)

    def _add(self, name: SpanName, step: str, begin: float, *, failed: bool) -> None:
        if len(self._made) >= MOST_SPANS:
            return
        begin_ms, end_ms = (int((moment - self._origin) * 1000) for moment in (begin, time.monotonic()))
        named = _UNUSUAL.sub("-", step)[:64]
        self._made.append(Span(name=name, begin_ms=begin_ms, took_ms=end_ms - begin_ms, failed=failed, step=named))
