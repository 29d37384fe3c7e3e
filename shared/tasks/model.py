"""What a client says of a task, as typed values. Pure.

Source: Task and TaskUpdateParameters of the published swagger 2025-03-01-preview, and az 2.91 on the wire.
"""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from shared.arm.parts import Arguments, Credentials, EncodedText, ImageNames, PathText, PlatformNames, RequestedPlatform
from shared.arm.reading import DEFAULT_TIMEOUT, MAX_TIMEOUT, MIN_TIMEOUT, Shape, matching, one_of

MAX_TRIGGERS = 50
TriggerName = Annotated[
    str,
    Field(min_length=1, max_length=100),
    matching(r"[^/\\#?\x00-\x1f]+", "a trigger's name holds neither '/', '\\', '#' nor '?'"),
]
IdentityId = Annotated[
    str,
    Field(max_length=1024),
    matching(r"/[^\x00-\x1f]+", "it is not the resource id of a user-assigned identity (/subscriptions/…)"),
]
ContextText = Annotated[str, Field(max_length=4096)]
Token = Annotated[str, Field(max_length=4096)]


class Enabled(StrEnum):
    """Whether a task or one of its triggers may start runs."""

    ENABLED = "Enabled"
    DISABLED = "Disabled"


Status = Annotated[Enabled, one_of("Enabled", "Disabled")]


class DockerStep(Shape):
    """Build one Dockerfile and push its image."""

    type: Literal["Docker"]
    context_path: ContextText | None = None
    context_access_token: Token | None = Field(default=None, repr=False)
    image_names: ImageNames = ()
    is_push_enabled: bool = True
    no_cache: bool = False
    docker_file_path: PathText
    target: str | None = Field(default=None, max_length=1024)
    arguments: Arguments = ()
    platforms: PlatformNames = ()
    """Our extension: several platforms make one index."""


class FileTaskStep(Shape):
    """Run a task file of the context."""

    type: Literal["FileTask"]
    context_path: ContextText | None = None
    context_access_token: Token | None = Field(default=None, repr=False)
    task_file_path: PathText
    values_file_path: PathText | None = None
    values: Arguments = ()


class EncodedTaskStep(Shape):
    """Run a task file that is part of the task itself; both texts are base64."""

    type: Literal["EncodedTask"]
    context_path: ContextText | None = None
    context_access_token: Token | None = Field(default=None, repr=False)
    encoded_task_content: EncodedText = Field(min_length=1)
    encoded_values_content: EncodedText | None = None
    values: Arguments = ()


Step = Annotated[DockerStep | FileTaskStep | EncodedTaskStep, Field(discriminator="type")]


class SourceEvent(StrEnum):
    """What of a repository starts a run."""

    COMMIT = "commit"
    PULL_REQUEST = "pullrequest"


class SourceControlAuth(Shape):
    """The token by which a repository is reached. Secret as a whole."""

    token_type: Annotated[Literal["PAT", "OAuth"], one_of("PAT", "OAuth")] | None = None
    token: Token | None = Field(default=None, repr=False)
    refresh_token: Token | None = Field(default=None, repr=False)
    scope: str | None = Field(default=None, max_length=1024)
    expires_in: int | None = None


class SourceRepository(Shape):
    """A repository and the branch of it that is watched."""

    source_control_type: str = Field(max_length=64, pattern=r"^[A-Za-z]+$")
    repository_url: str = Field(min_length=1, max_length=4096)
    branch: str | None = Field(default=None, max_length=1024)
    source_control_auth_properties: SourceControlAuth | None = None


Patterns = Annotated[tuple[Annotated[str, Field(min_length=1, max_length=1024)], ...], Field(max_length=MAX_TRIGGERS)]


class GitRules(Shape):
    """What a source trigger asks beyond ACR Tasks: `triggers.git.matching.GitTrigger` says what each member means."""

    branches: Patterns = ()
    tags: Patterns = ()
    paths: Patterns = ()
    ignored_paths: Patterns = ()
    actors: Patterns = ()
    honours_skip: bool = False
    ignores_drafts: bool = False
    allows_forks: bool = False
    supersedes: bool = False
    """Whether a newer push cancels the runs of the same branch, tag or pull request that still wait."""


