"""What the steps need of an engine."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from shared.grant import NamedValue, Platform, RegistryLogin
from shared.images.references import Reference
from shared.language import Network, VolumeMount

REMOTE = "/run/context"
"""Where a build finds the context that was fetched for it."""

type Write = Callable[[bytes], None]
"""Takes a process's output, cut anywhere; never blocks."""


@dataclass(frozen=True, slots=True)
class Annotations:
    """What the manifest of an image says, by name; nothing that a log may not hold. With `on_index` its index too."""

    values: Mapping[str, str] = field(default_factory=dict)
    on_index: bool = False


@dataclass(frozen=True, slots=True)
class ImageBuild:
    """One image to build; an index of images for several platforms.

    `dockerfile` and `ignore` (the rules of `<Dockerfile>.dockerignore`, None for the context's own) are
    texts, so that no engine opens a path that the context chose. `logins` are for the bases.
    """

    context: Path
    dockerfile: str
    tags: tuple[Reference, ...] = ()
    ignore: str | None = None
    arguments: tuple[NamedValue, ...] = ()
    target: str | None = None
    platforms: tuple[Platform, ...] = (Platform(),)
    no_cache: bool = False
    logins: tuple[RegistryLogin, ...] = ()
    cache: Reference | None = None
    """Where layers of an earlier build are."""
    keeps: bool = False
    """Whether its own layers may be asked for afterwards (`save_cache`)."""
    annotations: Annotations = field(default_factory=Annotations)


class Kind(StrEnum):
    """What an engine can do: everything, with a daemon of its own, or what an unprivileged container can."""

    FULL = "full"
    CONFINED = "confined"


@dataclass(frozen=True, slots=True)
class Beside:
    """A container of our own group that waits for a step, and what its image runs unless it is told otherwise.

    `takes` is an image that this run builds: the container makes itself into that one when the step begins.
    """

    step: str
    entry_point: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    takes: Reference | None = None


@dataclass(frozen=True, slots=True)
class Workspace:
    """Where the steps of a task work.

    `root` is the context's directory, `volume` the name by which containers mount it, `home` the directory behind
    the volume `home`. `images` are those that steps name: an engine brings the ones that it knows itself.
    """

    root: Path
    volume: str
    home: Path
    images: tuple[str, ...] = ()
    platform: Platform = field(default_factory=Platform)
    beside: tuple[Beside, ...] = ()
    """The containers that wait for steps, where an engine can start none itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """One `docker run`. `command` is shell text: further flags, the image, its words, redirections.

    `environment` items, and all that a task writes as text, go into the shell unquoted, as in ACR Tasks.
    `directory` is None when the image's own is to hold. It runs in the workspace that was opened.
    """

    name: str
    command: str
    directory: str | None = None
    network: str = ""
    entry_point: str = ""
    user: str = ""
    isolation: str = ""
    cpus: str = ""
    environment: tuple[str, ...] = ()
    ports: tuple[str, ...] = ()
    expose: tuple[str, ...] = ()
    volume_mounts: tuple[VolumeMount, ...] = ()
    detach: bool = False
    keep: bool = False
    privileged: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TextBuild:
    """One `docker build`. `text` is shell text, run in `directory`; whatever Dockerfile it names, `dockerfile` is used.

    `logins` are added to those that the home directory holds. `ignore` is as in `ImageBuild`. A context that was
    fetched for this build alone is `context`, and appears as `REMOTE`. `cache` is where layers of an earlier build are;
    with `keeps` the build makes no image but puts all its layers there.
    """

    text: str
    directory: str
    dockerfile: str
    ignore: str | None = None
    environment: tuple[str, ...] = ()
    volume_mounts: tuple[VolumeMount, ...] = ()
    logins: tuple[RegistryLogin, ...] = ()
    context: Path | None = None
    cache: Reference | None = None
    keeps: Reference | None = None
    annotations: Annotations = field(default_factory=Annotations)


class Containers(Protocol):
    """Runs the steps of a task. `open` comes first, once; everything after it may run side by side.

    `run`, `pull` and `build` return an exit status, as a shell tells it, and have written all output before.
    Cancelling one ends its shell; a container that it started goes on until `remove`. Networks, volumes and
    files raise StepFailed with the engine's reason. The shell text runs in a sandbox of its own: it reaches the
    engine, the workspace and the home directory, and nothing of the agent.
    """

    async def open(self, workspace: Workspace) -> None:
        """Make the workspace and the home directory known, as volumes."""
        ...

    async def create_network(self, network: Network) -> None:
        """Make a network."""
        ...

    async def remove_network(self, name: str) -> None:
        """Remove a network if it is there."""
        ...

    async def write_volume(self, name: str, files: Mapping[str, bytes]) -> None:
        """Make a volume with exactly these files, readable by any user of a container, outside the workspace."""
        ...

    async def run(self, container: Container, write: Write) -> int:
        """Run a container to its end, or until it has started when it is detached."""
        ...

    async def pull(self, image: str, write: Write) -> int:
        """Pull an image, named in shell text, with the logins of the home directory."""
        ...

    async def build(self, build: TextBuild, write: Write) -> int:
        """Build what the text says."""
        ...

    async def remove(self, name: str) -> None:
        """Kill and remove a container if it is there."""
        ...

    async def digest(self, image: str) -> str | None:
        """Return the digest under which the engine holds an image, None when it does not."""
        ...


class Engine(Protocol):
    """Builds, pushes and runs containers for one run.

    `start` is called once and may take seconds; every other method waits for it. Methods may run side by
    side. Cancelling one kills what it started. Nothing is retried inside. `build` and `push` raise StepFailed
    with the engine's own reason; its complete words have gone to `write` before. `start`, and any other then,
    raises EngineUnavailable when the engine cannot run here. Secret values are given to programs by environment
    or socket, never on a command line.
    """

    @property
    def kind(self) -> Kind:
        """What this engine can do."""
        ...

    @property
    def containers(self) -> Containers:
        """What runs the steps of a task. Raises EngineUnavailable on an engine that only builds."""
        ...

    async def start(self) -> None:
        """Get ready; returns when builds can begin."""
        ...

    async def build(self, build: ImageBuild, write: Write) -> str:
        """Build the image under all its tags and return its digest."""
        ...

    async def refusal(self, build: ImageBuild) -> str | None:
        """Return what of a build this kind of engine cannot do, as a sentence that says who can; None for nothing."""
        ...

    async def push(self, image: Reference, login: RegistryLogin, write: Write) -> str:
        """Push an image that was built here and return the digest that the engine pushed."""
        ...

    def blob(self, digest: str) -> Path | None:
        """Return the file of a manifest or layer of an image that was pushed, None where it is not at hand.

        Raises LanguageError for what is no digest.
        """
        ...

    async def emulate(self, platform: Platform) -> str | None:
        """See that programs of a platform run here; return why they cannot."""
        ...

    async def save_cache(self, build: ImageBuild, cache: Reference, logins: tuple[RegistryLogin, ...]) -> None:
        """Put all layers of a build that was just made here where a later one finds them, with `logins` instead."""
        ...

    async def stop(self) -> None:
        """End everything that was started, whatever state it is in. Never raises."""
        ...
