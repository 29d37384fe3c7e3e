"""Lines of the log: dates, CRLF, masks and limits."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.log import CrlfLines, RunLog


def log(out: bytearray, *secrets: str, limit: int = 1000) -> RunLog:
    return RunLog(out.extend, secrets, now=lambda: datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), output_limit=limit)


def test_own_lines_carry_the_time() -> None:
    out = bytearray()
    log(out).line("Scanning\nfor dependencies...")
    log(out).plain("Run")
    assert out == b"2026/01/02 03:04:05 Scanning\r\n2026/01/02 03:04:05 for dependencies...\r\nRun\r\n"


def test_an_own_line_never_continues_unfinished_output() -> None:
    out = bytearray()
    lines = log(out)
    with lines.output() as output:
        output(b"progress 50%")
    lines.line("next")
    assert out == b"progress 50%\r\n2026/01/02 03:04:05 next\r\n"


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        ([b"a\nb\n"], b"a\r\nb\r\n"),
        ([b"a\r\nb\r\n"], b"a\r\nb\r\n"),
        ([b"a\r", b"\nb"], b"a\r\nb"),
        ([b"10%\r20%\r", b"30%\n"], b"10%\r20%\r30%\r\n"),
        ([b"\n", b"", b"\n"], b"\r\n\r\n"),
    ],
)
def test_line_ends_become_crlf_exactly_once(pieces: list[bytes], expected: bytes) -> None:
    lines = CrlfLines()
    assert b"".join(lines.feed(piece) for piece in pieces) == expected


@given(st.lists(st.text("a\r\n", max_size=5)))
def test_cuts_do_not_change_line_ends(pieces: list[str]) -> None:
    lines, whole = CrlfLines(), CrlfLines()
    data = [piece.encode() for piece in pieces]
    assert b"".join(lines.feed(piece) for piece in data) == whole.feed(b"".join(data))


def test_streams_side_by_side_keep_their_own_tails() -> None:
    out = bytearray()
    lines = log(out, "hunter2-secret")
    with lines.output() as one, lines.output() as two:
        one(b"hunter2-")
        two(b"other\n")
        one(b"secret\n")
    assert out == b"other\r\n***\r\n"


def test_a_held_tail_is_given_up_at_the_end() -> None:
    out = bytearray()
    with log(out, "hunter2-secret").output() as output:
        output(b"by hunter")
        assert out == b"by "
    assert out == b"by hunter"


def test_a_secret_that_comes_later_is_hidden_from_then_on() -> None:
    out = bytearray()
    lines = log(out)
    lines.hide("late-secret")
    lines.line("late-secret")
    with lines.output() as output:
        output(b"late-secret\n")
    assert b"late-secret" not in out


def test_output_over_the_limit_is_cut_with_a_visible_line_and_own_lines_go_on() -> None:
    out = bytearray()
    lines = log(out, limit=10)
    with lines.output() as output:
        output(b"12345678")
        output(b"90abc")
        output(b"never")
    lines.line("still here")
    assert out == (
        b"1234567890\r\n[the output of this run is over its limit; the rest is not shown]\r\n"
        b"2026/01/02 03:04:05 still here\r\n"
    )
