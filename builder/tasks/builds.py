"""A `build` step: scan and pin as in a Docker build, then its text through the shell."""

import asyncio
import contextlib
import posixpath
import tempfile
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from builder.annotations import annotations
from builder.contexts.choose import source_of
from builder.contexts.source import Context
from builder.contexts.tree import read_text
from builder.engine.protocol import REMOTE, Annotations, ImageBuild, TextBuild, Workspace
from builder.engine.text_builds import image_build
from builder.faults import ContextRefused, EngineUnavailable, Fenced, StepFailed, reason
from builder.layer_cache import OUTPUTS, keep_text, look_up, may_keep_text, place_of_text
from builder.scan import DOCKERFILE_LIMIT, Scanned, Subject, scan
from builder.shop import Shop
from builder.steps import warn_of_emulation
from builder.tasks.attempts import Attempts, attempt_all
from builder.tasks.room import WORKSPACE, Room
from shared.contexts import ContextKind, classify, secret_parts
from shared.errors import LanguageError, SlipwayError
from shared.grant import Platform, Source, SpanName
from shared.images.references import Reference
from shared.language import BuildStep, Plan

_SCAN_SECONDS: Final = 900
_PLATFORM_PARTS: Final = 3


@dataclass(frozen=True, slots=True)
class Place:
    """Where a build happens.

    `directory` is a path of the sandbox, `dockerfile` relative to `root`, which holds the context on our side. `text`
    follows `docker build`. `context` is what it was brought as; `fetched` is one that was brought for this step alone.
    """

    directory: str
    dockerfile: str
    root: Path
    text: str
    context: Context
    fetched: Path | None = None


async def run_build(room: Room, step: BuildStep, deadline: float) -> None:
    """Execute the step. Raises StepFailed when the scan or the last attempt fails."""
    with tempfile.TemporaryDirectory(dir=room.shop.means.private, prefix="context-") as private:
        place, scanned, cache = await _scan(room, step, Path(private))
        room.scanned[step.id] = scanned
        platforms = platforms_of(step, room.shop.grant.platform)
        await warn_of_emulation(room.shop, platforms)
        kept = await look_up(room.shop, cache, scanned.logins) if cache else None
        build = TextBuild(
            text=place.text,
            directory=place.directory,
            dockerfile=scanned.text,
            ignore=scanned.ignore,
            environment=step.environment,
            volume_mounts=step.volume_mounts,
            logins=scanned.logins,
            context=place.fetched,
            cache=kept.place if kept and kept.is_whole else None,
            annotations=_annotations(step, place, scanned, len(platforms)),
        )
        attempts = Attempts(
            retries=step.retries, delay=step.retry_delay, only_on=step.retry_on_errors, repeat=step.repeat
        )
        began = time.monotonic()
        with room.shop.spans.span(SpanName.BUILD, step.id):
            await attempt_all(room.log, step.id, lambda write: room.containers.build(build, write), attempts, deadline)
        if kept and may_keep_text(room.shop, room.plan, step, time.monotonic() - began):
            await keep_text(room.shop, build, kept, deadline)


def _annotations(step: BuildStep, place: Place, scanned: Scanned, platforms: int) -> Annotations:
    """Return what the image is to say; nothing where the step itself says where the image goes."""
    if not OUTPUTS.isdisjoint(step.command.flags):
        return Annotations()
    return annotations(scanned, place.context, _arguments(step), datetime.now(UTC), platforms=platforms)


async def _scan(room: Room, step: BuildStep, private: Path) -> tuple[Place, Scanned, Reference | None]:
    room.log.line("Scanning for dependencies...")
    try:
        async with asyncio.timeout(_SCAN_SECONDS):
            local = classify(step.command.context) is ContextKind.LOCAL
            place = place_of(step, room.context) if local else await _fetched(room, step, private)
            subject = _subject(room, step, place)
            cache = place_of_text(room.shop, step, place.dockerfile, subject.platforms)
            with room.shop.spans.span(SpanName.SCAN, step.id):
                scanned = await scan(room.shop, replace(subject, layers=cache), quiet=True)
    except (Fenced, EngineUnavailable):
        raise
    except TimeoutError:
        why = "timed out"
    except SlipwayError as fault:
        why = reason(fault)
    else:
        room.log.line("Successfully scanned dependencies")
        return place, scanned, cache
    room.log.line(f"Output from dependency scanning: {why}")
    raise StepFailed("failed to scan dependencies: exit status 1")


