"""A trace as text: one line for each span, with its time and a bar. Pure."""

from collections.abc import Iterator
from typing import Final

from shared.runs.trace import Trace, TraceSpan

_WIDTH: Final = 40


def as_text(trace: Trace) -> str:
    """Answer the lines; times are seconds since the run was queued."""
    whole = trace.spans[0]
    depths: dict[str, int] = {}
    lines = [f"trace {trace.id}"]
    for span in trace.spans:
        depths[span.id] = depths.get(span.parent, -1) + 1
        lines.append(_line(span, whole, depths[span.id]))
    lines += [f"  {name} = {value}" for name, value in whole.attributes.items()]
    return "\n".join(lines) + "\n"


def _line(span: TraceSpan, whole: TraceSpan, depth: int) -> str:
    begin, took = (span.begin - whole.begin).total_seconds(), (span.end - span.begin).total_seconds()
    name = "  " * depth + " ".join(_words(span))
    return f"{name:<32.32} {begin:9.2f} {took:9.2f} s  |{_bar(span, whole)}|"


def _words(span: TraceSpan) -> Iterator[str]:
    yield span.name
    if step := span.attributes.get("slipway.step"):
        yield step
    if span.failed:
        yield "(failed)"


def _bar(span: TraceSpan, whole: TraceSpan) -> str:
    length = max((whole.end - whole.begin).total_seconds(), 0.001)
    first = min(int((span.begin - whole.begin).total_seconds() / length * _WIDTH), _WIDTH - 1)
    last = min(max(int((span.end - whole.begin).total_seconds() / length * _WIDTH), first + 1), _WIDTH)
    return " " * first + "=" * (last - first) + " " * (_WIDTH - last)
