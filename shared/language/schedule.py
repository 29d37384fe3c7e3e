"""Which step may run when: the state of a run's graph as a value."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from shared.language.plan import Plan


class StepState(StrEnum):
    """Where a step stands."""

    WAITING = "waiting"
    RUNNING = "inprogress"
    SUCCESSFUL = "successful"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Schedule:
    """The states of a plan's steps. Every change gives a new schedule; the old one stays valid.

    A step is ready when all steps before it have ended well. The first failure ends the run: nothing becomes
    ready after it, steps not yet started are skipped, and those running are for the caller to stop. A failure
    that the step ignores is a success.
    """

    plan: Plan
    _states: Mapping[str, StepState] = field(default_factory=dict)

    def state(self, step_id: str) -> StepState:
        """Give the state of one step."""
        state = self._states.get(step_id, StepState.WAITING)
        return StepState.SKIPPED if state is StepState.WAITING and self.failed else state

    @property
    def failed(self) -> bool:
        """Whether a step has failed and so the run has."""
        return StepState.FAILED in self._states.values()

    @property
    def done(self) -> bool:
        """Whether nothing more will be started and nothing runs."""
        if self.failed:
            return StepState.RUNNING not in self._states.values()
        return all(self.state(step.id) is StepState.SUCCESSFUL for step in self.plan.steps)

    @property
    def running(self) -> tuple[str, ...]:
        """The steps that run, in the order of the file."""
        return tuple(step.id for step in self.plan.steps if self.state(step.id) is StepState.RUNNING)

    def ready(self) -> tuple[str, ...]:
        """Give the steps that may start now, in the order of the file."""
        return tuple(
            step.id
            for step in self.plan.steps
            if self.state(step.id) is StepState.WAITING
            and all(self.state(parent) is StepState.SUCCESSFUL for parent in step.after)
        )

    def started(self, step_id: str) -> "Schedule":
        """Record that a ready step has been started.

        Raises:
            ValueError: the step is not ready.

        """
        if step_id not in self.ready():
            raise ValueError(f"step {step_id} is not ready")
        return self._with(step_id, StepState.RUNNING)

    def finished(self, step_id: str, *, ok: bool) -> "Schedule":
        """Record how a running step ended.

        Raises:
            ValueError: the step is not running.

        """
        if self.state(step_id) is not StepState.RUNNING:
            raise ValueError(f"step {step_id} is not running")
        ignored = any(step.id == step_id and step.ignore_errors for step in self.plan.steps)
        return self._with(step_id, StepState.SUCCESSFUL if ok or ignored else StepState.FAILED)

    def _with(self, step_id: str, state: StepState) -> "Schedule":
        return replace(self, _states={**self._states, step_id: state})