def _subject(room: Room, step: BuildStep, place: Place) -> Subject:
    command, grant = step.command, room.shop.grant
    return Subject(
        root=place.root,
        path=place.dockerfile,
        arguments=_arguments(step),
        platforms=platforms_of(step, grant.platform),
        target=command.target or None,
        logins=grant.logins,
        publishes=room.repositories,
        held=None if "--pull" in command.flags else room.containers.digest,
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


async def _fetched(room: Room, step: BuildStep, private: Path) -> Place:
    """Bring a remote context, out of the reach of other steps; the run's own access token does not go along."""
    command, shop = step.command, room.shop
    root = private / "root"
    root.mkdir()
    shop.log.hide(*secret_parts(command.context))
    grant = shop.grant.model_copy(update={"source": Source(location=command.context)})
    source = source_of(grant, replace(shop.means, private=private))
    context = await source.fetch(root) if source else Context(root)
    room.revisions[step.id] = context.commit
    before, _, after = step.docker_text.rpartition(command.context)
    dockerfile = posixpath.normpath(command.dockerfile or "Dockerfile")
    return Place(REMOTE, dockerfile, context.root, f"{before}.{after}", context, context.root)


async def refusal(shop: Shop, plan: Plan, context: Context) -> str | None:
    """Return what of the build steps the engine at hand cannot do, by the Dockerfiles that are there already.

    Those that are not, or cannot be read, are for their steps.
    """
    for step in plan.steps:
        if isinstance(step, BuildStep):
            with contextlib.suppress(LanguageError, ContextRefused, StepFailed):
                build = _foreseen(shop, step, context)
                if build and (why := await shop.engine.refusal(build)):
                    return f"step {step.id}: {why}"
    return None


def _foreseen(shop: Shop, step: BuildStep, context: Context) -> ImageBuild | None:
    if classify(step.command.context) is not ContextKind.LOCAL:
        return None
    place = place_of(step, context)
    text = read_text(place.root, place.dockerfile, DOCKERFILE_LIMIT)
    if text is None:
        return None
    build = TextBuild(text=place.text, directory=place.directory, dockerfile=text, environment=step.environment)
    return image_build(build, Workspace(context.root, "", shop.home, platform=shop.grant.platform))


def place_of(step: BuildStep, workspace: Context) -> Place:
    """Return where a step builds that has its context in the workspace. Pure.

    As with docker, `-f` is relative to the working directory. Raises StepFailed for what is not in the workspace.
    """
    command = step.command
    directory = posixpath.normpath(posixpath.join(WORKSPACE, step.working_directory))
    context = posixpath.normpath(posixpath.join(directory, command.context))
    dockerfile = posixpath.normpath(posixpath.join(directory, command.dockerfile or f"{context}/Dockerfile"))
    for path in (context, dockerfile):
        if path != WORKSPACE and not path.startswith(f"{WORKSPACE}/"):
            raise StepFailed(f"{path} lies outside of {WORKSPACE}")
    return Place(directory, posixpath.relpath(dockerfile, WORKSPACE), workspace.root, step.docker_text, workspace)


def platforms_of(step: BuildStep, own: Platform) -> tuple[Platform, ...]:
    """Return all platforms that a step builds for. Raises LanguageError."""
    return tuple(map(_platform, step.command.platform.split(","))) if step.command.platform else (own,)


def _platform(text: str) -> Platform:
    parts = text.split("/")
    if not 1 < len(parts) <= _PLATFORM_PARTS or not all(parts):
        raise LanguageError(f"{text!r} is not a platform such as linux/amd64")
    return Platform(os=parts[0], architecture=parts[1], variant=parts[2] if len(parts) == _PLATFORM_PARTS else None)
