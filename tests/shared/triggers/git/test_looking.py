"""Pushes of which no delivery told are found by looks, and no commit is built twice, on a real Azurite."""

from typing import TYPE_CHECKING

import pytest

from shared.errors import Forbidden, Throttled
from shared.runs import of_tasks
from shared.runs.causes import CauseKind
from shared.runs.sealed import open_request
from shared.triggers.decisions import Verdict
from shared.triggers.git import starting
from tests.shared.triggers.git.yard import URL, commit, push

if TYPE_CHECKING:
    from tests.shared.triggers.git.yard import Yard

pytestmark = pytest.mark.slow


def test_the_first_look_only_notes_and_the_next_finds_what_moved(yard: "Yard") -> None:
    yard.put()
    yard.point(1)
    yard.look()
    assert yard.runs == []
    yard.point(2)
    yard.look()
    yard.look()
    (run,) = yard.runs
    assert (run.cause.kind, yard.built) == (CauseKind.COMMIT, [2])
    assert open_request(yard.shop, run).source_location == f"{URL}#{commit(2)}:hull"
    (decision,) = yard.decisions()
    assert decision.verdict is Verdict.STARTED
    assert "no delivery of its host told" in decision.reason
    context, token = yard.asked[0]
    assert (context.url, token) == (URL, "hunter2-pat")


def test_what_a_delivery_told_is_no_news(yard: "Yard") -> None:
    yard.put()
    yard.point(1)
    yard.look()
    yard.hear(push(1, 2))
    yard.point(2)
    yard.look()
    assert yard.built == [2]


def test_a_delivery_that_comes_after_the_look_starts_nothing_more(yard: "Yard") -> None:
    yard.put()
    yard.point(1)
    yard.look()
    yard.point(3)
    yard.look()
    yard.hear(push(1, 2))
    yard.hear(push(2, 3))
    yard.hear(push(3, 4))
    yard.point(4)
    yard.look()
    assert yard.built == [3, 2, 4]
    assert "A look at the repository found" in next(
        one.reason for one in yard.decisions() if one.verdict is Verdict.SUPPRESSED
    )


def test_an_outage_costs_no_commit_that_a_branch_is_left_at(yard: "Yard") -> None:
    yard.put()
    yard.put("globes", branch="none", branches=["release/*"])
    yard.point(1)
    yard.point(1, "release/1")
    yard.look()
    yard.point(5)
    yard.point(6, "release/1")
    yard.point(7, "release/2")
    yard.point(8, "topic")
    for _ in range(2):
        yard.look()
    assert sorted(yard.built) == [5, 6, 7]


def test_a_skipped_push_is_not_made_up_for(yard: "Yard") -> None:
    yard.put(honours_skip=True)
    yard.point(1)
    yard.look()
    yard.hear(push(1, 2, asks_to_skip=True))
    yard.point(2)
    yard.look()
    assert yard.runs == []


def test_a_commit_that_asks_for_no_build_gets_none_by_a_look(yard: "Yard") -> None:
    yard.put(honours_skip=True, branches=["release/*"])
    yard.put("eager")
    yard.point(1)
    yard.look()
    yard.asking = {3, 5, 7}
    yard.history[5, 1] = (2, 3, 4)
    yard.point(5)
    yard.point(7, "release/1")
    yard.look()
    yard.look()
    assert sorted(yard.built) == [2, 2, 3, 4, 4, 5]
    passed = {(one.verdict, one.subject) for one in yard.decisions()}
    assert {subject.partition(" ")[0] for verdict, subject in passed if verdict is Verdict.SUPPRESSED} == {
        "main",
        "release/1",
    }
    yard.hear(push(4, 5, asks_to_skip=True))
    assert len(yard.runs) == 6


def test_only_the_newest_is_asked_where_it_supersedes_and_one_that_cannot_be_read_is_built(yard: "Yard") -> None:
    yard.put(honours_skip=True, supersedes=True)
    yard.point(1)
    yard.look()
    yard.asking = {2}
    yard.point(2)
    yard.look()
    assert yard.runs == []
    yard.asking, yard.history[3, 0] = {3}, Throttled("not now")
    yard.point(3)
    yard.look()
    assert yard.built == [3]


def test_a_trigger_for_certain_actors_starts_nothing_by_a_look(yard: "Yard") -> None:
    yard.put(actors=["ada"])
    yard.point(1)
    yard.look()
    yard.point(2)
    yard.look()
    yard.look()
    assert yard.runs == []
    (decision,) = yard.decisions()
    assert decision.verdict is Verdict.REFUSED


def test_another_branch_or_a_pause_begins_anew(yard: "Yard") -> None:
    yard.put()
    yard.point(1)
    yard.point(9, "release")
    yard.look()
    yard.put(branch="release")
    yard.look()
    yard.put(status="Disabled")
    yard.look()
    yard.point(10, "release")
    yard.look()
    yard.put(branch="release")
    yard.look()
    assert yard.runs == []
    yard.point(11, "release")
    yard.look()
    assert yard.built == [11]


