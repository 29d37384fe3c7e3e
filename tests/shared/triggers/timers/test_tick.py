"""The tick under crashes, faults, outages, wrong clocks and overlap: nothing missed, nothing twice."""

import threading
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.errors import Unavailable
from shared.metrics import Metric
from shared.schedule_language import parse
from shared.triggers.decisions import Verdict
from shared.triggers.timers.arming import arm
from shared.triggers.timers.schedules import occurrence_key
from shared.triggers.timers.tick import tick
from tests.conftest import Counted

if TYPE_CHECKING:
    from tests.shared.triggers.conftest import House, MakeHouse, MakeTask

REGISTRY = "reg"
SETTLED = {Verdict.STARTED, Verdict.JOINED, Verdict.SUPPRESSED, Verdict.REFUSED}


class Paused:
    """A tick that stops at its n-th step until it is resumed, however late."""

    def __init__(self, house: "House", steps: int) -> None:
        self._left = steps
        self._reached, self._go = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._work, args=(house,))
        self._thread.start()
        self._reached.wait(10)

    def _work(self, house: "House") -> None:
        before, own = house.step[0], threading.get_ident()

        def step() -> None:
            if threading.get_ident() != own:
                before()
                return
            self._left -= 1
            if self._left == 0:
                self._reached.set()
                self._go.wait(10)

        house.step[0] = step
        try:
            house.tick()
        finally:
            self._reached.set()

    def resume(self) -> None:
        self._go.set()
        self._thread.join(10)
        assert not self._thread.is_alive()


def unavailable() -> Unavailable:
    return Unavailable("Storage does not answer.")


def settle(house: "House") -> None:
    """Let time pass until nothing waits for a run or a reservation any more."""
    begin = house.now[0]
    for _ in range(12):
        house.later(minutes=4)
        house.tick()
    for known in house.tasks.known.values():
        for timer in known.timers:
            armed = house.timer(known.name, timer.name)
            assert armed is not None
            assert armed.next is not None
            assert armed.next > begin, f"{timer.name} of {known.name} was forgotten"


def check(house: "House", armed_at: datetime) -> None:
    """Every occurrence since then was settled by exactly one decision, every start is exactly one run."""
    for known in house.tasks.known.values():
        decisions = [one for one in house.decisions(known.name) if one.verdict in SETTLED]
        for timer in known.timers:
            armed = house.timer(known.name, timer.name)
            assert armed is not None
            expected, moment = 0, parse(timer.schedule).next_after(armed_at)
            while moment is not None and armed.next is not None and moment < armed.next:
                expected += 1
                moment = parse(timer.schedule).next_after(moment)
            own = [one for one in decisions if one.trigger == timer.name]
            assert sum(one.stands_for for one in own) == expected
            assert len({one.subject for one in own}) == len(own)
    started = [
        occurrence_key(
            REGISTRY, one.task, one.trigger, datetime.strptime(one.subject, "%Y-%m-%dT%H:%MZ").replace(tzinfo=UTC)
        )
        for known in house.tasks.known.values()
        for one in house.decisions(known.name)
        if one.verdict is Verdict.STARTED
    ]
    assert sorted(started) == sorted(house.runs.made)


def run_story(house: "House", make_task: "MakeTask", story: list[tuple[str, int]]) -> None:
    """Live through outages, crashes, faults, wrong clocks and overlapping ticks, then check the books."""
    house.put(make_task("first", t1="* * * * *"))
    house.put(make_task("second", t1="*/5 * * * *", t2="*/7 * * * *"))
    house.put(make_task("third", t1="3 11 * * *"))
    armed_at, paused = house.now[0], list[Paused]()
    for event, number in story:
        house.later(seconds=60)
        match event:
            case "tick":
                house.tick()
            case "outage":
                house.later(minutes=number)
            case "crash":
                with house.crashing(number):
                    house.tick()
            case "fault":
                with house.failing(number, unavailable):
                    house.tick()
            case "skew":
                house.tick(timedelta(seconds=7 * number - 150))
            case "pause":
                paused.append(Paused(house, number))
            case _:
                for one in paused:
                    one.resume()
                paused.clear()
    for one in paused:
        one.resume()
    settle(house)
    check(house, armed_at)


EVENTS = st.tuples(st.sampled_from(["tick", "outage", "crash", "fault", "skew"]), st.integers(1, 45))
OVERLAPPING = st.tuples(st.sampled_from(["tick", "outage", "crash", "pause", "pause", "resume"]), st.integers(1, 45))


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(story=st.lists(EVENTS, max_size=25), works=st.integers(0, 9), queued=st.integers(0, 2))
def test_nothing_is_missed_and_nothing_done_twice(
    make_house: "MakeHouse", make_task: "MakeTask", story: list[tuple[str, int]], works: int, queued: int
) -> None:
    house = make_house()
    house.runs.works_for, house.runs.queued_for = timedelta(minutes=works), timedelta(minutes=queued)
    run_story(house, make_task, story)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(story=st.lists(OVERLAPPING, max_size=15), works=st.integers(0, 5))
def test_a_tick_that_stands_still_for_hours_does_no_harm(
    make_house: "MakeHouse", make_task: "MakeTask", story: list[tuple[str, int]], works: int
) -> None:
    house = make_house()
    house.runs.works_for = timedelta(minutes=works)
    run_story(house, make_task, story)


