"""A trace as people read it."""

from shared.grant import Span
from shared.runs.model import Run
from shared.runs.trace import trace
from shared.sight.text import as_text
from tests.shared.sight.conftest import T0


def test_a_trace_as_text_has_a_line_for_each_span(run: Run, told: tuple[Span, ...]) -> None:
    lines = as_text(trace(run, told, T0)).splitlines()

    assert lines[1].split()[:4] == ["run", "(failed)", "0.00", "50.00"]
    assert lines[6].startswith("    step test (failed)")
    assert lines[6].split()[3:5] == ["10.50", "30.00"]
    assert "  slipway.outcome = Failed" in lines
    assert len({line.index("|") for line in lines if "|" in line}) == 1
