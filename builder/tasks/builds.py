"""A `build` step: scan and pin as in a Docker build, then its text through the shell."""

import asyncio
import posixpath
from dataclasses import dataclass
from typing import Final

from builder.engine.protocol import TextBuild
from builder.faults import EngineUnavailable, Fenced, StepFailed, reason
from builder.scan import Scanned, Subject, scan
from builder.tasks.attempts import Attempts, attempt_all
from builder.tasks.room import WORKSPACE, Room
from shared.errors import LanguageError, SlipwayError
from shared.grant import Platform
from shared.language import BuildStep

_SCAN_SECONDS: Final = 900
_PLATFORM_PARTS: Final = 3


@dataclass(frozen=True, slots=True)
class Place:
    """Where a build happens, as absolute paths of the sandbox; `dockerfile` is relative to the workspace."""

    directory: str
    dockerfile: str


async def run_build(room: Room, step: BuildStep, deadline: float) -> None:
    """Execute the step. Raises StepFailed when the scan or the last attempt fails."""
    place, scanned = await _scan(room, step)
    room.scanned[step.id] = scanned
    build = TextBuild(
        text=step.docker_text,
        directory=place.directory,
        dockerfile=scanned.text,
        ignore=scanned.ignore,
        environment=step.environment,
        volume_mounts=step.volume_mounts,
        logins=scanned.logins,
    )
    attempts = Attempts(retries=step.retries, delay=step.retry_delay, only_on=step.retry_on_errors, repeat=step.repeat)
    await attempt_all(room.log, step.id, lambda write: room.containers.build(build, write), attempts, deadline)


async def _scan(room: Room, step: BuildStep) -> tuple[Place, Scanned]:
    room.log.line("Scanning for dependencies...")
    try:
        async with asyncio.timeout(_SCAN_SECONDS):
            place = place_of(step)
            scanned = await scan(room.shop, _subject(room, step, place), quiet=True)
    except (Fenced, EngineUnavailable):
        raise
    except TimeoutError:
        why = "timed out"
    except SlipwayError as fault:
        why = reason(fault)
    else:
        room.log.line("Successfully scanned dependencies")
        return place, scanned
    room.log.line(f"Output from dependency scanning: {why}")
    raise StepFailed("failed to scan dependencies: exit status 1")


def _subject(room: Room, step: BuildStep, place: Place) -> Subject:
    command, grant = step.command, room.shop.grant
    return Subject(
        root=room.context.root,
        path=place.dockerfile,
        arguments=_arguments(step),
        platform=_platform(command.platform) if command.platform else grant.platform,
        target=command.target or None,
        logins=grant.logins,
        publishes=room.repositories,
    )


def _arguments(step: BuildStep) -> dict[str, str]:
    """Return the build arguments; one without a value has that of the step's environment, if any."""
    environment = dict(item.partition("=")[::2] for item in step.environment)
    found: dict[str, str] = {}
    for argument in step.command.build_arguments:
        name, equals, value = argument.partition("=")
        if equals or name in environment:
            found[name] = value if equals else environment[name]
    return found


def place_of(step: BuildStep) -> Place:
    """Return where the step builds. As with docker, `-f` is relative to the working directory. Pure.

    Raises StepFailed for a context that is not in the workspace.
    """
    command = step.command
    if _is_remote(command.context):
        raise StepFailed(
            f"the context {command.context} is not in the workspace: remote contexts of steps are not known"
        )
    directory = posixpath.normpath(posixpath.join(WORKSPACE, step.working_directory))
    context = posixpath.normpath(posixpath.join(directory, command.context))
    dockerfile = posixpath.normpath(posixpath.join(directory, command.dockerfile or f"{context}/Dockerfile"))
    for path in (context, dockerfile):
        if path != WORKSPACE and not path.startswith(f"{WORKSPACE}/"):
            raise StepFailed(f"{path} lies outside of {WORKSPACE}")
    return Place(directory, posixpath.relpath(dockerfile, WORKSPACE))


def _is_remote(context: str) -> bool:
    return "://" in context or context.startswith(("git@", "github.com/"))


def _platform(text: str) -> Platform:
    """Read `os/architecture[/variant]`; of several platforms the first counts for the scan."""
    parts = text.partition(",")[0].split("/")
    if not 1 < len(parts) <= _PLATFORM_PARTS or not all(parts):
        raise LanguageError(f"{text!r} is not a platform such as linux/amd64")
    return Platform(os=parts[0], architecture=parts[1], variant=parts[2] if len(parts) == _PLATFORM_PARTS else None)
