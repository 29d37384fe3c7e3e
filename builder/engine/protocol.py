"""What the steps need of an engine."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from shared.grant import NamedValue, Platform, RegistryLogin
from shared.images.references import Reference

type Write = Callable[[bytes], None]
"""Takes a process's output, cut anywhere; never blocks."""


@dataclass(frozen=True, slots=True)
class ImageBuild:
    """One image to build.

    `dockerfile` and `ignore` (the rules of `<Dockerfile>.dockerignore`, None for the context's own) are
    texts, so that no engine opens a path that the context chose. `logins` are for the bases.
    """

    context: Path
    dockerfile: str
    tags: tuple[Reference, ...] = ()
    ignore: str | None = None
    arguments: tuple[NamedValue, ...] = ()
    target: str | None = None
    platform: Platform = field(default_factory=Platform)
    no_cache: bool = False
    logins: tuple[RegistryLogin, ...] = ()


class Engine(Protocol):
    """Builds, pushes and, later, runs containers for one run.

    `start` is called once and may take seconds; every other method waits for it. Methods may run side by
    side. Cancelling one kills what it started. Nothing is retried inside. `build`, `push` and what comes
    after them raise StepFailed with the engine's own reason; its complete words have gone to `write`
    before. `start`, and any other then, raises EngineUnavailable
    when the engine cannot run here. Secret values are given to
    programs by environment or socket, never on a command line.

    A container of a step (its flags, its image, its words) will be one more frozen value beside
    `ImageBuild`, and `run(container, write) -> int`, its exit status, one more method.
    """

    async def start(self) -> None:
        """Get ready; returns when builds can begin."""
        ...

    async def build(self, build: ImageBuild, write: Write) -> str:
        """Build the image under all its tags and return its digest."""
        ...

    async def push(self, image: Reference, login: RegistryLogin, write: Write) -> str:
        """Push an image that was built here and return the digest that the engine pushed."""
        ...

    async def stop(self) -> None:
        """End everything that was started, whatever state it is in. Never raises."""
        ...
