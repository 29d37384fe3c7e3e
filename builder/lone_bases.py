"""Bases that stand alone, outside of an index, and are for another platform than what is built on them.

The engine takes such an image for whatever was asked for, and the new image then says what it is not.
"""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import httpx

from shared.dockerfile import Dockerfile, built_stages, resolve
from shared.errors import LanguageError
from shared.grant import Platform
from shared.images.client import perform_async
from shared.images.distribution import platform_of
from shared.images.platforms import choose
from shared.images.references import Reference
from shared.images.session import Session


@dataclass(frozen=True, slots=True)
class Standing:
    """A stage that the build reaches stands on an image, for a platform; `line` is that of its FROM."""

    line: int
    image: Reference
    platform: Platform


def standings(
    dockerfile: Dockerfile, arguments: Mapping[str, str], target: str | None, platforms: Iterable[Platform]
) -> tuple[Standing, ...]:
    """Return what stages stand on for platforms other than the usual one. Pure."""
    found: dict[Standing, None] = {}
    for platform in platforms:
        of_stage = {
            built.stage.origin.line: built.platform for built in built_stages(dockerfile, arguments, target, platform)
        }
        for need in resolve(dockerfile, arguments, target, platform).needs:
            wanted = of_stage.get(need.line, Platform())
            if need.image and wanted != Platform():
                found[Standing(need.line, need.image.reference, wanted)] = None
    return tuple(found)


async def misfits(
    http: httpx.AsyncClient, registries: Session, found: Iterable[Standing], digests: Mapping[Reference, str]
) -> tuple[str, ...]:
    """Return a sentence for each base whose programs are for another processor; `digests` are what is built on.

    Raises LanguageError for a base of another system, and the registry client's errors.
    """

    async def of(standing: Standing) -> str | None:
        image = standing.image
        pinned = image.with_digest(digests[image]) if image in digests else image
        return judge(standing, await perform_async(http, platform_of(registries, pinned)))

    judged = await asyncio.gather(*map(of, found))
    return tuple(dict.fromkeys(why for why in judged if why))


def judge(standing: Standing, own: Platform | None) -> str | None:
    """Return what is wrong with a base that says it is for `own`; None says nothing. Raises as `misfits` does. Pure."""
    wanted = standing.platform
    if own is None or choose([(own, True)], wanted):
        return None
    if own.os != wanted.os:
        raise LanguageError(
            f"Dockerfile line {standing.line}: an image for {wanted} cannot stand on {standing.image}, which is for"
            f" {own}. Name a base for {wanted}, or FROM scratch.",
            code="NotSupported",
        )
    return (
        f"{standing.image} is for {own} and in no index: what is built on it will say that it is for {wanted},"
        " and the base's programs will not run there"
    )
