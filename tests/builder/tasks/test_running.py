"""The loop over the graph: for any graph every step runs once, after those before it, as early as it may."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.faults import StepFailed
from builder.tasks.running import run_steps
from shared.language import AnyStep, CmdStep, Plan


def plan(after: list[list[int]]) -> Plan:
    steps = tuple(
        CmdStep(id=str(index), after=tuple(str(one) for one in parents), timeout=1, cmd="x")
        for index, parents in enumerate(after)
    )
    return Plan(version="v1.1.0", steps=steps, step_timeout=1)


@st.composite
def graphs(draw: st.DrawFn) -> list[list[int]]:
    size = draw(st.integers(1, 8))
    return [sorted(draw(st.sets(st.integers(0, index - 1), max_size=3))) if index else [] for index in range(size)]


@given(graphs(), st.lists(st.integers(0, 3), min_size=8, max_size=8))
def test_every_step_runs_once_and_never_too_early(after: list[list[int]], turns: list[int]) -> None:
    began: list[str] = []
    ended: list[str] = []

    async def run(step: AnyStep) -> None:
        assert set(step.after) <= set(ended)
        began.append(step.id)
        for _ in range(turns[int(step.id)]):
            await asyncio.sleep(0)
        ended.append(step.id)

    asyncio.run(run_steps(plan(after), run))
    assert sorted(began) == sorted(ended) == [str(index) for index in range(len(after))]


@given(graphs(), st.data())
def test_the_first_failure_ends_everything(after: list[list[int]], data: st.DataObject) -> None:
    bad = str(data.draw(st.integers(0, len(after) - 1)))
    began: list[str] = []
    open_steps: set[str] = set()

    async def run(step: AnyStep) -> None:
        began.append(step.id)
        open_steps.add(step.id)
        try:
            await asyncio.sleep(0)
            if step.id == bad:
                raise StepFailed(f"{bad} failed")
        finally:
            open_steps.remove(step.id)

    with pytest.raises(StepFailed, match=f"^{bad} failed$"):
        asyncio.run(run_steps(plan(after), run))
    assert not open_steps
    assert not any(bad in map(str, parents) and str(index) in began for index, parents in enumerate(after))


def test_all_that_are_ready_start_together() -> None:
    async def scenario() -> None:
        everybody = asyncio.Barrier(8)

        async def run(_: AnyStep) -> None:
            await everybody.wait()

        await asyncio.wait_for(run_steps(plan([[]] * 8), run), 5)

    asyncio.run(scenario())
