"""What a built image stands on, as values and as the block at the end of the log."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import compress
from typing import Final

from shared.dockerfile import BaseImage, Bases
from shared.grant import Image, ImageDependency
from shared.images.references import Reference, dependency

_READS_AS_OTHER: Final = re.compile(
    r"[-+]?(?:[0-9][0-9_]*\.?[0-9_]*|\.[0-9_]+)(?:e[-+]?[0-9]+)?|0x[0-9a-f_]+|0b[01_]+|0o[0-7_]+"
    r"|true|false|yes|no|on|off|y|n|null|~|[-+]?\.(?:inf|nan)|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}.*",
    re.IGNORECASE,
)
"""Texts that YAML would not read as a string: they are quoted."""
_PLAIN: Final = re.compile(r"[A-Za-z0-9_][^\s#]*")


def dependencies(
    images: Sequence[Image], bases: Bases, digests: Mapping[Reference, str], revision: str
) -> tuple[ImageDependency, ...]:
    """Return one entry for each image that was built, or one without image for a build without names."""
    runtime = _image(bases.runtime, digests) if bases.runtime else Image(
        registry="registry.hub.docker.com", repository="library/scratch", tag="latest"
    )  # fmt: skip
    buildtime = tuple(_image(base, digests) for base in bases.buildtime)
    return tuple(
        ImageDependency(image=image, runtime=runtime, buildtime=buildtime, git_head_revision=revision or None)
        for image in (images or (None,))
    )


def without(found: Iterable[ImageDependency], bases: Bases, own: Collection[Reference]) -> tuple[ImageDependency, ...]:
    """Return the dependencies of one build without images that the run itself has built.

    Those change when what they stand on does, and that is told of them.
    """
    runtime = bases.runtime is not None and bases.runtime.reference in own
    kept = [base.reference not in own for base in bases.buildtime]
    return tuple(
        one.model_copy(
            update={
                "runtime": None if runtime else one.runtime,
                "buildtime": tuple(compress(one.buildtime, kept)),
            }
        )
        for one in found
    )


def _image(base: BaseImage, digests: Mapping[Reference, str]) -> Image:
    image = dependency(base.name, digests.get(base.reference))
    return image.model_copy(update={"pinned": base.reference.digest is not None})


def block(found: Iterable[ImageDependency]) -> str:
    """Return the YAML text that ACR Tasks prints, without a line end at the end."""
    return "\n".join(line for one in found for line in _entry(one))


def _entry(one: ImageDependency) -> Iterator[str]:
    yield "- image:" if one.image else "- image: null"
    if one.image:
        yield from _fields(one.image, "    ")
    if one.runtime:
        yield "  runtime-dependency:"
        yield from _fields(one.runtime, "    ")
    if one.buildtime:
        yield "  buildtime-dependency:"
        for image in one.buildtime:
            first, *rest = _fields(image, "")
            yield f"  - {first}"
            yield from (f"    {line}" for line in rest)
    if one.git_head_revision:
        yield "  git:"
        yield f"    git-head-revision: {_scalar(one.git_head_revision)}"
    else:
        yield "  git: {}"


def _fields(image: Image, indent: str) -> Iterator[str]:
    named = {
        "registry": image.registry,
        "repository": image.repository,
        "tag": image.tag,
        "digest": image.digest,
    }
    return (f"{indent}{name}: {_scalar(value)}" for name, value in named.items() if value)


def _scalar(text: str) -> str:
    plain = _PLAIN.fullmatch(text) and not _READS_AS_OTHER.fullmatch(text)
    return text if plain else f'"{text}"'
