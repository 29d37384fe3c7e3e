"""The language of multi-step tasks: aliases, templates, YAML, rules; the result is a `Plan`.

`load` makes the plan, `secret_requests` tells before that which secrets it needs, `Schedule` tells which step may
run when. All is pure; the one thing from outside, the text of an `alias: src`, comes through `AliasConfig`.
"""

from shared.language.aliases import DEFAULT_IMAGES, AliasConfig
from shared.language.docker_flags import BuildCommand, parse_build
from shared.language.loading import ALIAS_NOTICE, Loaded, TaskInput, load, secret_requests
from shared.language.plan import (
    ROOT,
    AnyStep,
    BuildStep,
    CmdStep,
    ContainerStep,
    Network,
    Plan,
    PushStep,
    Secret,
    Step,
    Volume,
    VolumeMount,
)
from shared.language.planning import Surroundings
from shared.language.schedule import Schedule, StepState

__all__ = [
    "ALIAS_NOTICE",
    "DEFAULT_IMAGES",
    "ROOT",
    "AliasConfig",
    "AnyStep",
    "BuildCommand",
    "BuildStep",
    "CmdStep",
    "ContainerStep",
    "Loaded",
    "Network",
    "Plan",
    "PushStep",
    "Schedule",
    "Secret",
    "Step",
    "StepState",
    "Surroundings",
    "TaskInput",
    "Volume",
    "VolumeMount",
    "load",
    "parse_build",
    "secret_requests",
]
