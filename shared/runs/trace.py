"""A run as a trace: its spans follow from its row and from what its builder reported. Pure.

Ids follow from registry and run, so whoever makes the trace, and however often, makes the same one. What a builder
tells counts within its own run alone: its names are a fixed vocabulary, its times are kept within the run's.
Source: W3C Trace Context, section 3.2 (`traceparent`).
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from shared.grant import Span
from shared.runs.model import Run, Status

_PARENT: Final = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}")
_RUN: Final = "run"
_BUILDER: Final = "execute"


@dataclass(frozen=True)
class TraceSpan:
    """One span; `id` and `parent` are 16 hexadecimal digits, `parent` is empty where the trace begins."""

    name: str
    id: str
    parent: str
    begin: datetime
    end: datetime
    failed: bool = False
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Trace:
    """A run's spans, each after its parent; `id` is 32 hexadecimal digits."""

    id: str
    spans: tuple[TraceSpan, ...]


def read_trace_parent(header: str | None) -> str:
    """Answer a caller's `traceparent`, or nothing where it does not hold."""
    return header if header and _PARENT.fullmatch(header) else ""


def builder_parent(run: Run) -> str:
    """Answer the `traceparent` of the span that a run's builder works in."""
    return f"00-{_trace_id(run)}-{_span_id(run, _BUILDER)}-01"


def trace(run: Run, told: Iterable[Span], now: datetime) -> Trace:
    """Answer the trace of a run as far as it is known; what is under way ends now."""
    return Trace(_trace_id(run), tuple(_spans(run, told, run.finished or now)))


def _spans(run: Run, told: Iterable[Span], end: datetime) -> Iterator[TraceSpan]:
    failed = run.is_terminal and run.status is not Status.SUCCEEDED
    parent = _parts(run)[1]
    root = _span_id(run, _RUN)
    yield TraceSpan(_RUN, root, parent, run.created, end, failed, _attributes(run))
    begun = run.started or end
    placed = run.placed if run.placed and run.placed <= begun else begun
    yield TraceSpan("wait for a place", _span_id(run, "wait"), root, run.created, placed)
    if placed < begun:
        yield TraceSpan("start a builder", _span_id(run, "start"), root, placed, begun)
    if run.started is None:
        return
    executing = _span_id(run, _BUILDER)
    yield TraceSpan(_BUILDER, executing, root, run.started, end, failed, {"slipway.epoch": str(run.epoch)})
    for number, span in enumerate(sorted(told, key=lambda one: (one.begin_ms, -one.took_ms))):
        begin = min(run.started + timedelta(milliseconds=span.begin_ms), end)
        over = min(begin + timedelta(milliseconds=span.took_ms), end)
        known = {"slipway.step": span.step} if span.step else {}
        yield TraceSpan(span.name.value, _span_id(run, f"builder {number}"), executing, begin, over, span.failed, known)


def _attributes(run: Run) -> dict[str, str]:
    told = {
        "slipway.run": run.id,
        "slipway.registry": run.registry,
        "slipway.task": run.task or "",
        "slipway.cause": run.cause.kind.value,
        "slipway.outcome": run.status.value,
        "slipway.pool": run.agent_pool or "",
        "slipway.platform": str(run.platform),
    }
    return {name: value for name, value in told.items() if value}


def _parts(run: Run) -> tuple[str, str]:
    """Answer trace and span of the caller, empty where it told none."""
    found = _PARENT.fullmatch(run.trace_parent)
    return (found[1], found[2]) if found else ("", "")


def _trace_id(run: Run) -> str:
    return _parts(run)[0] or _digest(run, "trace")[:32]


def _span_id(run: Run, name: str) -> str:
    return _digest(run, f"span {name}")[:16]


def _digest(run: Run, what: str) -> str:
    return hashlib.sha256(f"{run.registry}/{run.id}/{run.created.timestamp()}/{what}".encode()).hexdigest()
