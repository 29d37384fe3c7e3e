"""What a builder is given for one run, and what it reports back.

This module is the whole contract between the functions app and a builder. The wire form is JSON with
camelCase names; unknown members are ignored on both sides so that old builders survive new apps.

    POST {url}/builders/{group}/claim                  group token  -> 200 Grant | 204 nothing yet | 410 leave
    POST {url}/builders/{group}/runs/{run}/heartbeat   run token    -> 200 Heartbeat | 409 Verdict: stop now
    POST {url}/builders/{group}/runs/{run}/login       run token    LoginRequest -> 200 RegistryLogin
    POST {url}/builders/{group}/runs/{run}/secrets     run token    SecretsRequest -> 200 SecretValues | 400
    POST {url}/builders/{group}/runs/{run}/report      run token    Report -> 200
    POST {url}/builders/{group}/runs/{run}/contents    run token    Contents -> 200, after a report that promised it
    POST {url}/pools/{registry}/{pool}/machines        pool token   Registration -> 200 Registered | 401 refused
    POST {url}/builders/{group}/leave                  group token  -> 200, and no run comes any more

The builder of a container group is told its group's name and token at the start; one on a machine of its own registers
with the token of an agent pool and is given both. A builder claims again, once it is clean, only after a grant that
says so. To claim is to say that nothing of an earlier run is left.

A claim is held open for some seconds while there is nothing to do. 401 and 410 are final: the builder
exits. 409 says that the run belongs to somebody else or has ended: the builder stops everything at once.
5xx and network faults are passing: the builder tries again until its deadline.
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel


class Message(BaseModel):
    """Base of all that crosses the wire between app and builder."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True, extra="ignore")


class Outcome(StrEnum):
    """How a run ended, as the builder saw it."""

    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    CANCELED = "Canceled"
    TIMEOUT = "Timeout"
    ERROR = "Error"


class Reuse(StrEnum):
    """After which runs of trusted cause a builder of an agent pool may execute a further one."""

    NEVER = "never"
    BUILDS = "builds"
    """Docker builds, whose steps reach no daemon and cannot be privileged."""
    TASKS = "tasks"
    """All, also steps that may command the engine and so become root of the builder."""


class Platform(Message):
    """The platform to build for, in Go's lower-case names."""

    os: str = "linux"
    architecture: str = "amd64"
    variant: str | None = None

    def __str__(self) -> str:
        parts = (self.os, self.architecture, self.variant)
        return "/".join(part for part in parts if part)


class NamedValue(Message):
    """A build argument or a template value. The value of a secret one is masked in every log."""

    name: str
    value: str = ""
    is_secret: bool = False


class DockerBuild(Message):
    """Build one Dockerfile and push its image: `az acr build` and Docker task steps."""

    docker_file_path: str
    image_names: tuple[str, ...] = ()
    is_push_enabled: bool = False
    no_cache: bool = False
    arguments: tuple[NamedValue, ...] = ()
    target: str | None = None
    platforms: tuple[Platform, ...] = ()
    """Several platforms make one index; none means that of the grant."""


class FileTask(Message):
    """Run the task file found in the context."""

    task_file_path: str
    values_file_path: str | None = None
    values: tuple[NamedValue, ...] = ()


class EncodedTask(Message):
    """Run a task file that came with the request; both texts are plain here, no longer base64."""

    task_content: str
    values_content: str | None = None
    values: tuple[NamedValue, ...] = ()


class Work(Message):
    """What to do: exactly one member is set."""

    docker_build: DockerBuild | None = None
    file_task: FileTask | None = None
    encoded_task: EncodedTask | None = None


class Source(Message):
    """Where the context comes from; no member set means a run without context.

    `archive_url` is a read-only SAS of an uploaded tar.gz. `location` is a git, tarball or `oci://`
    address as the user typed it, `token` the access token for it.
    """

    archive_url: str | None = None
    location: str | None = None
    token: str | None = Field(default=None, repr=False)


class RegistryLogin(Message):
    """One registry's credential. With `token`, a bearer token scoped to this run's repositories."""

    registry: str
    username: str | None = None
    password: str | None = Field(default=None, repr=False)
    token: str | None = Field(default=None, repr=False)
    expires: datetime | None = None


