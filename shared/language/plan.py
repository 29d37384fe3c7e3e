"""The plan of a task: its steps in the order of the file, each complete, and the graph between them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from shared.language import docker_flags
from shared.language.docker_flags import BuildCommand

ROOT = "acb_root"
"""The vertex before all steps; `when: ["-"]` means it."""


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret that lies in a key vault. `client_id` picks the managed identity that may read it."""

    id: str
    keyvault: str
    client_id: str = ""


@dataclass(frozen=True, slots=True)
class Network:
    """A network of the run. With `skip_creation` it exists already."""

    name: str
    driver: str = ""
    ipv6: bool = False
    skip_creation: bool = False
    is_default: bool = False


@dataclass(frozen=True, slots=True)
class Volume:
    """A volume made of secret files: file name to Base64 text."""

    name: str
    secret: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class VolumeMount:
    """Where a volume appears in a step's container."""

    name: str
    mount_path: str


@dataclass(frozen=True, kw_only=True)
class Step:
    """What every step has. Times are in seconds.

    `after` names the steps that must have ended well before; none means at once. One `timeout` covers all
    attempts and repeats; `start_delay` lies before it.
    """

    id: str
    after: tuple[str, ...]
    timeout: int
    when: tuple[str, ...] = ()
    """As written; `after` is what it means."""
    start_delay: int = 0
    ignore_errors: bool = False


@dataclass(frozen=True, kw_only=True)
class ContainerStep(Step):
    """A step that runs in a container of its own, named by the step's id."""

    retries: int = 0
    retry_delay: int = 5
    retry_on_errors: tuple[str, ...] = ()
    repeat: int = 0
    environment: tuple[str, ...] = ()
    """`NAME=value` each, those of the task included; an item without `=` takes the agent's value."""
    network: str = ""
    working_directory: str = ""
    disable_working_directory_override: bool = False
    volume_mounts: tuple[VolumeMount, ...] = ()
    detach: bool = False
    keep: bool = False
    privileged: bool = False
    user: str = ""
    isolation: str = ""
    cpus: str = ""
    ports: tuple[str, ...] = ()
    expose: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class CmdStep(ContainerStep):
    """Runs `docker run … {cmd}`; `cmd` is shell text, image aliases expanded."""

    cmd: str
    entry_point: str = ""
    pull: bool = False
    download_retries: int = 0
    download_retry_delay: int = 0

    @cached_property
    def image(self) -> str:
        """The image that the text names, as written; empty when it names none."""
        return docker_flags.run_image(self.cmd)


@dataclass(frozen=True, kw_only=True)
class BuildStep(ContainerStep):
    """Runs `docker build {build}`.

    `cache` is the reference of the registry cache, when the step asks for one and its first tag allows it.
    """

    build: str
    command: BuildCommand
    uses_buildkit: bool = False
    cache_enabled: bool = False
    cache_disabled: bool = False
    cache: str = ""

    @property
    def docker_text(self) -> str:
        """The text after `docker build`, with the flags of the registry cache."""
        if not self.cache:
            return self.build
        reference = f"type=registry,ref={self.cache}"
        return f"--load --cache-to={reference},mode=max --cache-from={reference} {self.build}"


@dataclass(frozen=True, kw_only=True)
class PushStep(Step):
    """Pushes `images`, complete with tag and without repetition."""

    images: tuple[str, ...]


type AnyStep = CmdStep | BuildStep | PushStep


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A task, ready to be executed: every default is filled in, every name checked."""

    version: str
    steps: tuple[AnyStep, ...]
    step_timeout: int
    working_directory: str = ""
    environment: tuple[str, ...] = ()
    secrets: tuple[Secret, ...] = ()
    networks: tuple[Network, ...] = ()
    default_network: str = ""
    volumes: tuple[Volume, ...] = ()

    @cached_property
    def graph(self) -> Mapping[str, tuple[str, ...]]:
        """The children of every step and of `ROOT`, in the order of the file."""
        children: dict[str, list[str]] = {ROOT: [], **{step.id: [] for step in self.steps}}
        for step in self.steps:
            for parent in step.after or (ROOT,):
                children[parent].append(step.id)
        return {name: tuple(names) for name, names in children.items()}

    @cached_property
    def images(self) -> tuple[str, ...]:
        """The images that the `cmd` steps run, in order, each once."""
        named = (step.image for step in self.steps if isinstance(step, CmdStep) and step.image)
        return tuple(dict.fromkeys(named))
