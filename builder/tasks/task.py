"""A task from its text to the last line that the builder writes: the order of work of ACR Tasks' engine."""

import asyncio
import base64
import binascii
import contextlib
import uuid
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from typing import Final

from builder.bases import session
from builder.contexts.source import Context
from builder.dependencies import dependencies, without
from builder.engine.logins import update_home
from builder.engine.protocol import Workspace
from builder.faults import NeedsFull, StepFailed, reason
from builder.publish import image as image_of
from builder.shop import Made, Shop
from builder.steps import say_dependencies
from builder.tasks.beside import containers_of
from builder.tasks.builds import platforms_of, refusal
from builder.tasks.built import all_built
from builder.tasks.loading import load_task
from builder.tasks.repositories import calls_docker, named, named_in_dockerfiles
from builder.tasks.room import Room
from builder.tasks.running import run_steps
from builder.tasks.step import run_step
from builder.tasks.support import unsupported
from shared.errors import LanguageError, SlipwayError
from shared.grant import Image, ImageDependency, LoginRequest, RegistryLogin
from shared.images.client import perform_async
from shared.images.distribution import head
from shared.images.references import Reference, dependency
from shared.language import BuildStep, Network, Volume

_CLEAN_UP_SECONDS: Final = 20
_RENEW_BEFORE: Final = 60.0
_RENEW_AT_LEAST: Final = 30.0


async def run_task(shop: Shop, context: Context) -> Made:
    """Execute the task of the grant.

    Raises StepFailed, its reason said in the log, and Fenced when the run is no longer ours.
    """
    volume = f"acb_vol_{uuid.uuid4()}"
    plan = (await load_task(shop, context, volume)).plan
    if why := unsupported(plan, shop.engine.kind) or await refusal(shop, plan, context):
        raise NeedsFull(why)
    beside = await containers_of(shop, plan)
    room = Room(shop, plan, context, named(plan, shop.registry))
    with _said(room, "failed to set up the workspace"):
        await room.containers.open(Workspace(context.root, volume, shop.home, plan.images, shop.grant.platform, beside))
    try:
        await _networks(room)
        async with _home(room):
            await _volumes(room)
            await run_steps(plan, lambda step: run_step(room, step))
            return await _sum_up(room)
    finally:
        await _clean_up(room)


async def _networks(room: Room) -> None:
    for network in room.plan.networks:
        if network.skip_creation:
            room.log.line(f"Skip creating network: {network.name}")
            continue
        await _network(room, network)


async def _network(room: Room, network: Network) -> None:
    room.log.line(f"Creating Docker network: {network.name}, driver: '{network.driver}'")
    with _said(room, f"failed to create network: {network.name}, err: exit status 1, msg"):
        await room.containers.create_network(network)
    room.log.line(f"Successfully set up Docker network: {network.name}")


@contextlib.contextmanager
def _said(room: Room, what: str) -> Iterator[None]:
    """Write into the log what went wrong with something that is no step."""
    try:
        yield
    except StepFailed as fault:
        said = f"{what}: {reason(fault)}"
        room.log.plain(said)
        raise StepFailed(f"exit status 1: {said}") from None


@contextlib.asynccontextmanager
async def _home(room: Room) -> AsyncIterator[None]:
    """Give the steps' home directory its logins and keep that of our own registry fresh."""
    shop = room.shop
    room.log.line("Setting up Docker configuration...")
    update_home(shop.home, shop.grant.logins)
    room.log.line("Successfully set up Docker configuration")
    for login in shop.grant.logins:
        room.log.line(f"Logging in to registry: {login.registry}")
        room.log.line(f"Successfully logged into {login.registry}")
    renewing = asyncio.create_task(_renew(room, await _log_in(room, quiet=False)))
    try:
        yield
    finally:
        renewing.cancel()
        await asyncio.wait({renewing})


async def _log_in(room: Room, *, quiet: bool) -> RegistryLogin | None:
    """Ask for a login of what the task names, if that is anything, and give it to the steps."""
    pull = room.repositories
    if calls_docker(room.plan):
        found = await asyncio.to_thread(named_in_dockerfiles, room.context.root, room.shop.registry)
        pull = tuple(dict.fromkeys((*pull, *found)))
    if not pull:
        return None
    login = await room.shop.login(LoginRequest(pull=pull, push=room.repositories), quiet=quiet)
    update_home(room.shop.home, (login,))
    return login


