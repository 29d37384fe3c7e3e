"""The tick under crashes, faults, outages, wrong clocks and overlap: nothing missed, nothing twice."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.errors import SlipwayError, Unavailable
from shared.schedule_language import parse
from shared.triggers.decisions import Verdict
from shared.triggers.schedules import occurrence_key

if TYPE_CHECKING:
    from tests.shared.triggers.conftest import House, MakeHouse, TaskValue

REGISTRY = "reg"
SETTLED = {Verdict.STARTED, Verdict.JOINED, Verdict.SUPPRESSED, Verdict.REFUSED}


class Crash(BaseException):
    """The process ends here."""


@dataclass
class Fuse:
    """Raises at the n-th step of the thread that lit it."""

    fault: Callable[[], BaseException]
    steps: int
    thread: int = field(default_factory=threading.get_ident)

    def __call__(self) -> None:
        if threading.get_ident() != self.thread:
            return
        self.steps -= 1
        if self.steps == 0:
            raise self.fault()


@contextmanager
def failing(house: "House", steps: int, fault: Callable[[], BaseException]) -> Iterator[Fuse]:
    before = house.step[0]
    fuse = house.step[0] = Fuse(fault, steps)
    with suppress(Crash, SlipwayError):
        yield fuse
    house.step[0] = before


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


def task(name: str, **schedules: str) -> "TaskValue":
    from tests.shared.triggers.conftest import TaskValue, TimerValue  # noqa: PLC0415 - a conftest, found when tests run

    timers = tuple(TimerValue(timer, schedule.replace("_", " ")) for timer, schedule in schedules.items())
    return TaskValue(name, timers)


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


def run_story(house: "House", story: list[tuple[str, int]]) -> None:
    """Live through outages, crashes, faults, wrong clocks and overlapping ticks, then check the books."""
    house.put(task("first", t1="* * * * *"))
    house.put(task("second", t1="*/5 * * * *", t2="*/7 * * * *"))
    house.put(task("third", t1="3 11 * * *"))
    armed_at, paused = house.now[0], list[Paused]()
    for event, number in story:
        house.later(seconds=60)
        match event:
            case "tick":
                house.tick()
            case "outage":
                house.later(minutes=number)
            case "crash":
                with failing(house, number, Crash):
                    house.tick()
            case "fault":
                with failing(house, number, unavailable):
                    house.tick()
            case "skew":
                house.tick(timedelta(seconds=7 * number - 150))
            case "pause":
                house.runs.is_strict = False
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


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(story=st.lists(EVENTS, max_size=25), works=st.integers(0, 9), queued=st.integers(0, 2))
def test_nothing_is_missed_and_nothing_done_twice(
    make_house: "MakeHouse", story: list[tuple[str, int]], works: int, queued: int
) -> None:
    house = make_house()
    house.runs.works_for, house.runs.queued_for = timedelta(minutes=works), timedelta(minutes=queued)
    run_story(house, story)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(story=st.lists(OVERLAPPING, max_size=15), works=st.integers(0, 5))
def test_a_tick_that_stands_still_for_hours_does_no_harm(
    make_house: "MakeHouse", story: list[tuple[str, int]], works: int
) -> None:
    house = make_house()
    house.runs.works_for = timedelta(minutes=works)
    run_story(house, story)


@pytest.mark.parametrize("is_before", [True, False], ids=["overdue", "punctual"])
def test_a_crash_at_each_step_of_a_tick_is_made_good_by_the_next(make_house: "MakeHouse", *, is_before: bool) -> None:
    """Exhaustive over one timer: until the tick is longer than the step that fails."""
    for steps in range(1, 60):
        house = make_house()
        house.put(task("nightly", t1="*/2 * * * *"))
        armed_at = house.now[0]
        house.later(minutes=11 if is_before else 2)
        with failing(house, steps, Crash) as fuse:
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
