"""Which images a build needs: variables expanded, stages followed, from the target back to its bases.

The rules are those of BuildKit's `dockerfile2llb`, with two of Docker's older builder kept: stage names match in
any case in FROM too, and a target may be the number of a stage.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from shared.dockerfile.flags import quote_flag
from shared.dockerfile.graph import BaseImage, Graph, Need
from shared.dockerfile.model import Dockerfile, Stage
from shared.dockerfile.variables import global_variables
from shared.grant import Platform
from shared.images.references import Reference


@dataclass(frozen=True, slots=True)
class Bases:
    """The images of one build, each reference once, in the order of the text.

    `runtime` is what the target stage stands on, None for scratch. `buildtime` are the others of exactly the
    stages that the target reaches. `all_from` are the images of every FROM up to the target's, reached or not,
    as ACR counts them. `needs` is every place in the text where the build needs an image, for `pin`.
    """

    runtime: BaseImage | None
    buildtime: tuple[BaseImage, ...]
    all_from: tuple[BaseImage, ...]
    needs: tuple[Need, ...]

    @property
    def images(self) -> tuple[BaseImage, ...]:
        """All images that the build needs, the runtime image first."""
        return (self.runtime, *self.buildtime) if self.runtime else self.buildtime

    def besides(self, known: Collection[Reference]) -> "Bases":
        """Return them without images that are known; `needs` stays whole."""
        runtime = self.runtime if self.runtime and self.runtime.reference not in known else None
        return replace(self, runtime=runtime, buildtime=tuple(b for b in self.buildtime if b.reference not in known))


@dataclass(frozen=True, slots=True)
class BuiltStage:
    """A stage that a build reaches, and the platform of what it stands on."""

    stage: Stage
    platform: Platform


def resolve(
    dockerfile: Dockerfile,
    build_args: Mapping[str, str],
    target: str | None = None,
    platform: Platform | None = None,
    build_platform: Platform | None = None,
) -> Bases:
    """Return the images that a build of `target` (None: the last stage) needs.

    `platform` is what is built for, `build_platform` the builder's own; both default to linux/amd64.
    Raises `LanguageError` for an unknown target, a stage that is used before it exists, stages that need each
    other, and a variable, reference or platform that cannot be read.
    """
    graph = _graph(dockerfile, build_args, target, platform, build_platform)
    index = graph.target(target)
    needs = [need for stage in graph.reach(index) for need in graph.needs[stage] if need.image]
    runtime = graph.origin(index).image
    return Bases(
        runtime=runtime,
        buildtime=_distinct(needs, without=runtime),
        all_from=_distinct(graph.bases[: index + 1]),
        needs=tuple(needs),
    )


def merged(found: Sequence[Bases]) -> Bases:
    """Return the images of a build for several platforms, from those of each.

    Where a FROM names another image for each platform there is nothing to `pin`: its place is not among `needs`.
    """
    first = found[0]
    everything = [need for bases in found for need in bases.needs]
    named: dict[int, set[str]] = {}
    for need in everything:
        named.setdefault(need.written.span.start, set()).add(need.written.name)
    return Bases(
        runtime=first.runtime,
        buildtime=_distinct(everything, without=first.runtime),
        all_from=_unique(image for bases in found for image in bases.all_from),
        needs=tuple(
            {need.written.span.start: need for need in everything if len(named[need.written.span.start]) == 1}.values()
        ),
    )


def built_stages(
    dockerfile: Dockerfile, build_args: Mapping[str, str], target: str | None = None, platform: Platform | None = None
) -> tuple[BuiltStage, ...]:
    """Return the stages that a build of `target` reaches, in the order of the text. Raises as `resolve` does."""
    graph = _graph(dockerfile, build_args, target, platform)
    wanted = platform or Platform()
    reached = graph.reach(graph.target(target))
    return tuple(BuiltStage(dockerfile.stages[index], graph.platform(index) or wanted) for index in reached)


def _graph(
    dockerfile: Dockerfile,
    build_args: Mapping[str, str],
    target: str | None,
    platform: Platform | None,
    build_platform: Platform | None = None,
) -> Graph:
    wanted, builder = platform or Platform(), build_platform or Platform()
    name = target or dockerfile.stages[-1].name or ""
    return Graph(dockerfile, global_variables(dockerfile, build_args, wanted, builder, name))


def pin(text: str, bases: Bases, digests: Mapping[Reference, str]) -> str:
    """Return the Dockerfile's text with `@digest` at each image that the build needs and `digests` has."""
    return renamed(text, bases, {image: str(image.with_digest(digest)) for image, digest in digests.items()})


def renamed(text: str, bases: Bases, names: Mapping[Reference, str]) -> str:
    """Return the Dockerfile's text with another name for each image that the build needs and `names` has."""
    parts: list[str] = []
    copied = 0
    for need in sorted(bases.needs, key=lambda need: need.written.span.start):
        written, image = need.written, need.image
        if image is None or image.reference not in names or written.span.start < copied:
            continue
        name = names[image.reference]
        parts += [text[copied : written.span.start], quote_flag(f"{written.before}{name}{written.after}")]
        copied = written.span.end
    return "".join([*parts, text[copied:]])


def _distinct(needs: Iterable[Need], without: BaseImage | None = None) -> tuple[BaseImage, ...]:
    images = (need.image for need in needs if need.image)
    return _unique(image for image in images if without is None or image.reference != without.reference)


def _unique(images: Iterable[BaseImage]) -> tuple[BaseImage, ...]:
    found: dict[Reference, BaseImage] = {}
    for image in images:
        found.setdefault(image.reference, image)
    return tuple(found.values())