class SourceTrigger(Shape):
    """Runs for commits and pull requests of a repository."""

    name: TriggerName
    status: Status = Enabled.ENABLED
    source_trigger_events: tuple[Annotated[SourceEvent, one_of("commit", "pullrequest")], ...] = Field(max_length=10)
    source_repository: SourceRepository
    rules: GitRules | None = None


class TimerTrigger(Shape):
    """Runs at the moments of a schedule, five NCrontab fields in UTC."""

    name: TriggerName
    status: Status = Enabled.ENABLED
    schedule: str = Field(min_length=1, max_length=200)


class BaseImageTrigger(Shape):
    """Runs when an image that the task's images stand on has changed."""

    name: TriggerName
    status: Status = Enabled.ENABLED
    base_image_trigger_type: Annotated[Literal["Runtime", "All"], one_of("Runtime", "All")]
    update_trigger_endpoint: str | None = Field(default=None, max_length=4096, repr=False)
    update_trigger_payload_type: Annotated[Literal["Default", "Token"], one_of("Default", "Token")] | None = None


def _named_once[Kind: SourceTrigger | TimerTrigger](triggers: tuple[Kind, ...]) -> tuple[Kind, ...]:
    names = [trigger.name.lower() for trigger in triggers]
    for place, name in enumerate(names):
        if name in names[:place]:
            raise ValueError(f"two triggers have the name '{triggers[place].name}'")
    return triggers


class Triggers(Shape):
    """Everything that may start runs of a task."""

    source_triggers: Annotated[
        tuple[SourceTrigger, ...], Field(max_length=MAX_TRIGGERS), AfterValidator(_named_once)
    ] = ()
    timer_triggers: Annotated[
        tuple[TimerTrigger, ...], Field(max_length=MAX_TRIGGERS), AfterValidator(_named_once)
    ] = ()
    base_image_trigger: BaseImageTrigger | None = None


class AgentConfiguration(Shape):
    """The size of a builder that was asked for; kept and shown."""

    cpu: int | None = Field(default=None, ge=1, le=256)


class UserIdentity(Shape):
    """The ids of a user-assigned identity."""

    principal_id: str | None = None
    client_id: str | None = None


def _identity_type(value: object) -> object:
    wanted = {part.strip().lower() for part in str(value).split(",")}
    for known in IdentityType:
        if wanted == {part.strip().lower() for part in known.value.split(",")}:
            return known
    raise ValueError(f"must be one of {'; '.join(known.value for known in IdentityType)}")


class IdentityType(StrEnum):
    """Which identities a task has, by the names of ARM."""

    NONE = "None"
    SYSTEM = "SystemAssigned"
    USER = "UserAssigned"
    BOTH = "SystemAssigned, UserAssigned"

    @property
    def has_system(self) -> bool:
        """Whether it includes the identity that lives and dies with the task."""
        return self in {IdentityType.SYSTEM, IdentityType.BOTH}


class Identity(Shape):
    """The identities of a task. The ids are the service's to fill in."""

    type: Annotated[IdentityType, BeforeValidator(_identity_type)]
    principal_id: str | None = None
    tenant_id: str | None = None
    user_assigned_identities: dict[IdentityId, UserIdentity | None] = Field(default={}, max_length=MAX_TRIGGERS)


class TaskProperties(Shape):
    """The `properties` of a task."""

    status: Status = Enabled.ENABLED
    platform: RequestedPlatform = RequestedPlatform()
    agent_configuration: AgentConfiguration = AgentConfiguration()
    agent_pool_name: str | None = Field(default=None, max_length=20)
    timeout: int = Field(default=DEFAULT_TIMEOUT, ge=MIN_TIMEOUT, le=MAX_TIMEOUT)
    step: Step | None = None
    trigger: Triggers = Triggers()
    credentials: Credentials = Credentials()
    log_template: str | None = Field(default=None, max_length=1024)
    is_system_task: bool = False

    @model_validator(mode="after")
    def _has_a_step(self) -> "TaskProperties":
        if self.step is None and not self.is_system_task:
            raise ValueError("a task needs a step, unless it is a system task")
        return self


class TaskSpec(Shape):
    """A task as a client asks for it."""

    location: str | None = Field(default=None, max_length=100)
    tags: dict[Annotated[str, Field(max_length=512)], Annotated[str, Field(max_length=256)]] = Field(
        default={}, max_length=50
    )
    identity: Identity | None = None
    properties: TaskProperties
