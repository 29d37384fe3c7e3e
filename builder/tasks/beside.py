"""The containers that wait for the steps of a task in a confined builder's group."""

import asyncio
from collections.abc import Iterable, Mapping

from builder.bases import session
from builder.engine.protocol import Beside, Kind
from builder.faults import NeedsSteps, StepFailed
from builder.oci.config import CONFIG_LIMIT, Config, parse_config
from builder.shop import Shop
from builder.tasks.built import built_before
from shared.grant import LoginRequest, RegistryLogin, StepContainer
from shared.images.client import perform_async
from shared.images.distribution import blob, get, resolve
from shared.images.references import Reference
from shared.images.session import Session
from shared.language import CmdStep, Plan


async def containers_of(shop: Shop, plan: Plan) -> tuple[Beside, ...]:
    """Return what waits for the steps of the plan, and what each image runs by itself.

    Raises NeedsSteps when this group was made without them, which no engine with a daemon minds.
    """
    wanted = steps_of(plan)
    if shop.engine.kind is Kind.FULL or not wanted:
        return ()
    if not shop.grant.steps:
        raise NeedsSteps(wanted)
    if shop.grant.steps != wanted:
        raise StepFailed("the task has changed since the container group for its steps was made")
    images = {step.image: Reference.parse(step.image) for step in wanted if step.image}
    registries = session((*shop.grant.logins, *await _own_login(shop, images.values())))
    words = await asyncio.gather(*(_words(shop, registries, image) for image in images.values()))
    known = dict(zip(images, words, strict=True))
    return tuple(_beside(plan, step, known) for step in _cmd_steps(plan))


def steps_of(plan: Plan) -> tuple[StepContainer, ...]:
    """Return the containers that the plan's steps need. Pure."""
    built = ((step, built_before(plan, step)) for step in _cmd_steps(plan))
    return tuple(StepContainer(step=step.id, image="" if takes else step.image) for step, takes in built)


def _cmd_steps(plan: Plan) -> tuple[CmdStep, ...]:
    return tuple(step for step in plan.steps if isinstance(step, CmdStep))


def _beside(plan: Plan, step: CmdStep, known: Mapping[str, Config]) -> Beside:
    if takes := built_before(plan, step):
        return Beside(step.id, takes=takes)
    return Beside(step.id, known[step.image].entry_point or (), known[step.image].command or ())


async def _own_login(shop: Shop, images: Iterable[Reference]) -> tuple[RegistryLogin, ...]:
    own = tuple(dict.fromkeys(image.repository for image in images if image.registry == shop.registry))
    return (await shop.login(LoginRequest(pull=own), quiet=True),) if own else ()


async def _words(shop: Shop, registries: Session, image: Reference) -> Config:
    """Read what an image's own configuration says."""
    found = await perform_async(shop.http, resolve(registries, image, shop.grant.platform))
    manifest = await perform_async(shop.http, get(registries, image.with_digest(found.platform_digest)))
    if manifest.config is None:
        raise StepFailed(f"{image} is no image: its manifest has no configuration")
    text = await perform_async(shop.http, blob(registries, image, manifest.config.digest, CONFIG_LIMIT))
    return parse_config(text, of=str(image))
