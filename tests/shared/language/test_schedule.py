"""Which step may run when."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.grant import RunVariables
from shared.language import Plan, Schedule, StepState, TaskInput, load

VARIABLES = RunVariables(id="r", registry="r.io", registry_name="r", date="20260102-030405z")


def plan_of(text: str) -> Plan:
    return load(TaskInput(text=text, variables=VARIABLES)).plan


DIAMOND = plan_of(
    "steps:\n - {id: a, cmd: x}\n - {id: b, cmd: x, when: [a], ignoreErrors: true}\n"
    " - {id: c, cmd: x, when: [a]}\n - {id: d, cmd: x, when: [b, c]}\n"
)


def test_a_diamond_runs_in_waves() -> None:
    schedule = Schedule(DIAMOND)
    assert schedule.ready() == ("a",)
    schedule = schedule.started("a")
    assert (schedule.ready(), schedule.running) == ((), ("a",))
    schedule = schedule.finished("a", ok=True)
    assert schedule.ready() == ("b", "c")
    schedule = schedule.started("b").started("c").finished("c", ok=True)
    assert schedule.ready() == ()
    schedule = schedule.finished("b", ok=False)
    assert schedule.ready() == ("d",)
    schedule = schedule.started("d").finished("d", ok=True)
    assert schedule.done
    assert not schedule.failed


def test_a_failure_ends_the_run_and_skips_the_rest() -> None:
    schedule = Schedule(DIAMOND).started("a").finished("a", ok=True).started("b").started("c").finished("c", ok=False)
    assert schedule.failed
    assert schedule.ready() == ()
    assert not schedule.done
    assert schedule.state("d") is StepState.SKIPPED
    assert schedule.finished("b", ok=True).done


def test_a_change_leaves_the_old_schedule_as_it_was() -> None:
    before = Schedule(DIAMOND)
    before.started("a")
    assert before.ready() == ("a",)


def test_wrong_moves_are_refused() -> None:
    with pytest.raises(ValueError, match="d is not ready"):
        Schedule(DIAMOND).started("d")
    with pytest.raises(ValueError, match="a is not running"):
        Schedule(DIAMOND).finished("a", ok=True)


def test_a_plan_without_steps_is_done() -> None:
    assert Schedule(plan_of("steps: []")).done


@given(st.data())
def test_every_order_of_events_ends(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 7))
    lines = ["steps:"]
    for index in range(count):
        above = data.draw(st.lists(st.sampled_from([f"s{i}" for i in range(index)]), max_size=3)) if index else []
        when = ", ".join(above) if above else "'-'"
        lines.append(f" - {{id: s{index}, cmd: x, when: [{when}]}}")
    schedule = Schedule(plan_of("\n".join(lines)))
    while not schedule.done:
        ready, running = schedule.ready(), schedule.running
        assert ready or running
        if ready and (not running or data.draw(st.booleans())):
            schedule = schedule.started(data.draw(st.sampled_from(ready)))
        else:
            schedule = schedule.finished(data.draw(st.sampled_from(running)), ok=data.draw(st.booleans()))
    states = {schedule.state(step.id) for step in schedule.plan.steps}
    assert states <= {StepState.SUCCESSFUL, StepState.FAILED, StepState.SKIPPED}
    assert schedule.failed == (StepState.FAILED in states)
