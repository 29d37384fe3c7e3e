"""Run the steps of a plan as its graph allows, until all are done or one has failed."""

import asyncio
from collections.abc import Awaitable, Callable

from shared.language import AnyStep, Plan, Schedule


async def run_steps(plan: Plan, run: Callable[[AnyStep], Awaitable[None]]) -> None:
    """Start every step as soon as those before it have ended; all that are ready run side by side.

    `run` raises StepFailed for a failure that the step does not ignore: the first one ends everything, the
    steps that still run are cancelled and awaited, and it is raised here. So is whatever else `run` raises.
    """
    schedule = Schedule(plan)
    steps = {step.id: step for step in plan.steps}
    running: dict[asyncio.Task[None], str] = {}
    try:
        while not schedule.done:
            for step_id in schedule.ready():
                schedule = schedule.started(step_id)
                running[asyncio.create_task(_call(run, steps[step_id]))] = step_id
            await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for task in [task for task in running if task.done()]:
                task.result()
                schedule = schedule.finished(running.pop(task), ok=True)
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def _call(run: Callable[[AnyStep], Awaitable[None]], step: AnyStep) -> None:
    await run(step)