class RunVariables(Message):
    """The values behind `{{.Run.X}}`; see `reference` of each in the task language room."""

    id: str
    registry: str
    registry_name: str
    date: str
    task_name: str = ""
    commit: str = ""
    branch: str = ""
    git_tag: str = ""
    repository: str = ""
    triggered_by: str = ""


class Limits(Message):
    """What a context may contain, and how long it may take to come. Sizes in bytes."""

    archive_bytes: int = 4 * 1024**3
    unpacked_bytes: int = 16 * 1024**3
    entries: int = 500_000
    ratio: int = 200
    fetch_seconds: int = 3600


class LayerCache(Message):
    """Where the layers of a run's builds are kept in its registry. `{repository}` stands for that of the image."""

    repository: str
    is_writable: bool


class StepContainer(Message):
    """A container that waits for one step of a task, beside its builder's: the step's id, and the image it runs."""

    step: str = Field(max_length=255)
    image: str = Field(default="", max_length=1024)
    """Empty for an image that the run itself builds: the container is the builder's until the step takes its place."""


class Grant(Message):
    """All that a builder is given for one run."""

    run_id: str
    group: str
    epoch: int
    run_token: str = Field(repr=False)
    work: Work
    source: Source
    platform: Platform = Platform()
    variables: RunVariables
    logins: tuple[RegistryLogin, ...] = ()
    secrets: dict[str, str] = Field(default_factory=dict, repr=False)
    timeout_seconds: int
    heartbeat_seconds: float = 2.0
    limits: Limits = Limits()
    image_aliases: dict[str, str] = Field(default_factory=dict)
    """Image aliases of task files that this deployment adds to the built-in ones or sets anew."""
    steps: tuple[StepContainer, ...] = ()
    """What waits beside the builder in its group, in the order of the containers."""
    may_hand_over: bool = False
    """Whether a builder that cannot do what is asked may report `needs_full`: the run is then given to another."""
    cache: LayerCache | None = None
    """None where builds are to use no layers of earlier ones."""
    allowed_hosts: tuple[str, ...] = ()
    """What the builder may fetch a context from beside public addresses: entries as `shared.network.Allowed` reads."""
    log_url: str = Field(repr=False)
    """SAS of an existing append blob, with add permission. Every append carries its append position."""
    log_position: int = 0
    """Bytes that the log holds already (what was said while the run waited): where the builder goes on."""
    result_url: str = Field(repr=False)
    """SAS of a blob that does not exist yet, with create and write permission: the `Report`, before it is sent."""
    trace_parent: str = ""
    """The span that the builder works in (W3C Trace Context); it goes with each of the builder's calls of the app."""
    wants_contents: bool = False
    """Whether the builder is to tell, after its report, what the images hold that it pushed."""
    claims_again: bool = False
    """Whether the builder is to make itself clean after this run and claim again, instead of leaving."""


class Registration(Message):
    """A machine that offers itself to an agent pool: the platforms that it runs natively, like `linux/arm64`."""

    machine: str = Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")
    platforms: tuple[Annotated[str, Field(pattern=r"^(linux|windows)/[a-z0-9]{1,16}(/v[5-8])?$")], ...] = Field(
        min_length=1, max_length=8
    )
    reuse: Reuse = Reuse.BUILDS


class Registered(Message):
    """What a machine is from now on: a builder with a group's name and token."""

    group: str
    token: str = Field(repr=False)


class Heartbeat(Message):
    """The run is still ours."""

    epoch: int


class Verdict(Message):
    """Why the builder must stop: the run was canceled, timed out, or belongs to another builder."""

    reason: str


class LayersUse(Message):
    """Kept layers that the login is for: where they lie, and the digest that is put aside when they are kept anew."""

    repository: str = Field(max_length=255)
    tag: str = Field(pattern="^cache-[0-9a-f]{16}$")
    replaced: str = Field(default="", pattern="^(sha256:[0-9a-f]{64})?$")


Repository = Annotated[str, Field(max_length=255, pattern=r"^[a-z0-9]+(?:[._/-]+[a-z0-9]+)*$")]
"""The name of a repository. It stands in the scope of a token, where a blank or a colon would ask for another one."""
_MOST_REPOSITORIES: Final = 500


