"""Find out what the bases of a build are at this moment, and pin the build to that."""

import asyncio
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import httpx

from shared.dockerfile import BaseImage, Bases, Dockerfile, pin
from shared.grant import NamedValue, Platform, RegistryLogin
from shared.images.client import perform_async
from shared.images.credentials import Credential, credential_of
from shared.images.distribution import resolve
from shared.images.references import Reference
from shared.images.session import Guard, Session, allow_all

_DEFAULT_FRONTEND: Final = re.compile(r"(?:docker\.io/|index\.docker\.io/)?docker/dockerfile(?:[:@].*)?")
_SYNTAX_LINE: Final = re.compile(r"^([ \t]*(?:#|//)[ \t]*)syntax[ \t]*=.*$", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Pinned:
    """A Dockerfile whose images carry digests, and the digest of each image."""

    text: str
    digests: dict[Reference, str]


def own_repositories(bases: Bases, registry: str) -> tuple[str, ...]:
    """Return the repositories of the run's own registry that the build pulls from."""
    found = (image.reference for image in bases.images)
    return tuple(dict.fromkeys(ref.repository for ref in found if ref.registry == registry))


def session(logins: Iterable[RegistryLogin], guard: Guard = allow_all) -> Session:
    """Open a session with registries that uses `logins`, the last of one registry, and no login elsewhere."""
    known = {login.registry: login for login in logins}

    def credential(registry: str) -> Credential | None:
        login = known.get(registry)
        return credential_of(login) if login else None

    return Session(credential, guard=guard)


async def pinned(
    http: httpx.AsyncClient, registries: Session, dockerfile: Dockerfile, bases: Bases, platform: Platform
) -> Pinned:
    """Ask each base's registry for its digest, side by side, and pin the Dockerfile to the answers.

    Raises the registry client's errors, each naming the image, the registry and the reason.
    """
    digests = dict(
        await asyncio.gather(*(_digest(http, registries, image, platform) for image in _without_digest(bases)))
    )
    return Pinned(pin(dockerfile.text, bases, digests), digests)


def _without_digest(bases: Bases) -> Sequence[BaseImage]:
    return [image for image in bases.images if image.reference.digest is None]


async def _digest(
    http: httpx.AsyncClient, registries: Session, image: BaseImage, platform: Platform
) -> tuple[Reference, str]:
    found = await perform_async(http, resolve(registries, image.reference, image.platform or platform))
    return image.reference, found.digest


def built_in_frontend(dockerfile: Dockerfile) -> bool:
    """Tell whether `# syntax=` names Docker's own frontend, which the engine has built in."""
    return dockerfile.syntax is not None and _DEFAULT_FRONTEND.fullmatch(dockerfile.syntax) is not None


def without_syntax(text: str) -> str:
    """Blank the `# syntax=` directive and keep every line where it is."""
    return _SYNTAX_LINE.sub(r"\1", text, count=1)


def values(arguments: Iterable[NamedValue]) -> dict[str, str]:
    """Return build arguments by name, the last of equal names."""
    return {argument.name: argument.value for argument in arguments}
