"""A run's trace: made of what is on record, the same each time, and kept within what a run may say of itself."""

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from shared.grant import Report, Span, SpanName
from shared.runs.model import Requester, Run, Status
from shared.runs.trace import builder_parent, read_trace_parent, trace

T0 = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def a_run(**changes: object) -> Run:
    run = Run(
        id="c1234567",
        registry="reg",
        created=T0,
        updated=T0,
        timeout_seconds=60,
        requester=Requester(name="me", kind="User"),
        status=Status.SUCCEEDED,
        placed=at(2),
        started=at(10),
        finished=at(30),
        epoch=1,
    )
    return run.model_copy(update=changes)


def test_the_parts_of_a_run_fill_it() -> None:
    told = (
        Span(name=SpanName.PUSH, begin_ms=15_000, took_ms=4_000),
        Span(name=SpanName.BUILD, begin_ms=1_000, took_ms=13_000),
    )

    found = trace(a_run(), told, at(99))

    assert [
        (span.name, (span.begin - T0).total_seconds(), (span.end - T0).total_seconds()) for span in found.spans
    ] == [
        ("run", 0, 30),
        ("wait for a place", 0, 2),
        ("start a builder", 2, 10),
        ("execute", 10, 30),
        ("build", 11, 24),
        ("push", 25, 29),
    ]
    ids = {span.id for span in found.spans}
    assert len(ids) == len(found.spans)
    assert all(span.parent in ids for span in found.spans[1:])


def test_a_trace_goes_on_where_its_caller_s_span_is() -> None:
    run = a_run(trace_parent=CALLER)
    found = trace(run, (), at(99))

    assert found.id == CALLER.split("-")[1]
    assert found.spans[0].parent == CALLER.split("-")[2]
    assert builder_parent(run) == f"00-{found.id}-{found.spans[3].id}-01"
    assert read_trace_parent(builder_parent(run))


def test_the_same_run_makes_the_same_trace_and_another_run_another() -> None:
    assert trace(a_run(), (), at(1)) == trace(a_run(), (), at(2))
    assert trace(a_run(), (), at(1)).id != trace(a_run(id="c1234568"), (), at(1)).id
    assert trace(a_run(), (), at(1)).id != trace(a_run(registry="other"), (), at(1)).id


def test_what_a_builder_says_stays_within_its_run() -> None:
    told = (Span(name=SpanName.BUILD, begin_ms=86_000_000, took_ms=86_000_000),)

    found = trace(a_run(), told, at(99)).spans[-1]

    assert (found.begin, found.end) == (at(30), at(30))


def test_a_run_under_way_ends_now() -> None:
    run = a_run(status=Status.QUEUED, placed=None, started=None, finished=None)

    assert [(span.name, span.end) for span in trace(run, (), at(5)).spans] == [
        ("run", at(5)),
        ("wait for a place", at(5)),
    ]


@pytest.mark.parametrize(
    "header",
    [None, "", "00-" + "0" * 32 + "-b7ad6b7169203331-01", CALLER[:-6], CALLER.upper(), CALLER + "-x", "x" * 4000],
)
def test_a_header_that_does_not_hold_is_none(header: str | None) -> None:
    assert read_trace_parent(header) == ""


@pytest.mark.parametrize(
    "span",
    [
        {"name": "anything", "beginMs": 0, "tookMs": 1},
        {"name": "build", "beginMs": -1, "tookMs": 1},
        {"name": "build", "beginMs": 0, "tookMs": 10**12},
        {"name": "step", "beginMs": 0, "tookMs": 1, "step": "a b\n"},
    ],
)
def test_only_the_vocabulary_is_taken(span: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Report.model_validate({"runId": "c1", "epoch": 1, "outcome": "Succeeded", "spans": [span]})
