"""Before a build: read the Dockerfile, find its bases, ask what they are now, pin the build to that."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from builder.bases import built_in_frontend, own_repositories, pinned, session, without_syntax
from builder.contexts.tree import read_text
from builder.log import RunLog
from builder.lone_bases import misfits, standings
from builder.shop import Shop
from builder.unbuildable import check_buildable
from shared.dockerfile import Bases, Dockerfile, merged, parse, resolve
from shared.errors import NotFound
from shared.grant import LayersUse, LoginRequest, Platform, RegistryLogin
from shared.images.references import Reference

DOCKERFILE_LIMIT: Final = 4 * 1024**2
"""Bytes of a Dockerfile that is read at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What to scan: a Dockerfile below `root`, and what of the build decides which bases it has."""

    root: Path
    path: str
    arguments: Mapping[str, str]
    platforms: tuple[Platform, ...]
    target: str | None = None
    logins: tuple[RegistryLogin, ...] = ()
    publishes: tuple[str, ...] = ()
    """Repositories of the run's registry that the build itself may write to, such as its cache."""
    layers: Reference | None = None
    """Where layers of earlier builds may lie, which it may read."""
    held: Callable[[str], Awaitable[str | None]] | None = None
    """Answers the digest of an image that the engine has already, which earlier steps of the run left there."""


@dataclass(frozen=True, slots=True)
class Scanned:
    """A Dockerfile whose bases are known: its text and its ignore rules for the engine, its bases, their digests."""

    text: str
    ignore: str | None
    bases: Bases
    digests: Mapping[Reference, str]
    logins: tuple[RegistryLogin, ...]
    """Those given, and a token for the bases that come from the run's own registry."""


async def scan(shop: Shop, subject: Subject, *, quiet: bool = False) -> Scanned:
    """Scan and pin. With `quiet` the log does not tell of the login.

    Raises NotFound without the Dockerfile, LanguageError for a bad one, the registry client's errors for a base.
    """
    dockerfile = parse(_read(subject))
    arguments = dict(subject.arguments)
    bases = merged([resolve(dockerfile, arguments, subject.target, one) for one in subject.platforms])
    check_buildable(dockerfile, arguments, subject.target, subject.platforms)
    logins = subject.logins
    own = own_repositories(bases, shop.registry)
    reads = (subject.layers.repository,) if subject.layers else ()
    if own or reads:
        pull = tuple(dict.fromkeys((*own, *subject.publishes, *reads)))
        use = LayersUse(repository=subject.layers.repository, tag=subject.layers.tag or "") if subject.layers else None
        request = LoginRequest(pull=pull, push=subject.publishes, layers=use)
        logins = (*logins, await shop.login(request, quiet=quiet))
    registries = session(logins)
    held = await _held(subject, bases)
    found = await pinned(shop.http, registries, dockerfile, bases.besides(held), subject.platforms[0])
    standing = standings(dockerfile, arguments, subject.target, subject.platforms)
    asked = (one for one in standing if one.image not in held)
    for why in await misfits(shop.http, registries, asked, found.digests):
        shop.log.line(f"WARNING: {why}")
    return Scanned(
        text=_for_engine(dockerfile, found.text, shop.log),
        ignore=read_text(subject.root, f"{subject.path}.dockerignore", DOCKERFILE_LIMIT),
        bases=bases,
        digests={**held, **found.digests},
        logins=logins,
    )


async def _held(subject: Subject, bases: Bases) -> dict[Reference, str]:
    if subject.held is None:
        return {}
    images = [image.reference for image in bases.images if image.reference.digest is None]
    digests = await asyncio.gather(*(subject.held(str(image)) for image in images))
    return {image: digest for image, digest in zip(images, digests, strict=True) if digest}


def _read(subject: Subject) -> str:
    text = read_text(subject.root, subject.path, DOCKERFILE_LIMIT)
    if text is None:
        raise NotFound(f"the Dockerfile {subject.path!r} is not in the context")
    return text


def _for_engine(dockerfile: Dockerfile, text: str, log: RunLog) -> str:
    if not built_in_frontend(dockerfile):
        return text
    log.line(f"Using the engine's own Dockerfile frontend instead of {dockerfile.syntax}")
    return without_syntax(text)
