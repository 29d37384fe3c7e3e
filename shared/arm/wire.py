"""JSON shapes of runs and registries as az and the SDK expect them.

Source: recordings of the real service. Null members are left out; times carry seven fractional digits and
an offset; `properties` wraps everything but id, name and type.
"""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, PlainSerializer
from pydantic.alias_generators import to_camel


def arm_time(moment: datetime) -> str:
    """Print a time as the service does: `2023-06-26T23:15:10.7005898+00:00`."""
    utc = moment.astimezone(UTC)
    return f"{utc:%Y-%m-%dT%H:%M:%S}.{utc.microsecond:06d}0+00:00"


def whole_seconds(moment: datetime) -> str:
    """Print `lastUpdatedTime`, which has no fraction."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S}+00:00"


ArmTime = Annotated[datetime, PlainSerializer(arm_time, return_type=str, when_used="json-unless-none")]
WholeSeconds = Annotated[datetime, PlainSerializer(whole_seconds, return_type=str, when_used="json-unless-none")]


class Wire(BaseModel):
    """Base of the shapes that az reads: camelCase, nulls left out."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True, extra="ignore")

    def json_object(self) -> dict[str, Any]:
        """Answer the JSON object of this shape."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class ImageDescriptor(Wire):
    """An output image of a run."""

    registry: str
    repository: str
    tag: str | None = None
    digest: str | None = None


class BaseImage(Wire):
    """An image that a task's images stand on: `Runtime` for the last stage's origin, `Buildtime` for others."""

    type: Literal["Runtime", "Buildtime"]
    registry: str
    repository: str
    tag: str | None = None
    digest: str | None = None
    pinned: Literal[True] | None = None
    """Set when the Dockerfile names the digest: such an image is never followed."""


class SourceTriggerCause(Wire):
    """The commit or pull request that a run is for. `event_type` is what az prints in the TRIGGER column."""

    id: str
    event_type: str
    commit_id: str | None = None
    pull_request_id: str | None = None
    repository_url: str | None = None
    branch_name: str | None = None
    provider_type: str | None = None


class ImageUpdateCause(Wire):
    """The new base images that a run is for."""

    id: str
    timestamp: ArmTime
    images: tuple[ImageDescriptor, ...]


class TimerCause(Wire):
    """The timer, and the moment of its schedule, that a run is for."""

    timer_trigger_name: str
    schedule_occurrence: ArmTime


class PlatformProperties(Wire):
    """Operating system and architecture, lower-case as az sends them."""

    os: str
    architecture: str | None = None
    variant: str | None = None


class AgentProperties(Wire):
    """Size of the builder."""

    cpu: int


class RunProperties(Wire):
    """The `properties` of a Run resource."""

    run_id: str
    status: str
    last_updated_time: WholeSeconds
    run_type: str | None = None
    agent_pool_name: str | None = None
    create_time: ArmTime | None = None
    start_time: ArmTime | None = None
    finish_time: ArmTime | None = None
    output_images: tuple[ImageDescriptor, ...] | None = None
    task: str | None = None
    platform: PlatformProperties | None = None
    agent_configuration: AgentProperties | None = None
    source_trigger: SourceTriggerCause | None = None
    image_update_trigger: ImageUpdateCause | None = None
    timer_trigger: TimerCause | None = None
    source_registry_auth: str | None = None
    custom_registries: tuple[str, ...] | None = None
    run_error_message: str | None = None
    update_trigger_token: str | None = None
    provisioning_state: str = "Succeeded"
    is_archive_enabled: bool = False


class SystemData(Wire):
    """Who made and last changed a resource."""

    created_by: str | None = None
    created_by_type: str | None = None
    created_at: ArmTime | None = None
    last_modified_by: str | None = None
    last_modified_by_type: str | None = None
    last_modified_at: ArmTime | None = None

    @classmethod
    def made(cls, name: str, kind: str, now: datetime) -> Self:
        """Answer that of a resource that was made just now."""
        return cls(created_by=name, created_by_type=kind, created_at=now).changed(name, kind, now)

    def changed(self, name: str, kind: str, now: datetime) -> Self:
        """Answer that of the resource after a change."""
        changes = {"last_modified_by": name, "last_modified_by_type": kind, "last_modified_at": now}
        return self.model_copy(update=changes)


class RunResource(Wire):
    """A Run as it is answered."""

    id: str
    name: str
    type: str = "Microsoft.ContainerRegistry/registries/runs"
    properties: RunProperties
    system_data: SystemData | None = None


class RegistryProperties(Wire):
    """The part of a registry that az reads."""

    login_server: str
    creation_date: str
    provisioning_state: str = "Succeeded"
    admin_user_enabled: bool = False
    role_assignment_mode: str = "LegacyRegistryPermissions"


class Sku(Wire):
    """Service tier; az refuses anything but Basic, Standard and Premium."""

    name: str
    tier: str


class RegistryResource(Wire):
    """A registry as it is answered."""

    id: str
    name: str
    type: str = "Microsoft.ContainerRegistry/registries"
    location: str
    sku: Sku
    tags: dict[str, str] = {}
    properties: RegistryProperties | None = None


class SourceUpload(Wire):
    """Where az puts its archive, and the name by which the run request refers to it."""

    upload_url: str
    relative_path: str