def test_a_crash_between_the_look_and_its_run_is_made_good(yard: "Yard", monkeypatch: pytest.MonkeyPatch) -> None:
    yard.put()
    yard.point(1)
    yard.look()
    yard.point(2)

    def fail(*_: object) -> None:
        raise Throttled("storage is busy")

    with monkeypatch.context() as patch:
        patch.setattr(starting, "run_task", fail)
        yard.look()
    assert yard.runs == []
    yard.look()
    yard.look()
    assert yard.built == [2]


def test_a_fault_is_told_once_and_looks_go_on(yard: "Yard") -> None:
    yard.put()
    yard.point(1)
    yard.look()
    yard.fault = Forbidden("The repository's host does not accept the task's access token (HTTP 401).")
    for _ in range(3):
        yard.look()
    (decision,) = yard.decisions()
    assert decision.verdict is Verdict.REFUSED
    assert "does not accept the task's access token" in decision.reason
    yard.fault = None
    yard.point(2)
    yard.look()
    assert yard.built == [2]


def test_each_repository_has_its_minute_and_a_new_one_is_looked_at_at_once(yard: "Yard") -> None:
    yard.put()
    yard.look(5)
    assert len(yard.asked) == 1
    for _ in range(10):
        yard.look(5)
    assert len(yard.asked) == 3


def test_a_deleted_task_is_not_looked_for(yard: "Yard") -> None:
    yard.put()
    yard.point(1)
    yard.look()
    yard.delete()
    yard.put()
    yard.point(2)
    yard.look()
    assert yard.runs == []
    yard.delete()
    yard.look()
    assert len(yard.asked) == 2


def test_each_commit_that_was_missed_has_one_run_and_late_deliveries_add_none(yard: "Yard") -> None:
    yard.put()
    yard.point(1)
    yard.look()
    yard.point(4)
    yard.history[4, 1] = (2, 3)
    yard.look()
    yard.look()
    assert sorted(yard.built) == [2, 3, 4]
    for number in (1, 2, 3):
        yard.hear(push(number, number + 1))
    assert sorted(yard.built) == [2, 3, 4]


def test_a_delivery_that_came_late_and_a_look_share_the_commits(yard: "Yard") -> None:
    yard.put()
    yard.point(1)
    yard.look()
    yard.hear(push(2, 3))
    yard.hear(push(1, 2))
    yard.point(5)
    yard.history[5, 3] = (4,)
    yard.look()
    assert sorted(yard.built) == [2, 3, 4, 5]


def test_over_the_cap_the_newest_get_runs_and_it_is_said(yard: "Yard") -> None:
    yard.put()
    yard.point(1)
    yard.look()
    yard.point(30)
    yard.history[30, 1] = tuple(range(2, 30))
    yard.look()
    assert sorted(yard.built) == list(range(11, 31))
    assert any("9 older commits get no run" in one.reason for one in yard.decisions())


@pytest.mark.parametrize("told", [None, Forbidden("No."), (2, 3)])
def test_a_new_history_or_none_that_can_be_read_costs_no_newest_commit(yard: "Yard", told: object) -> None:
    is_superseding = isinstance(told, tuple)
    yard.put(supersedes=is_superseding)
    yard.point(1)
    yard.look()
    yard.point(4)
    yard.history[4, 1] = told  # type: ignore[assignment] # one of the three kinds
    yard.look()
    assert yard.built == [4]
    refused = [one for one in yard.decisions() if one.verdict is Verdict.REFUSED]
    assert len(refused) == (0 if is_superseding else 1)


def test_a_crash_between_missed_commits_is_made_good(yard: "Yard", monkeypatch: pytest.MonkeyPatch) -> None:
    yard.put()
    yard.point(1)
    yard.look()
    yard.point(4)
    yard.history[4, 1] = (2, 3)
    made: list[object] = []
    run = of_tasks.run_task

    def fail_second(*given: object) -> object:
        made.append(given)
        if len(made) == 2:
            raise Throttled("storage is busy")
        return run(*given)  # type: ignore[arg-type] # handed on as they came

    with monkeypatch.context() as patch:
        patch.setattr(starting, "run_task", fail_second)
        yard.look()
    assert yard.built == [2]
    yard.look()
    assert sorted(yard.built) == [2, 3, 4]


def test_what_was_lost_between_two_deliveries_is_built_by_the_next_look(yard: "Yard") -> None:
    yard.put()
    yard.put("newest", supersedes=True)
    yard.point(1)
    yard.look()
    yard.hear(push(4, 5))
    yard.hear(push(5, 6))
    yard.point(6)
    yard.history[4, 1] = (2, 3)
    yard.look()
    yard.look()

    def built(task: str) -> list[int]:
        causes = (run.cause.source_trigger for run in yard.runs if run.task == task)
        return sorted(int(cause.commit_id or "", 16) for cause in causes if cause)

    assert (built("vessel"), built("newest")) == ([2, 3, 4, 5, 6], [5, 6])
    for before in (1, 2, 3):
        yard.hear(push(before, before + 1))
    assert built("vessel") == [2, 3, 4, 5, 6]


def test_a_gap_whose_history_is_gone_costs_only_what_cannot_be_known(yard: "Yard") -> None:
    yard.put()
    yard.point(1)
    yard.look()
    yard.hear(push(3, 4))
    yard.point(4)
    yard.history[3, 1] = None
    yard.look()
    assert sorted(yard.built) == [3, 4]
    assert any("does not continue" in one.reason for one in yard.decisions())
