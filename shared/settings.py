"""Every setting of the functions app: its name, unit and default, read once from the environment.

A missing or bad setting stops the start with one sentence that names it.
"""

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Json,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic.alias_generators import to_camel

from shared.errors import InvalidRequest
from shared.grant import Reuse
from shared.network import Allowed


class SettingsError(Exception):
    """The app cannot start; the text names the setting and what it needs."""


class Role(StrEnum):
    """What a caller may do in a registry; each role includes the ones before it."""

    READER = "reader"
    RUNNER = "runner"
    CONTRIBUTOR = "contributor"


class RegistrySettings(BaseModel):
    """One registry that this deployment serves."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True, extra="forbid")

    id: str = Field(
        pattern=r"(?i)^/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.ContainerRegistry"
        r"/registries/[a-z0-9]{5,50}$"
    )
    login_server: str
    location: str
    sku: str = Field(default="Premium", pattern="^(Basic|Standard|Premium)$")
    warm_builders: int | None = Field(default=None, ge=0, le=20)
    """Groups that are started before a run of this registry asks for one; None for `SLIPWAY_WARM_BUILDERS`."""
    replicas: tuple[str, ...] = ()
    """Regions that hold a replica of it beside its own."""

    @property
    def name(self) -> str:
        """The registry's own name, as written in its id."""
        return self.id.rsplit("/", 1)[1]


class BuilderKind(StrEnum):
    """What a container group can do: run an engine with a daemon of its own, or what an unprivileged one can."""

    FULL = "full"
    CONFINED = "confined"


class RoleAssignment(BaseModel):
    """A role of one principal (its object id or application id) in one registry, or in all (`*`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    principal: str
    role: Role
    registry: str = "*"


class Notice(StrEnum):
    """What is told of a run."""

    QUEUED = "queued"
    STARTED = "started"
    """A builder has begun with it."""
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"
    ERROR = "error"
    TIMEOUT = "timeout"


class ReceiverKind(StrEnum):
    """What an address is: a webhook, or a topic of Event Grid that takes cloud events."""

    WEBHOOK = "webhook"
    EVENT_GRID = "eventGrid"


class Receiver(BaseModel):
    """Who is told of runs, and of which."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z0-9-]{1,32}$")
    """What records and logs call it: its address may be a secret."""
    url: str = Field(pattern=r"^https://[^\s#]+$", max_length=2048, repr=False)
    kind: ReceiverKind = ReceiverKind.WEBHOOK
    events: tuple[Notice, ...] = ()
    """None for all."""
    registries: tuple[str, ...] = ()
    """Names; none for all."""
    tasks: tuple[str, ...] = ()
    """Names with `*` and `?`, in any case; none for all runs, also those of no task."""
    secret: str | None = Field(default=None, pattern="^https://", repr=False)
    """Address of the key vault's secret that signs what a webhook gets, or is the key of an Event Grid topic."""
    handshake: bool = True
    """Whether a webhook has to say first that it wants events (CloudEvents' web hooks, section 4)."""


def _comma_list(value: object) -> object:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def _region(name: str) -> str:
    """Answer a region's name as Azure's own programs write it: `West Europe` is `westeurope`."""
    return name.replace(" ", "").lower()


def _without_slash(value: object) -> object:
    return value.rstrip("/") if isinstance(value, str) else value


GitHostName = Literal["Github", "VisualStudioTeamService", "Gitlab", "Bitbucket", "BitbucketServer", "Gitea"]
CommaList = Annotated[tuple[str, ...], BeforeValidator(_comma_list)]
Url = Annotated[str, BeforeValidator(_without_slash), Field(pattern=r"^https?://")]


