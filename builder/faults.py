"""The ways in which a run ends early, as the builder sees them.

    SlipwayError
    ├── StepFailed         a step did not succeed; the run is Failed and the message says why
    │   ├── NeedsFull      it cannot on a confined builder, but could on a full one
    │   └── NeedsSteps     it can in a group that has a container for each step
    ├── ContextRefused     the context cannot be had or may not be unpacked
    ├── EngineUnavailable  the engine cannot run in this container group; the run ends in Error
    ├── Dismissed          the app has no use for this builder any more: exit quietly
    └── Fenced             the run is no longer ours: stop everything, report nothing

None of them ever carries a token or a signed address.
"""

from shared.errors import SlipwayError
from shared.grant import StepContainer


class StepFailed(SlipwayError):
    """A step failed. The message goes into the log and the run's error."""


class NeedsFull(StepFailed):
    """The engine at hand cannot do what was asked, and nothing has been done yet. The message says what, and why."""


class NeedsSteps(StepFailed):
    """The group has no containers for the steps of the task, and nothing has been done yet."""

    def __init__(self, steps: tuple[StepContainer, ...]) -> None:
        super().__init__("the steps of the task need containers beside the builder's, and this group was made without")
        self.steps = steps


class ContextRefused(SlipwayError):
    """The context is missing, damaged or hostile."""


class EngineUnavailable(SlipwayError):
    """No step can run here, whatever the request says."""


class Dismissed(SlipwayError):
    """401 or 410 from the app: this builder's life is over."""


class Fenced(SlipwayError):
    """409 from the app, or the log was closed by somebody else."""


def reason(fault: SlipwayError) -> str:
    """Return what a fault says without its final full stop, to be put into a sentence."""
    return fault.message.removesuffix(".")