@pytest.mark.parametrize("is_before", [True, False], ids=["overdue", "punctual"])
def test_a_crash_at_each_step_of_a_tick_is_made_good_by_the_next(
    make_house: "MakeHouse", make_task: "MakeTask", *, is_before: bool
) -> None:
    """Exhaustive over one timer: until the tick is longer than the step that fails."""
    for steps in range(1, 60):
        house = make_house()
        house.put(make_task("nightly", t1="*/2 * * * *"))
        armed_at = house.now[0]
        house.later(minutes=11 if is_before else 2)
        with house.crashing(steps) as fuse:
            house.tick()
        house.later(minutes=3)
        house.tick()
        house.later(minutes=3)
        house.tick()
        check(house, armed_at)
        assert len(house.hints()) == 1
        if fuse.steps > 0:
            break
    else:
        pytest.fail("the tick has more steps than were tried")
    assert steps > 10


@pytest.mark.slow
def test_a_crash_at_each_step_is_made_good_on_real_storage(real_house: "House", make_task: "MakeTask") -> None:
    """The same, exhaustively, with one timer after the other on Azurite."""
    house, steps = real_house, 0
    while True:
        steps += 1
        house.tasks.known.clear()
        name = f"nightly{steps}"
        house.put(make_task(name, t1="*/2 * * * *"))
        armed_at, house.runs.made = house.now[0], {}
        house.later(minutes=11)
        with house.crashing(steps) as fuse:
            house.tick()
        for _ in range(2):
            house.later(minutes=3)
            house.tick()
        check(house, armed_at)
        assert len(house.hints()) == 1
        house.tasks.known.clear()
        arm(house.scheduler, REGISTRY, name)
        if fuse.steps > 0:
            break
    assert steps > 10


@pytest.mark.slow
def test_two_ticks_at_the_same_time_start_each_run_once_on_real_storage(
    real_house: "House", make_task: "MakeTask"
) -> None:
    """Each with its threads; afterwards an outage of an hour."""
    house = real_house
    for number in range(30):
        house.put(make_task(f"task{number:02d}", t1="* * * * *"))
    armed_at = house.now[0]
    for minutes in (1, 1, 60):
        house.later(minutes=minutes)
        others = [threading.Thread(target=tick, args=(house.scheduler,)) for _ in range(2)]
        for other in others:
            other.start()
        for other in others:
            other.join()
    house.tick()
    assert len(house.runs.made) == 90
    check(house, armed_at)
    assert [one.stands_for for one in house.decisions("task07")] == [60, 1, 1]


def test_timers_that_are_due_together_share_their_requests(house: "House", make_task: "MakeTask") -> None:
    """What stands, the reservation, the run and the decision are each task's own; everything else is shared."""
    for number in range(100):
        house.put(make_task(f"task{number:02d}", t1="* * * * *"))
    armed_at, steps = house.now[0], list[None]()
    house.later(minutes=1)
    house.step[0] = lambda: steps.append(None)
    house.tick()
    house.step[0] = lambda: None
    requests = len(steps) / 2
    assert len(house.runs.made) == 100
    assert requests < 4.3 * 100
    check(house, armed_at)


def test_a_timer_that_somebody_changes_does_not_hold_up_the_others(house: "House", make_task: "MakeTask") -> None:
    """Whenever it is changed: the transaction of all fails, and each is tried alone."""
    for changed_at in range(1, 40):
        names = [f"{name}{changed_at}" for name in ("first", "second", "third")]
        for name in names:
            house.put(make_task(name, t1="* * * * *"))
        house.later(minutes=1)
        steps = count(1)

        def interfere(at: int = changed_at, steps: "count[int]" = steps, name: str = names[1]) -> None:
            row = house.tables[0].find(REGISTRY, f"{name}|t1") if next(steps) == at else None
            if row:
                house.tables[0].replace(row, row.values)

        house.step[0] = interfere
        house.tick()
        house.step[0] = lambda: None
        made = {run.task for run in house.runs.made.values()}
        assert {names[0], names[2]} <= made
        house.tick()
        assert set(names) <= {run.task for run in house.runs.made.values()}
        house.tasks.known.clear()
        for name in names:
            arm(house.scheduler, REGISTRY, name)


def test_what_a_tick_has_no_time_for_is_taken_up_by_the_next(house: "House", make_task: "MakeTask") -> None:
    for number in range(60):
        house.put(make_task(f"task{number}", t1="0 11 * * *"))
    armed_at = house.now[0]
    house.later(hours=1)
    house.step[0] = lambda: house.later(seconds=2)
    ticks = 0
    while len(house.runs.made) < 60:
        before = len(house.runs.made)
        house.tick()
        assert len(house.runs.made) > before
        ticks += 1
    assert ticks > 1
    house.step[0] = lambda: None
    house.tick()
    check(house, armed_at)


def test_times_that_came_are_counted_and_those_that_nothing_served(
    house: "House", make_task: "MakeTask", counted: Counted
) -> None:
    house.put(make_task("nightly", t1="* * * * *"))
    house.later(minutes=1)
    house.tick()
    house.later(minutes=10)
    house.tick()

    assert counted(Metric.SCHEDULES) == {("started", REGISTRY): 2, ("missed", REGISTRY): 9}


def test_decisions_are_counted_once_each(house: "House", make_task: "MakeTask", counted: Counted) -> None:
    house.put(make_task("nightly", t1="* * * * *"))
    house.later(minutes=1)
    house.tick()
    (decision,) = house.decisions("nightly")
    house.scheduler.decisions.record(decision)

    assert counted(Metric.DECISIONS) == {("Timer", "started", REGISTRY): 1}
