"""A stored task as a value. Pure."""

from datetime import datetime
from typing import Self

from pydantic import BaseModel, ConfigDict

from shared.arm.wire import BaseImage, SystemData
from shared.tasks.model import Enabled, TaskProperties, TaskSpec


class Task(BaseModel):
    """A task without its secrets, which `TaskStore.full` opens."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    registry: str
    """The registry's storage key: its name in lower case."""
    name: str
    """In the spelling of its maker; names compare without case."""
    spec: TaskSpec
    created: datetime
    system_data: SystemData
    base_images: tuple[BaseImage, ...] = ()
    """What the images of the last successful run stand on."""
    base_images_run: str = ""
    """The id of that run; empty before the first one."""
    published: tuple[str, ...] = ()
    """Repositories of its own registry that the run pushed to."""

    @property
    def key(self) -> str:
        """The storage key within the registry."""
        return self.name.lower()

    @property
    def properties(self) -> TaskProperties:
        """What the task is to do."""
        return self.spec.properties

    @property
    def is_enabled(self) -> bool:
        """Whether runs may be started."""
        return self.properties.status is Enabled.ENABLED

    def changed_to(self, spec: TaskSpec, system_data: SystemData) -> Self:
        """Answer the task with another content."""
        return self.model_copy(update={"spec": spec, "system_data": system_data})
