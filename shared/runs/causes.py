"""Why a run exists, with what the published API shows of it. Pure."""

from enum import StrEnum
from typing import Self

from pydantic import BaseModel, ConfigDict, model_validator

from shared.arm.wire import ImageUpdateCause, SourceTriggerCause, TimerCause


class CauseKind(StrEnum):
    """The kinds of causes, by the words of the TRIGGER column of `az acr task list-runs`."""

    MANUAL = "Manual"
    COMMIT = "Commit"
    PULL_REQUEST = "Pull Request"
    IMAGE_UPDATE = "Image Update"
    TIMER = "Timer"


class Cause(BaseModel):
    """Why a run exists. Each kind but Manual carries the member that tells of it, and no other."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    kind: CauseKind = CauseKind.MANUAL
    source_trigger: SourceTriggerCause | None = None
    image_update_trigger: ImageUpdateCause | None = None
    timer_trigger: TimerCause | None = None

    @property
    def is_manual(self) -> bool:
        """Whether somebody asked for the run."""
        return self.kind is CauseKind.MANUAL

    @model_validator(mode="after")
    def _told(self) -> Self:
        told = {name for name in type(self).model_fields if name != "kind" and getattr(self, name) is not None}
        if told != _MEMBERS[self.kind]:
            raise ValueError(f"a cause of kind {self.kind} needs {sorted(_MEMBERS[self.kind])} and nothing else")
        return self


_MEMBERS = {
    CauseKind.MANUAL: set[str](),
    CauseKind.COMMIT: {"source_trigger"},
    CauseKind.PULL_REQUEST: {"source_trigger"},
    CauseKind.IMAGE_UPDATE: {"image_update_trigger"},
    CauseKind.TIMER: {"timer_trigger"},
}
MANUAL = Cause()
