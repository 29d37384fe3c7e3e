"""What a line makes of deliveries that are lost, repeated and late, and of looks; by values alone."""

from itertools import permutations

import pytest

from shared.triggers.git.lines import Line, Step, last_started, seen, told
from shared.triggers.git.matching import Decision, Verdict
from tests.shared.triggers.git.yard import commit, push

START = Decision(Verdict.START, "pushed")
NO = Decision(Verdict.NOTHING, "no")
LINE = Line(trigger="t", name="refs/heads/main")


def hear(line: Line, before: int, after: int, request: str = "", decision: Decision = START) -> tuple[Line, Step]:
    return told(line, push(before, after), decision, request or f"{before}-{after}")


@pytest.mark.parametrize("order", list(permutations([(1, 2), (2, 3), (3, 4)])))
def test_each_push_is_built_in_whatever_order_they_come(order: tuple[tuple[int, int], ...]) -> None:
    line, steps = LINE, []
    for before, after in order:
        line, step = hear(line, before, after)
        steps.append(step)
    assert set(steps) <= {Step.RUN, Step.LATE_RUN}
    if order == ((1, 2), (2, 3), (3, 4)):
        assert steps == [Step.RUN] * 3
        assert line.commit == commit(4)


def test_a_late_push_does_not_move_the_line_and_a_look_knows_it() -> None:
    line, _ = hear(LINE, 2, 3)
    line, step = hear(line, 1, 2)
    assert (step, line.commit, line.strays) == (Step.LATE_RUN, commit(3), (commit(2),))
    moved = seen(line, commit(2), "look")
    assert moved is not None
    assert (moved.commit, moved.owed) == (commit(2), None)


def test_the_same_event_again_comes_to_the_same() -> None:
    line, step = hear(LINE, 1, 2)
    assert hear(line, 1, 2) == (line, step)
    assert last_started(line, "1-2") is None
    assert last_started(line, "other") == commit(2)
    assert last_started(None, "x") is None


def test_a_delivery_after_the_look_has_its_run_once() -> None:
    line, _ = hear(LINE, 0, 1)
    looked = seen(line, commit(2), "look")
    assert looked is not None
    assert looked.owed is not None
    line, step = hear(looked, 1, 2)
    assert (step, line.commit, line.found) == (Step.HAS_RUN, commit(2), ())
    line, step = hear(line, 2, 1)
    assert step is Step.RUN
    line, step = hear(line, 1, 2, "again")
    assert (step, line.commit) == (Step.RUN, commit(2))


def test_a_no_moves_the_line_too() -> None:
    line, _ = hear(LINE, 0, 1)
    line, step = hear(line, 1, 2, decision=NO)
    assert (step, line.commit, line.started) == (Step.NOTHING, commit(2), commit(1))
    assert seen(line, commit(2), "look") is None


def test_what_lies_between_two_deliveries_is_for_the_next_look() -> None:
    line, _ = hear(LINE, 0, 1)
    line, step = hear(line, 3, 5)
    assert (step, line.commit, line.gaps) == (Step.RUN, commit(5), ((commit(1), commit(3)),))
    line, step = hear(line, 5, 6)
    looked = seen(line, commit(6), "look", lost=(commit(2), commit(3)))
    assert looked is not None
    assert looked.owed is not None
    assert (*looked.owed.earlier, looked.owed.commit) == (commit(2), commit(3))
    assert (looked.commit, looked.gaps, looked.request) == (commit(6), (), "5-6")
    for before, after in ((1, 2), (2, 3)):
        looked, step = hear(looked, before, after)
        assert step is Step.HAS_RUN
    assert seen(looked, commit(6), "look again") is None


@pytest.mark.parametrize("order", list(permutations([(1, 2), (2, 3), (3, 4)])))
def test_late_deliveries_close_a_gap_in_whatever_order(order: tuple[tuple[int, int], ...]) -> None:
    line, _ = hear(LINE, 0, 1)
    line, _ = hear(line, 4, 5)
    for before, after in order:
        line, step = hear(line, before, after)
        assert (step, line.commit) == (Step.LATE_RUN, commit(5))
    assert set(line.strays) == {commit(2), commit(3), commit(4)}
    looked = seen(line, commit(5), "look", lost=(commit(2), commit(3), commit(4)))
    assert looked is None or looked.owed is None


def test_a_look_at_a_commit_that_has_its_run_finds_those_before_it() -> None:
    line, _ = hear(LINE, 0, 1)
    line, _ = hear(line, 3, 4)
    line, step = hear(line, 6, 7)
    assert (step, line.commit) == (Step.LATE_RUN, commit(4))
    looked = seen(line, commit(7), "look", between=(commit(5), commit(6)), lost=(commit(2), commit(3)))
    assert looked is not None
    assert looked.owed is not None
    due = (*looked.owed.earlier, looked.owed.commit)
    assert (looked.commit, due) == (commit(7), tuple(map(commit, (2, 3, 5, 6))))


@pytest.mark.parametrize(("event", "is_looked_at"), [("tag", True), ("branch", False)])
def test_without_looks_no_gap_is_kept(event: str, *, is_looked_at: bool) -> None:
    ref = {"ref": "refs/tags/v1"} if event == "tag" else {}
    line, _ = hear(LINE, 0, 1)
    moved, step = told(line, push(3, 4, **ref), START, "3-4", is_looked_at=is_looked_at)
    assert (step, moved.commit, moved.gaps) == (Step.RUN, commit(4), ())


def test_what_is_remembered_is_bounded() -> None:
    line = LINE
    for number in range(100):
        line = seen(line, commit(number + 1), f"look {number}") or line
        line = line.with_run(str(number)).with_run(str(number))
    assert (len(line.moves), len(line.found), len(line.runs)) == (20, 100, 20)
    assert line.runs[-1] == "99"
