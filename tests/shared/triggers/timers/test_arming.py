"""Timers follow their task: at once, whatever crashes, in whatever order the writers come."""

from datetime import timedelta
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.errors import InvalidRequest, SlipwayError, Unavailable
from shared.triggers.decisions import Verdict
from shared.triggers.timers.arming import arm, sweep

if TYPE_CHECKING:
    from tests.shared.triggers.conftest import House, MakeHouse, MakeTask

REGISTRY = "reg"


def minutes(house: "House", task: str) -> list[str]:
    timers = house.scheduler.timers.of_task(REGISTRY, task)
    return sorted(f"{timer.name} {timer.next:%H:%M}" for timer in timers if timer.next)


def test_a_new_timer_waits_for_its_next_time_and_never_for_this_minute(house: "House", make_task: "MakeTask") -> None:
    house.put(make_task("nightly", t1="0 * * * *", t2="* * * * *"))
    assert minutes(house, "nightly") == ["t1 11:00", "t2 10:01"]
    house.tick()
    assert not house.runs.made


def test_another_change_of_the_task_leaves_a_timer_waiting(house: "House", make_task: "MakeTask") -> None:
    house.put(make_task("nightly", t1="5 * * * *"))
    house.later(minutes=10)
    house.put(make_task("nightly", t1="5 * * * *", t2="0 12 * * *"))
    assert minutes(house, "nightly") == ["t1 10:05", "t2 12:00"]


def test_a_changed_schedule_holds_at_once(house: "House", make_task: "MakeTask") -> None:
    house.put(make_task("nightly", t1="5 * * * *"))
    house.put(make_task("nightly", t1="30 * * * *"))
    house.later(minutes=6)
    house.tick()
    assert not house.runs.made
    house.later(minutes=25)
    house.tick()
    assert [one.subject for one in house.decisions("nightly")] == ["2026-11-21T10:30Z"]


def test_a_timer_that_is_removed_or_disabled_starts_nothing_more(house: "House", make_task: "MakeTask") -> None:
    house.put(make_task("nightly", t1="* * * * *", t2="* * * * *"))
    house.put(make_task("nightly", t1="* * * * *").with_disabled("t1"))
    house.later(minutes=3)
    house.tick()
    assert not house.runs.made
    assert house.hints() == []


def test_a_disabled_or_deleted_task_starts_nothing_even_when_nobody_disarmed_it(
    house: "House", make_task: "MakeTask"
) -> None:
    house.put(make_task("nightly", t1="* * * * *"))
    house.put(make_task("hourly", t1="* * * * *"))
    del house.tasks.known["nightly"]
    house.tasks.put(make_task("hourly", t1="* * * * *").disabled())
    for _ in range(3):
        house.later(minutes=1)
        house.tick()
    assert not house.runs.made
    assert house.hints() == []
    assert list(house.scheduler.timers.of_registry(REGISTRY)) == []


def test_a_timer_that_comes_back_starts_from_then_on(house: "House", make_task: "MakeTask") -> None:
    house.put(make_task("nightly", t1="* * * * *"))
    house.put(make_task("nightly", t1="* * * * *").with_disabled("t1"))
    house.later(minutes=90)
    house.tick()
    house.put(make_task("nightly", t1="* * * * *"))
    house.tick()
    assert not house.runs.made
    house.later(minutes=1)
    house.tick()
    assert [(one.verdict, one.stands_for) for one in house.decisions("nightly")] == [(Verdict.STARTED, 1)]


def test_any_name_can_be_a_timer(house: "House", make_task: "MakeTask") -> None:
    names = ["daily", "Daily", "a b", "50%", "a=20=b", "é|+'", "x" * 100, "日" * 100]
    house.put(make_task("nightly", **dict.fromkeys(names, "* * * * *")))
    assert {timer.name for timer in house.scheduler.timers.of_task(REGISTRY, "nightly")} == set(names)
    house.later(minutes=1)
    house.runs.queued_for = timedelta(hours=1)
    house.tick()
    assert sorted(one.trigger for one in house.decisions("nightly")) == sorted(names)


def test_tasks_whose_names_begin_alike_keep_their_own_timers(house: "House", make_task: "MakeTask") -> None:
    for name in ("nightly", "nightly-2", "nightlyx"):
        house.put(make_task(name, t1="* * * * *"))
    house.put(make_task("nightly"))
    assert sorted(timer.task for timer in house.scheduler.timers.of_registry(REGISTRY)) == ["nightly-2", "nightlyx"]


def test_a_schedule_that_never_comes_is_armed_and_silent(house: "House", make_task: "MakeTask") -> None:
    house.put(make_task("never1", t1="0 0 31 2 *"))
    timer = house.timer("never1")
    assert timer is not None
    assert timer.next is None
    assert house.hints() == []
    sweep(house.scheduler, [REGISTRY])
    house.later(days=400)
    house.tick()
    assert not house.runs.made