async def _renew(room: Room, login: RegistryLogin | None) -> None:
    while login and login.expires:
        left = (login.expires - datetime.now(UTC)).total_seconds()
        await asyncio.sleep(max(left - _RENEW_BEFORE, _RENEW_AT_LEAST))
        with contextlib.suppress(SlipwayError, OSError):
            login = await _log_in(room, quiet=True)


async def _volumes(room: Room) -> None:
    for volume in room.plan.volumes:
        files = _decoded(room, volume)
        with _said(room, f"failed to create volume source {volume.name}"):
            await room.containers.write_volume(volume.name, files)
        room.log.line(f"Volume source {volume.name} successfully created")


def _decoded(room: Room, volume: Volume) -> dict[str, bytes]:
    try:
        files = {name: base64.b64decode("".join(text.split()), validate=True) for name, text in volume.secret.items()}
    except (binascii.Error, ValueError):
        said = "failed to decode Base64 value. please make sure value provided is Base64 encoded"
        room.log.plain(said)
        raise StepFailed(f"exit status 1: {said}") from None
    room.log.hide(*(content.decode(errors="ignore") for content in files.values()))
    return files


async def _sum_up(room: Room) -> Made:
    """Write the summary of every step and the dependency block, and tell what was made."""
    found: list[ImageDependency] = []
    followed: list[ImageDependency] = []
    pushed, own = dict(room.pushed), all_built(room.plan)
    for step in room.plan.steps:
        took = room.took.get(step.id, 0.0)
        room.log.line(f"Step ID: {step.id} marked as successful (elapsed time in seconds: {took:.6f})")
        if isinstance(step, BuildStep) and step.id in room.scanned:
            room.log.line(f"Populating digests for step ID: {step.id}...")
            stands_on = await _dependencies(room, step, pushed)
            found += stands_on
            followed += without(stands_on, room.scanned[step.id].bases, own)
            room.log.line(f"Successfully populated digests for step ID: {step.id}")
    if found:
        say_dependencies(room.log, tuple(found))
    built = [step for step in room.plan.steps if isinstance(step, BuildStep) and step.id in room.scanned]
    platforms = dict.fromkeys(one for step in built for one in platforms_of(step, room.shop.grant.platform))
    return Made(tuple(image_of(tag, digest) for tag, digest in pushed.items()), tuple(followed), tuple(platforms))


async def _dependencies(room: Room, step: BuildStep, pushed: dict[Reference, str]) -> tuple[ImageDependency, ...]:
    scanned = room.scanned[step.id]
    images: list[Image] = []
    for tag in step.command.tags:
        with contextlib.suppress(LanguageError):
            reference = Reference.parse(tag)
            digest = pushed.get(reference) or await _found_in_registry(room, reference)
            if digest:
                pushed[reference] = digest
            images.append(dependency(tag, digest))
    return dependencies(images, scanned.bases, scanned.digests, room.revisions.get(step.id, room.context.commit))


async def _found_in_registry(room: Room, tag: Reference) -> str | None:
    """Return the digest of an image that a step has pushed by itself: the registry holds what was built."""
    shop = room.shop
    if tag.registry != shop.registry or not calls_docker(room.plan):
        return None
    built = await room.containers.digest(str(tag))
    login = await shop.login(LoginRequest(pull=(tag.repository,)), quiet=True)
    try:
        found = await perform_async(shop.http, head(session((login,)), tag))
    except SlipwayError:
        return None
    return found.digest if found.digest == built else None


async def _clean_up(room: Room) -> None:
    """Remove the containers of all steps that started, then the networks. Never raises but for cancellation."""
    with contextlib.suppress(TimeoutError, SlipwayError):
        async with asyncio.timeout(_CLEAN_UP_SECONDS):
            await asyncio.gather(*(room.containers.remove(step_id) for step_id in room.started))
            for network in room.plan.networks:
                if network.skip_creation:
                    room.log.line(f"Skip deleting network: {network.name}")
                else:
                    await room.containers.remove_network(network.name)