class LoginRequest(Message):
    """Ask for a token for the run's own registry.

    `push` is granted only for the repositories that the run may publish to and only while the run still
    belongs to this builder: asking right before the push is the fence against a builder that was given up.
    """

    pull: tuple[Repository, ...] = Field(default=(), max_length=_MOST_REPOSITORIES)
    push: tuple[Repository, ...] = Field(default=(), max_length=_MOST_REPOSITORIES)
    layers: LayersUse | None = None


class SecretReference(Message):
    """A secret in a key vault, under the id that a task gives it. `client_id` picks the identity that reads it."""

    id: str
    keyvault: str
    client_id: str = ""


class SecretsRequest(Message):
    """Ask for the values of the secrets that the task of the run names."""

    secrets: tuple[SecretReference, ...] = Field(max_length=100)


class SecretValues(Message):
    """The values by id, exactly as the vaults hold them."""

    values: dict[str, str] = Field(repr=False)


class Image(Message):
    """An image by name and, when known, digest."""

    registry: str
    repository: str
    tag: str | None = None
    digest: str | None = None
    pinned: bool = False
    """Whether its name says the digest: then it is always the same image, wherever the tag leads."""


class ImageDependency(Message):
    """One built image and what it stands on, as in the dependency block of the log."""

    image: Image | None = None
    runtime: Image | None = None
    buildtime: tuple[Image, ...] = ()
    git_head_revision: str | None = None


MOST_SPANS = 200
_DAY = 24 * 60 * 60 * 1000


class SpanName(StrEnum):
    """What a builder tells the duration of."""

    CONTEXT = "context"
    SCAN = "scan"
    BUILD = "build"
    PUSH = "push"
    STEP = "step"
    KEEP_LAYERS = "keep layers"


class Span(Message):
    """One part of a run: when it began after the claim, and how long it took, in milliseconds."""

    name: SpanName
    begin_ms: int = Field(ge=0, le=_DAY)
    took_ms: int = Field(ge=0, le=_DAY)
    failed: bool = False
    step: str = Field(default="", pattern="^[A-Za-z0-9._-]{0,64}$")
    """The step of a task that it belongs to."""


class Report(Message):
    """How the run ended. Written to `result_url` first, then sent."""

    run_id: str
    epoch: int
    outcome: Outcome
    error: str | None = None
    """One sentence for the last line of the log and `runErrorMessage`; None on success."""
    images: tuple[Image, ...] = ()
    dependencies: tuple[ImageDependency, ...] = ()
    platforms: tuple[Platform, ...] = Field(default=(), max_length=32)
    """What the images were built for, where that is not the run's one platform."""
    steps: tuple[StepContainer, ...] = Field(default=(), max_length=50)
    """Nothing was done: the run needs a group with these containers, which cannot be added to one that runs."""
    spans: tuple[Span, ...] = Field(default=(), max_length=MOST_SPANS)
    """What its time went into."""
    tells_contents: bool = False
    """Whether `Contents` of the images follow."""
    needs_full: bool = False
    """Nothing was done: the run needs a full builder. Where none can be had it ends as the rest says."""


MOST_PACKAGES: Final = 10_000
"""That are told of one image."""
_Line = Annotated[str, Field(max_length=256, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")]


class PackageKind(StrEnum):
    """Who installed a package: the types of package URLs."""

    DEB = "deb"
    APK = "apk"
    RPM = "rpm"
    PYTHON = "pypi"
    NODE = "npm"
    GO = "golang"


class Package(Message):
    """A package of an image. An RPM's version is `epoch:version-release`; `source` is what a binary was made from."""

    kind: PackageKind
    name: Annotated[_Line, Field(min_length=1)]
    version: _Line = ""
    architecture: _Line = ""
    source: _Line = ""


class Distribution(Message):
    """The operating system of an image, as its os-release says."""

    id: str = Field(default="", pattern=r"^[a-z0-9._-]{0,64}$")
    version: str = Field(default="", pattern=r"^[A-Za-z0-9._:+~-]{0,64}$")


class Contents(Message):
    """What a builder found in an image that its run pushed, under the digest that was reported."""

    repository: str = Field(max_length=255)
    digest: str = Field(pattern="^sha256:[0-9a-f]{64}$")
    distribution: Distribution = Distribution()
    packages: tuple[Package, ...] = Field(default=(), max_length=MOST_PACKAGES)
    lacks: _Line = ""
    """What was not looked at, and why, as a sentence; empty when all of the image was."""
