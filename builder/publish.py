"""Push images: three attempts each, and the digest read back from the registry."""

import asyncio
from typing import Final

from builder.bases import session
from builder.faults import StepFailed, reason
from builder.shop import Shop
from shared.grant import Image, RegistryLogin
from shared.images.client import perform_async
from shared.images.distribution import head
from shared.images.references import Reference

ATTEMPTS: Final = 3
_DELAY: Final = 1.0


class PushFailed(StepFailed):
    """No attempt to push an image succeeded; the message names the image and the last reason."""


async def push(
    shop: Shop, tag: Reference, login: RegistryLogin, *, shown: str = "", deadline: float | None = None
) -> str:
    """Push one tag, at most three times, and return the digest that the engine pushed.

    `shown` is the image as the log calls it. An attempt ends at `deadline`, a time of the running loop.
    """
    shown = shown or str(tag)
    why = ""
    for attempt in range(1, ATTEMPTS + 1):
        shop.log.line(f"Pushing image: {shown}, attempt {attempt}")
        try:
            async with asyncio.timeout_at(deadline):
                with shop.log.output() as output:
                    digest = await shop.engine.push(tag, login, output)
        except StepFailed as fault:
            why = reason(fault)
            shop.log.plain(why)
        except TimeoutError:
            why = "timed out"
        else:
            shop.log.line(f"Successfully pushed image: {shown}")
            return digest
        if attempt < ATTEMPTS:
            await asyncio.sleep(_DELAY * 2 ** (attempt - 1))
    raise PushFailed(f"failed to push images successfully: {shown}: {why}")


async def published(shop: Shop, tag: Reference, login: RegistryLogin, digest: str) -> Image:
    """Return the image as the registry has it. Raises StepFailed when that is not what was made."""
    found = await perform_async(shop.http, head(session((login,)), tag))
    if found.digest != digest:
        raise StepFailed(f"the registry has {found.digest} as {tag}, but {digest} was built")
    return image(tag, digest)


def image(tag: Reference, digest: str | None = None) -> Image:
    """Return a tag as the report names it."""
    return Image(registry=tag.registry, repository=tag.repository, tag=tag.tag, digest=digest)
