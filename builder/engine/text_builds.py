"""A `docker build` that a task writes as text, as a build of an engine without a docker client. Pure."""

import posixpath
from pathlib import Path
from typing import Final

from builder.engine.protocol import REMOTE, ImageBuild, TextBuild, Workspace
from builder.faults import StepFailed
from shared.grant import NamedValue
from shared.images import platforms
from shared.images.references import Reference
from shared.language import BuildStep
from shared.language.docker_flags import BuildCommand, parse_build

WORKSPACE: Final = "/workspace"
_KNOWN: Final = frozenset(
    (
        *("--build-arg", "--file", "--force-rm", "--no-cache", "--platform", "--progress", "--pull", "--quiet", "-q"),
        *("--rm", "--tag", "--target"),
    )
)
"""Flags that change nothing here, or that are heeded."""


def unknown_flags(step: BuildStep) -> tuple[str, ...]:
    """Return the flags of a `build` step that only a docker client understands."""
    return tuple(sorted(set(step.command.flags) - _KNOWN))


def image_build(build: TextBuild, workspace: Workspace) -> ImageBuild:
    """Return what the text asks for; the text is read as words, nothing in it is run."""
    command = parse_build(build.text)
    asked = tuple(platforms.parse(text) for text in command.platform.split(",")) if command.platform else ()
    return ImageBuild(
        context=_context(build, command, workspace),
        dockerfile=build.dockerfile,
        tags=tuple(Reference.parse(tag) for tag in command.tags),
        ignore=build.ignore,
        arguments=_arguments(build, command),
        target=command.target or None,
        platforms=asked or (workspace.platform,),
        no_cache="--no-cache" in command.flags,
        logins=build.logins,
        annotations=build.annotations,
    )


def _context(build: TextBuild, command: BuildCommand, workspace: Workspace) -> Path:
    if build.directory == REMOTE and build.context:
        return build.context
    place = posixpath.normpath(posixpath.join(build.directory, command.context))
    below = posixpath.relpath(place, WORKSPACE)
    if below.startswith(".."):
        raise StepFailed(f"{place} lies outside of {WORKSPACE}")
    return workspace.root / below


def _arguments(build: TextBuild, command: BuildCommand) -> tuple[NamedValue, ...]:
    environment = dict(item.partition("=")[::2] for item in build.environment)
    found = {}
    for argument in command.build_arguments:
        name, equals, value = argument.partition("=")
        if equals or name in environment:
            found[name] = value if equals else environment[name]
    return tuple(NamedValue(name=name, value=value) for name, value in found.items())