def test_timers_can_be_spread_while_their_occurrences_stay_exact(
    make_house: "MakeHouse", make_task: "MakeTask"
) -> None:
    house = make_house(spread=timedelta(minutes=9))
    for number in range(40):
        house.put(make_task(f"task{number:02d}", t1="*/15 * * * *"))
    counts = []
    for _ in range(15 + 10):
        before = len(house.runs.made)
        house.later(minutes=1)
        house.tick()
        counts.append(len(house.runs.made) - before)
    assert sum(counts) == 40
    assert sum(count > 0 for count in counts) >= 7
    occurrences = {
        cause.timer_trigger.schedule_occurrence for cause in house.runs.causes.values() if cause.timer_trigger
    }
    assert [f"{one:%H:%M}" for one in occurrences] == ["10:15"]
    for number in range(40):
        assert [one.stands_for for one in house.decisions(f"task{number:02d}")] == [1]


def test_a_task_that_cannot_be_run_leaves_the_reason_and_is_tried_again_at_the_next_time(
    house: "House", make_task: "MakeTask"
) -> None:
    house.put(make_task("nightly", t1="*/5 * * * *"))
    house.runs.fault = InvalidRequest("The context does not exist.")
    house.later(minutes=5)
    house.tick()
    (refused,) = house.decisions("nightly")
    assert refused.verdict is Verdict.REFUSED
    assert "The context does not exist." in refused.reason
    house.runs.fault = None
    house.later(minutes=5)
    house.tick()
    assert [one.verdict for one in house.decisions("nightly")] == [Verdict.STARTED, Verdict.REFUSED]


def test_a_passing_fault_is_no_decision(house: "House", make_task: "MakeTask") -> None:
    house.put(make_task("nightly", t1="*/5 * * * *"))
    house.runs.fault = Unavailable("Storage does not answer.")
    house.later(minutes=5)
    house.tick()
    assert house.decisions("nightly") == []
    house.runs.fault = None
    house.later(minutes=1)
    house.tick()
    assert [(one.verdict, one.subject) for one in house.decisions("nightly")] == [
        (Verdict.STARTED, "2026-11-21T10:05Z")
    ]


def test_a_run_under_way_is_waited_for_and_told_once(house: "House", make_task: "MakeTask") -> None:
    house.put(make_task("nightly", t1="*/2 * * * *"))
    house.runs.works_for = timedelta(minutes=7)
    for _ in range(11):
        house.later(minutes=1)
        house.tick()
    told = [(one.verdict, one.subject[11:], one.stands_for) for one in reversed(house.decisions("nightly"))]
    assert told == [
        (Verdict.STARTED, "10:02Z", 1),
        (Verdict.WAITS, "10:04Z", 1),
        (Verdict.STARTED, "10:08Z", 3),
        (Verdict.WAITS, "10:10Z", 1),
    ]


def test_a_queued_run_serves_a_second_timer_too(house: "House", make_task: "MakeTask") -> None:
    house.put(make_task("nightly", t1="0 11 * * *", t2="0 11 * * *"))
    house.runs.queued_for = timedelta(minutes=5)
    house.later(hours=1)
    house.tick()
    verdicts = {one.trigger: (one.verdict, one.run_id) for one in house.decisions("nightly")}
    assert verdicts == {"t1": (Verdict.STARTED, "c0000000"), "t2": (Verdict.JOINED, "c0000000")}
    assert len(house.runs.made) == 1


CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["put", "put", "drop", "tick", "sweep"]),
        st.dictionaries(
            st.sampled_from(["t1", "t2", "t3"]), st.sampled_from(["* * * * *", "*/3 * * * *", "0 11 * * *"])
        ),
        st.integers(0, 25),
    ),
    max_size=20,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=CHANGES)
def test_after_a_sweep_every_timer_waits_as_its_task_says(
    make_house: "MakeHouse", make_task: "MakeTask", changes: list[tuple[str, dict[str, str], int]]
) -> None:
    """Changes cut short anywhere, ticks in between: a sweep and two ticks later all is in order."""
    house = make_house()
    for what, timers, steps in changes:
        house.later(seconds=40)
        with house.crashing(steps):
            if what == "put":
                house.tasks.put(make_task("task1", **timers))
                arm(house.scheduler, REGISTRY, "task1")
            elif what == "drop":
                house.tasks.known.clear()
                arm(house.scheduler, REGISTRY, "task1")
            elif what == "tick":
                house.tick()
            else:
                sweep(house.scheduler, [REGISTRY])
    sweep(house.scheduler, [REGISTRY])
    house.later(minutes=3)
    house.tick()
    house.tick()
    wanted = {timer.name: timer.schedule for task in house.tasks.known.values() for timer in task.timers}
    armed = house.scheduler.timers.of_task(REGISTRY, "task1")
    assert {timer.name: timer.schedule for timer in armed} == wanted
    assert len(house.hints()) >= len(armed)
    for timer in armed:
        assert timer.next is not None
        assert timer.next > house.now[0]


def test_a_slow_writer_of_an_older_change_does_not_win(house: "House", make_task: "MakeTask") -> None:
    """The newer change comes and goes completely while the older one is about to write."""
    house.tasks.put(make_task("nightly", t1="0 12 * * *"))
    seen = [0]

    def newer() -> None:
        seen[0] += 1
        if seen[0] == 3:
            house.step[0] = lambda: None
            house.put(make_task("nightly", t1="* * * * *"))

    house.step[0] = newer
    try:
        arm(house.scheduler, REGISTRY, "nightly")
    except SlipwayError as error:  # pragma: no cover - it must not come to that
        raise AssertionError(error.message) from error
    assert seen[0] == 3
    assert minutes(house, "nightly") == ["t1 10:01"]
