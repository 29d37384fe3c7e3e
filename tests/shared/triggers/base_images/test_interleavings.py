"""Whatever the order of events, polls, messages, runs and crashes: each generation once, and nothing stale at rest."""

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.errors import SlipwayError, Unavailable
from shared.runs.model import Status
from shared.triggers.decisions import Verdict
from tests.shared.triggers.base_images.conftest import MarkedTable, Task, build, tag
from tests.shared.triggers.conftest import Crash, Fuse

if TYPE_CHECKING:
    from tests.shared.triggers.base_images.conftest import Yard

BASES = ("base0", "base1")
TASKS = (
    Task("left", ("base0",), "left"),
    Task("right", ("base0", "base1"), "right"),
    Task("top", ("left", "right"), "top"),
    Task("both", ("base1", "top"), "both"),
)
ACTIONS = st.one_of(
    st.tuples(st.just("push"), st.sampled_from(BASES), st.integers(1, 3)),
    st.tuples(st.just("quiet push"), st.sampled_from(BASES), st.integers(1, 3)),
    st.tuples(st.just("message"), st.booleans(), st.just(0)),
    st.tuples(st.just("serve"), st.just(""), st.just(0)),
    st.tuples(st.just("poll"), st.just(""), st.just(0)),
    st.tuples(st.just("run"), st.just(""), st.integers(0, 5)),
    st.tuples(st.just("manual"), st.sampled_from([task.name for task in TASKS]), st.just(0)),
    st.tuples(st.just("later"), st.just(""), st.integers(1, 90)),
    st.tuples(st.just("crash"), st.booleans(), st.integers(1, 60)),
)
Action = tuple[str, str | bool, int]


def make() -> "Yard":
    yard = build([MarkedTable() for _ in range(5)])
    for base in BASES:
        yard.registry.push(base, "1")
    for task in TASKS:
        yard.put(task)
        yard.first_run(task.name)
    yard.rest()
    return yard


def act(yard: "Yard", action: Action) -> None:
    kind, word, number = action
    match kind:
        case "push":
            yard.push(str(word), str(number))
        case "quiet push":
            yard.registry.push(str(word), str(number))
        case "message":
            yard.work_once(twice=bool(word))
        case "serve":
            yard.serve()
        case "poll":
            yard.poll()
        case "run":
            step_a_run(yard, number)
        case "manual":
            yard.manual(str(word))
        case "later":
            yard.later(seconds=number)


def step_a_run(yard: "Yard", number: int) -> None:
    active = yard.active()
    if not active:
        return
    run = active[number % len(active)]
    if run.status is Status.QUEUED:
        yard.begin(run)
    else:
        yard.end(run)


def go_on(yard: "Yard", action: Action) -> None:
    """Act; a process that dies loses nothing but its work, a fault comes back as what the door does with it."""
    with suppress(Crash, SlipwayError):
        act(yard, action)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(ACTIONS, min_size=1, max_size=60))
def test_each_generation_is_followed_once_and_nothing_is_stale_at_rest(actions: list[Action]) -> None:
    yard = make()
    fuses: list[Fuse] = []
    for action in actions:
        kind, is_crash, steps = action
        if kind == "crash":
            fuses = [Fuse(Crash if is_crash else fault, steps)]
            yard.step[0] = fuses[0]
        else:
            go_on(yard, action)
    yard.step[0] = lambda: None
    come_to_rest(yard)
    check(yard)


def fault() -> SlipwayError:
    return Unavailable("Storage does not answer.")


def come_to_rest(yard: "Yard") -> None:
    for _ in range(3):
        yard.rest(200)
        yard.later(minutes=16)
        yard.poll()
    yard.rest(200)


def check(yard: "Yard") -> None:
    assert yard.stale() == []
    for task in TASKS:
        decisions = yard.decisions(task.name)
        started = [one for one in decisions if one.verdict is Verdict.STARTED]
        assert len({one.run_id for one in started}) == len(started)
        runs = Counter(run.id for run in yard.automatic(task.name))
        assert set(runs) == {one.run_id for one in started}
        generations = sum(yard.base(base).generation for base in task.bases)
        overtaken = sum(yard.runs.known[run].task == task.name for run in yard.overtaken)
        assert len(runs) <= generations + overtaken, f"{task.name}: {len(runs)} runs for {generations} generations"


@pytest.mark.parametrize("steps", range(1, 120))
def test_a_crash_at_any_step_of_a_rebuild_leads_to_one_run(steps: int) -> None:
    yard = make()
    digest = yard.push("base0", "2")
    yard.step[0] = Fuse(Crash, steps)

    def alive(work: Callable[[], object]) -> None:
        with suppress(Crash):
            work()

    for _ in range(6):
        yard.later(seconds=6)
        alive(yard.work)
        alive(yard.serve)
    yard.step[0] = lambda: None
    come_to_rest(yard)
    check(yard)
    assert len(yard.automatic("left")) == 1
    assert len(yard.automatic("right")) == 1
    assert yard.built_on["left"]["base0"] == digest == yard.registry.tags[tag("base0")]