class Settings(BaseModel):
    """The settings of one functions app. The alias of each field is its environment variable."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    storage_connection: str = Field(default="", alias="AzureWebJobsStorage", repr=False)
    """Connection string of the storage account; empty when the three service URIs and an identity are used."""
    blob_service: str = Field(default="", alias="AzureWebJobsStorage__blobServiceUri")
    queue_service: str = Field(default="", alias="AzureWebJobsStorage__queueServiceUri")
    table_service: str = Field(default="", alias="AzureWebJobsStorage__tableServiceUri")
    identity_client_id: str | None = Field(default=None, alias="AzureWebJobsStorage__clientId")
    """Client id of the app's user-assigned identity; None for a system-assigned one."""

    public_url: Url = Field(alias="SLIPWAY_PUBLIC_URL")
    """Origin under which az and builders reach this app, e.g. `https://slipway.example.com`."""
    tenant_id: str = Field(alias="SLIPWAY_TENANT_ID")
    authority: Url = Field(default="https://login.microsoftonline.com", alias="SLIPWAY_AUTHORITY")
    audiences: CommaList = Field(alias="SLIPWAY_AUDIENCES", min_length=1)
    """Token audiences that are accepted, comma-separated."""
    registries: Json[tuple[RegistrySettings, ...]] = Field(alias="SLIPWAY_REGISTRIES")
    access: Json[tuple[RoleAssignment, ...]] = Field(default="[]", alias="SLIPWAY_ACCESS", validate_default=True)

    resource_manager: Url = Field(default="https://management.azure.com", alias="SLIPWAY_RESOURCE_MANAGER")
    resource_manager_audience: Url = Field(
        default="https://management.azure.com", alias="SLIPWAY_RESOURCE_MANAGER_AUDIENCE"
    )
    """Audience of the app's own tokens for the resource manager; differs in sovereign clouds."""
    builder_resource_group: str = Field(
        alias="SLIPWAY_BUILDER_RESOURCE_GROUP", pattern=r"(?i)^/subscriptions/[^/]+/resourceGroups/[^/]+$"
    )
    builder_locations: CommaList = Field(default=(), alias="SLIPWAY_BUILDER_LOCATION")
    """Regions of container groups, comma-separated: the next one is asked while one has no room. None for the region
    of the run's registry, which goes first where it is among them."""
    builder_subnet: str | None = Field(
        default=None,
        alias="SLIPWAY_BUILDER_SUBNET",
        pattern=r"(?i)^/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.Network"
        r"/virtualNetworks/[^/]+/subnets/[^/]+$",
    )
    """Resource id of the subnet that container groups are put into, delegated to them; None for none."""
    builder_spot: bool = Field(default=False, alias="SLIPWAY_BUILDER_SPOT")
    """Whether groups have Spot priority: cheaper, and taken away at any time."""
    spot_losses: int = Field(default=2, alias="SLIPWAY_SPOT_LOSSES", ge=1, le=10)
    """Spot groups that a run may lose before it began, after which it gets a regular one."""
    repeats_tasks: bool = Field(default=False, alias="SLIPWAY_REPEAT_EVICTED_TASKS")
    """Whether a run with steps is executed once more, too, when its Spot group was taken away before it pushed."""
    groups_per_5_minutes: int = Field(default=100, alias="SLIPWAY_GROUPS_PER_5_MINUTES", ge=1, le=2000)
    """Container groups that may be created in any five minutes; Azure allows a subscription 100 unless told."""
    groups_per_hour: int = Field(default=300, alias="SLIPWAY_GROUPS_PER_HOUR", ge=1, le=2000)
    """The same in any hour; Azure allows 300 unless told."""
    builder_image: str = Field(alias="SLIPWAY_BUILDER_IMAGE")
    builder_image_identity: str | None = Field(default=None, alias="SLIPWAY_BUILDER_IMAGE_IDENTITY")
    """Resource id of the identity that pulls the builder image; None for an image anyone may pull."""
    builder_privileged: bool = Field(default=False, alias="SLIPWAY_BUILDER_PRIVILEGED")
    """Whether groups may be privileged: ACI's Confidential SKU, or the local stack."""
    builder_kinds: Annotated[tuple[BuilderKind, ...], BeforeValidator(_comma_list)] = Field(
        default=(), alias="SLIPWAY_BUILDER_KINDS"
    )
    """Kinds of container groups that may be started; none for `full` where they are privileged, else `confined`."""
    confined_image: str = Field(default="", alias="SLIPWAY_CONFINED_IMAGE")
    """Image of confined builders; empty for SLIPWAY_BUILDER_IMAGE."""
    builder_cpu: float = Field(default=2.0, alias="SLIPWAY_BUILDER_CPU", gt=0)
    builder_memory: float = Field(default=4.0, alias="SLIPWAY_BUILDER_MEMORY", gt=0)
    """Memory of a group in GB."""
    warm_builders: int = Field(default=0, alias="SLIPWAY_WARM_BUILDERS", ge=0, le=20)
    """Groups per registry that are started before a run asks for one."""
    pool_minimum: int | None = Field(default=None, alias="SLIPWAY_POOL_MINIMUM", ge=0, le=20)
    """Container groups that an agent pool keeps without work, its count at most; None for as many as its count. A
    pool's tag `slipway-minimum` goes before."""
    pool_idle_minutes: int = Field(default=10, alias="SLIPWAY_POOL_IDLE_MINUTES", ge=1, le=720)
    """Minutes without work after which a pool's group is removed, down to the pool's minimum."""
    pool_reuse: Reuse = Field(default=Reuse.BUILDS, alias="SLIPWAY_POOL_REUSE")
    """After which runs a pool's group executes a further one."""
    pool_runs: int = Field(default=50, alias="SLIPWAY_POOL_RUNS", ge=1, le=1000)
    """Runs after which a pool's builder is replaced."""
    pool_hours: int = Field(default=12, alias="SLIPWAY_POOL_HOURS", ge=1, le=12)
    """Hours after which a pool's builder gets no further run."""
    pool_silence: int = Field(default=60, alias="SLIPWAY_POOL_SILENCE", ge=20, le=600)
    """Seconds without a word after which a machine that serves a pool is taken for lost."""
    run_concurrency: int = Field(default=10, alias="SLIPWAY_RUN_CONCURRENCY", ge=1, le=100)
    """Runs of one registry that are executed at the same time; further ones wait in order."""
    live_logs: bool = Field(default=False, alias="SLIPWAY_LIVE_LOGS")
    """Whether az reads the log of a run that is under way through this app, which answers as soon as there is
    something new, instead of straight from storage, where az looks every two to fifteen seconds."""
    allowed_hosts: CommaList = Field(default=(), alias="SLIPWAY_ALLOWED_HOSTS")
    """Hosts (`git.corp.example`, `git.corp.example:8443`) and networks (`10.1.0.0/16`) inside that contexts may be
    fetched from and that the app may call on behalf of a task, comma-separated; public addresses need no entry."""
    retention_days: int = Field(default=30, alias="SLIPWAY_RETENTION_DAYS", ge=1)
    """Days that a finished run and its log are kept, unless it is archived."""

    schedule_catch_up: int = Field(default=720, alias="SLIPWAY_SCHEDULE_CATCH_UP", ge=0, le=1380)
    """Minutes after which no run makes up any more for the time of a timer that passed during an outage."""
    schedule_spread: int = Field(default=0, alias="SLIPWAY_SCHEDULE_SPREAD", ge=0, le=30)
    """Most minutes that a timer's run is queued later than its schedule, to level the load; 0 for punctual timers."""

    git_poll_minutes: int = Field(default=5, alias="SLIPWAY_GIT_POLL_MINUTES", ge=0, le=1440)
    """Minutes between two looks at the branches that tasks watch, for pushes of which no delivery told; 0 for none."""
    git_hosts: Json[dict[str, GitHostName]] = Field(default_factory=dict, alias="SLIPWAY_GIT_HOSTS")
    """Kinds of git hosts by name, or name and port, where that does not tell: `{"git.corp.example": "Gitlab"}`."""
    git_hooks: bool = Field(default=True, alias="SLIPWAY_GIT_HOOKS")
    """Whether hooks are made at git hosts with the tokens of tasks, and commit statuses set."""
    run_url: str = Field(default="", alias="SLIPWAY_RUN_URL")
    """Where the link of a commit status leads, with `{registry}` and `{run}`; the run's resource where empty."""
    poll_minutes: int = Field(default=15, alias="SLIPWAY_POLL_MINUTES", ge=0, le=1440)
    """Minutes between two looks at the tag of a base image, one look for all tasks; 0 for none but after events."""
    base_image_quiet: int = Field(default=5, alias="SLIPWAY_BASE_IMAGE_QUIET", ge=0, le=600)
    """Seconds that a task waits for further changes of its base images before it is run."""
    base_image_settle: int = Field(default=30, alias="SLIPWAY_BASE_IMAGE_SETTLE", ge=0, le=720)
    """Most minutes that a task waits for the tasks that are rebuilding the images it stands on."""
    base_image_runs: int = Field(default=12, alias="SLIPWAY_BASE_IMAGE_RUNS", ge=1, le=1000)
    """Runs of one task in an hour that base images may start; further changes wait."""
    events_token: str | None = Field(default=None, alias="SLIPWAY_EVENTS_TOKEN", min_length=16, repr=False)
    """Secret by which registries and webhooks prove their notifications; None closes that door."""

    notifications: Json[tuple[Receiver, ...]] = Field(
        default="[]", alias="SLIPWAY_NOTIFICATIONS", validate_default=True, repr=False
    )
    """Who is told of runs."""
    telemetry_endpoint: str = Field(default="", alias="OTEL_EXPORTER_OTLP_ENDPOINT", pattern=r"^$|^https?://[^\s#?]+$")
    """Base address of a collector that takes OTLP over HTTP, without `/v1/traces`; none for no traces and metrics."""
    telemetry_headers: str = Field(default="", alias="OTEL_EXPORTER_OTLP_HEADERS", repr=False)
    """What the collector wants to see: `name=value`, comma-separated."""
    insights: str = Field(
        default="",
        alias="APPLICATIONINSIGHTS_CONNECTION_STRING",
        pattern=r"^$|^(\w+=[^=;]*;)*InstrumentationKey=[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(;\w+=[^=;]*)*$",
        repr=False,
    )
    """Application Insights that takes traces and metrics; the Functions host sends its own there, too."""
    price_cpu: float = Field(default=0.0, alias="SLIPWAY_PRICE_CPU_SECOND", ge=0)
    """Price of one core for a second, in the operator's currency."""
    price_memory: float = Field(default=0.0, alias="SLIPWAY_PRICE_GB_SECOND", ge=0)
    """Price of one GB of memory for a second."""

    key_file: Path | None = Field(default=None, alias="SLIPWAY_KEY_FILE")
    """File with 32 random bytes in base64: the local stand-in for the Key Vault key."""
    key: str | None = Field(default=None, alias="SLIPWAY_KEY", repr=False)
    """The same 32 bytes as a Key Vault reference resolves them; one of the two must be set."""
    cache_repository: str = Field(
        default="{repository}",
        alias="SLIPWAY_CACHE_REPOSITORY",
        pattern=r"^$|^[a-z0-9._/-]*\{repository\}[a-z0-9._/-]*$",
    )
    """Repository of the layers that builds keep for later ones. `{repository}` stands for that of the image; empty
    for a deployment that keeps none."""
    cache_days: int = Field(default=30, alias="SLIPWAY_CACHE_DAYS", ge=0, le=3650)
    """Days after whose last use kept layers are deleted; 0 for never."""
    signing_key: str = Field(default="", alias="SLIPWAY_SIGNING_KEY")
    """Address of the key vault's key (`https://<vault>/keys/<name>`) that signs the provenance of images."""
    signing_key_file: Path | None = Field(default=None, alias="SLIPWAY_SIGNING_KEY_FILE")
    """PEM file of a private key on P-256: the local stand-in. Without either no provenance is attached."""
    sbom: bool = Field(default=True, alias="SLIPWAY_SBOM")
    """Whether a bill of materials of each pushed image is attached to it, where provenance is."""
    image_aliases: Json[dict[Annotated[str, Field(pattern="^[A-Za-z0-9]+$")], str]] = Field(
        default_factory=dict, alias="SLIPWAY_IMAGE_ALIASES"
    )
    """Image aliases of task files, e.g. `{"az": "mirror.example/az:2"}`, beside the built-in ones or instead."""
    key_vault_suffix: str = Field(
        default=".vault.azure.net", alias="SLIPWAY_KEY_VAULT_SUFFIX", pattern=r"^[.a-z0-9-]+(:[0-9]+)?$"
    )
    """How the host of a key vault ends in this cloud; without a dot in front it is the one host. Secrets of tasks are
    read from such hosts alone."""
    registry_suffix: str = Field(
        default=".azurecr.io", alias="SLIPWAY_REGISTRY_SUFFIX", pattern=r"^\.[a-z0-9-]+(\.[a-z0-9-]+)+$"
    )
    """How the host of a registry ends in this cloud: identities of tasks log in to such hosts alone."""
    ca_bundle: Path | None = Field(default=None, alias="SLIPWAY_CA_BUNDLE")
    """PEM file of certificate authorities that are trusted beside the public ones."""

    def regions(self, registry: RegistrySettings) -> tuple[str, ...]:
        """Answer the regions of container groups for runs of a registry, the best one first.

        That is its own, then those that hold a replica of it, then the others, each in the order of the settings.
        """
        own, replicas = _region(registry.location), set(map(_region, registry.replicas))
        listed = tuple(dict.fromkeys(map(_region, self.builder_locations))) or (own,)
        return tuple(sorted(listed, key=lambda region: (region != own, region not in replicas)))

    @property
    def kinds(self) -> tuple[BuilderKind, ...]:
        """The kinds of groups that may be started, the cheapest first."""
        usual = BuilderKind.FULL if self.builder_privileged else BuilderKind.CONFINED
        return tuple(sorted(set(self.builder_kinds) or {usual}))

    @property
    def tells_telemetry(self) -> bool:
        """Whether traces and metrics go anywhere."""
        return bool(self.telemetry_endpoint or self.insights)

    @property
    def is_signing(self) -> bool:
        """Whether there is a key to sign provenance with."""
        return bool(self.signing_key or self.signing_key_file)

    @property
    def tells_contents(self) -> bool:
        """Whether what images hold is asked of their builders."""
        return self.sbom and self.is_signing

    @field_validator("allowed_hosts")
    @classmethod
    def _readable(cls, entries: tuple[str, ...]) -> tuple[str, ...]:
        try:
            Allowed.read(entries)
        except InvalidRequest as error:
            raise ValueError(error.message) from None
        return entries

    @model_validator(mode="after")
    def _complete(self) -> "Settings":
        if not self.storage_connection and not (self.blob_service and self.queue_service and self.table_service):
            raise ValueError(
                "AzureWebJobsStorage must be a connection string, or AzureWebJobsStorage__blobServiceUri,"
                " __queueServiceUri and __tableServiceUri must name the storage account"
            )
        if self.builder_spot and (BuilderKind.CONFINED not in self.kinds or self.builder_subnet):
            raise ValueError(
                "SLIPWAY_BUILDER_SPOT goes neither with SLIPWAY_BUILDER_PRIVILEGED nor with SLIPWAY_BUILDER_SUBNET:"
                " Azure has no Spot groups of the Confidential SKU, and none inside a virtual network"
            )
        if len(self.kinds) > 1 and not self.confined_image:
            raise ValueError("SLIPWAY_CONFINED_IMAGE must name the image of confined builders beside full ones")
        if self.builder_subnet and len(self.builder_locations) > 1:
            raise ValueError("SLIPWAY_BUILDER_LOCATION must name one region, that of SLIPWAY_BUILDER_SUBNET")
        if len({one.name for one in self.notifications}) < len(self.notifications):
            raise ValueError("SLIPWAY_NOTIFICATIONS names two receivers alike")
        if self.key is None and self.key_file is None:
            raise ValueError("SLIPWAY_KEY or SLIPWAY_KEY_FILE must hold 32 random bytes in base64")
        return self


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Read all settings from environment variables. Raises SettingsError with one line per fault."""
    try:
        return Settings.model_validate(dict(environment))
    except ValidationError as error:
        raise SettingsError("\n".join(_sentence(fault["loc"], fault["msg"]) for fault in error.errors())) from None


def _sentence(location: tuple[int | str, ...], message: str) -> str:
    name = ".".join(str(part) for part in location)
    return f"{name}: {message}" if name else message.removeprefix("Value error, ")
