"""What a builder measures of a run is always something that the app takes."""

import pytest

from builder.spans import Spans
from shared.grant import MOST_SPANS, Report, SpanName


def test_parts_are_measured_also_those_that_fail() -> None:
    spans = Spans()
    with spans.span(SpanName.SCAN):
        pass
    with pytest.raises(ValueError, match="broken"), spans.span(SpanName.STEP, "te st/é"):
        raise ValueError("broken")

    scan, step = spans.made
    assert (scan.name, scan.failed, scan.step) == (SpanName.SCAN, False, "")
    assert (step.failed, step.step) == (True, "te-st--")
    assert 0 <= scan.begin_ms <= step.begin_ms


def test_no_run_makes_a_report_that_is_refused() -> None:
    spans = Spans()
    for _ in range(MOST_SPANS + 50):
        with spans.span(SpanName.STEP, "x" * 500):
            pass

    told = {"run_id": "c1", "epoch": 1, "outcome": "Succeeded", "spans": spans.made}
    assert len(Report.model_validate(told).spans) == MOST_SPANS
