"""What the az of the day cannot do with the source triggers that `listDetails` shows. Pure.

`az acr task update` of 2.86 to 2.91 reads the events of a task's source trigger into a Python set, whatever is to
be changed, and ends with a traceback because JSON knows no sets. A task that shows no source trigger spares it the
set; the PATCH then leaves the trigger as it is. Source: acr/task.py of those versions; az tells its command and
the names of its options in the headers `CommandName` and `ParameterSetName`.
"""

import re
from collections.abc import Mapping
from enum import Enum, auto
from typing import Any, Final

from shared.errors import InvalidRequest

_COMMAND: Final = "acr task update"
_VERSION: Final = re.compile(r"\bAZURECLI/(\d+)\.(\d+)\.")
_WITH_SETS: Final = ((2, 86), (2, 91))
_OF_SOURCE_TRIGGERS: Final = (
    "-c",
    "--context",
    "--commit-trigger-enabled",
    "--pull-request-trigger-enabled",
    "--git-access-token",
)
"""The options by which `task update` changes a source trigger."""


class Shown(Enum):
    """What a caller of `listDetails` is to get of a task's source triggers."""

    ALL = auto()
    NONE = auto()
    REFUSAL = auto()


def for_az(details: dict[str, Any], headers: Mapping[str, str]) -> dict[str, Any]:
    """Answer a task's details as the caller can bear them. Raises InvalidRequest when it cannot make its change."""
    triggers = details["properties"].get("trigger", {})
    shown = source_triggers_for(headers) if triggers.get("sourceTriggers") else Shown.ALL
    if shown is Shown.REFUSAL:
        raise InvalidRequest(
            "This version of az cannot change the source triggers of a task: it fails while it writes them"
            " (\"Object of type set is not JSON serializable\"). Repeat 'az acr task create' with all options,"
            " which replaces the task; options of 'az acr task update' that do not concern the source work.",
            code="ClientNotSupported",
        )
    if shown is Shown.NONE:
        triggers = {name: value for name, value in triggers.items() if name != "sourceTriggers"}
        details = details | {"properties": details["properties"] | {"trigger": triggers or {"timerTriggers": []}}}
    return details


def source_triggers_for(headers: Mapping[str, str]) -> Shown:
    """Tell what of source triggers the caller can bear, from the headers of its request, their names in lower case.

    Leaving them out is safe for any version: without one of their options az changes nothing about them.
    """
    if headers.get("commandname") != _COMMAND:
        return Shown.ALL
    if not any(_may_mean(option) for option in headers.get("parametersetname", "-c").split()):
        return Shown.NONE
    version = _VERSION.search(headers.get("user-agent", ""))
    if version is None:
        return Shown.ALL
    first, last = _WITH_SETS
    return Shown.REFUSAL if first <= (int(version[1]), int(version[2])) <= last else Shown.ALL


def _may_mean(option: str) -> bool:
    """Tell whether an option is one of source triggers; az takes abbreviations of long ones."""
    if not option.startswith("--"):
        return option.startswith("-c")
    return any(name.startswith(option) for name in _OF_SOURCE_TRIGGERS)
