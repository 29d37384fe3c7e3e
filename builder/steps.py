"""The steps of a Docker build request: `build`, then `push`, in the words of ACR Tasks' log."""

import asyncio
import time
from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Final

import httpx

from builder.bases import (
    built_in_frontend,
    own_repositories,
    pinned,
    session,
    values,
    without_syntax,
)
from builder.contexts.source import Context
from builder.contexts.tree import read_text
from builder.control import RunLink
from builder.dependencies import block, dependencies
from builder.engine.protocol import Engine, ImageBuild
from builder.faults import EngineUnavailable, Fenced, StepFailed, reason
from builder.log import RunLog
from shared.dockerfile import Bases, Dockerfile, parse, resolve
from shared.errors import NotFound, SlipwayError
from shared.grant import DockerBuild, Grant, Image, ImageDependency, LoginRequest, NamedValue, RegistryLogin
from shared.images.client import perform_async
from shared.images.distribution import head
from shared.images.references import Reference
from shared.images.targets import render, target

_BUILD_SECONDS: Final = 28_800
_PUSH_SECONDS: Final = 3_600
_PUSH_ATTEMPTS: Final = 3
_PUSH_DELAY: Final = 1.0
_DOCKERFILE_LIMIT: Final = 4 * 1024**2


@dataclass(frozen=True, slots=True)
class Made:
    """What a run has made: the images that were pushed, and what every built image stands on."""

    images: tuple[Image, ...] = ()
    dependencies: tuple[ImageDependency, ...] = ()


@dataclass(frozen=True, slots=True)
class Shop:
    """What the steps of one run work with."""

    grant: Grant
    engine: Engine
    link: RunLink
    http: httpx.AsyncClient
    log: RunLog


@dataclass(slots=True)
class _Step:
    """One step of the log: when it began and how long it took, in seconds."""

    log: RunLog
    id: str
    seconds: int
    began: float = field(default_factory=time.monotonic)
    took: float = 0.0

    async def run[T](self, work: Awaitable[T]) -> T:
        """Wait for a part of the step; what goes wrong becomes StepFailed and an undated line."""
        try:
            async with asyncio.timeout(self.seconds - self.took):
                return await work
        except TimeoutError:
            why = "timed out"
        except (Fenced, EngineUnavailable):
            raise
        except SlipwayError as fault:
            why = reason(fault)
        finally:
            self.took = time.monotonic() - self.began
        self.log.plain(f"failed to run step ID: {self.id}: {why}")
        raise StepFailed(why)

    def begin(self) -> None:
        self.log.line(f"Executing step ID: {self.id}. Timeout(sec): {self.seconds}, Working directory: '', Network: ''")

    def sum_up(self) -> None:
        self.log.line(f"Step ID: {self.id} marked as successful (elapsed time in seconds: {self.took:.6f})")


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A build that is ready for the engine."""

    build: ImageBuild
    bases: Bases
    digests: dict[Reference, str]


async def docker_build(shop: Shop, request: DockerBuild, context: Context) -> Made:
    """Build, push, and tell what the images stand on.

    Raises StepFailed, whose message has been said in the log, and Fenced as soon as the run is no longer
    ours, which is asked right before the push.
    """
    build, push = _Step(shop.log, "build", _BUILD_SECONDS), None
    build.begin()
    prepared = await build.run(_prepare(shop, request, context))
    digest = await build.run(_build(shop, prepared.build))
    tags = prepared.build.tags
    images = tuple(_image(tag) for tag in tags)
    if request.is_push_enabled and tags:
        push = _Step(shop.log, "push", _PUSH_SECONDS)
        push.begin()
        images = await push.run(_push(shop, tags, digest))
    found = dependencies(images, prepared.bases, prepared.digests, context.commit)
    _sum_up(shop.log, build, push, found)
    return Made(images if push else (), found)


def _sum_up(log: RunLog, build: _Step, push: _Step | None, found: tuple[ImageDependency, ...]) -> None:
    build.sum_up()
    log.line(f"Populating digests for step ID: {build.id}...")
    log.line(f"Successfully populated digests for step ID: {build.id}")
    if push:
        push.sum_up()
    log.line("The following dependencies were found:")
    log.line()
    log.plain(block(found))


async def _prepare(shop: Shop, request: DockerBuild, context: Context) -> _Prepared:
    """Read and scan the Dockerfile and pin its bases."""
    grant, log = shop.grant, shop.log
    known = [login.registry for login in grant.logins]
    tags = tuple(dict.fromkeys(target(name, grant.variables, known) for name in request.image_names))
    arguments = _arguments(request, grant)
    log.line("Scanning for dependencies...")
    dockerfile = parse(_dockerfile(request, context))
    bases = resolve(dockerfile, values(arguments), request.target, grant.platform)
    logins = await _logins(shop, own_repositories(bases, grant.variables.registry))
    found = await pinned(shop.http, session(logins), dockerfile, bases, grant.platform)
    log.line("Successfully scanned dependencies")
    build = ImageBuild(
        context=context.root,
        dockerfile=_for_engine(dockerfile, found.text, log),
        ignore=read_text(context.root, f"{request.docker_file_path}.dockerignore", _DOCKERFILE_LIMIT),
        tags=tags,
        arguments=arguments,
        target=request.target,
        platform=grant.platform,
        no_cache=request.no_cache,
        logins=logins,
    )
    return _Prepared(build, bases, found.digests)


def _arguments(request: DockerBuild, grant: Grant) -> tuple[NamedValue, ...]:
    return tuple(
        one if one.is_secret else one.model_copy(update={"value": render(one.value, grant.variables)})
        for one in request.arguments
    )


def _dockerfile(request: DockerBuild, context: Context) -> str:
    path = request.docker_file_path
    text = read_text(context.root, path, _DOCKERFILE_LIMIT)
    if text is None:
        raise NotFound(f"the Dockerfile {path!r} is not in the context")
    return text


def _for_engine(dockerfile: Dockerfile, text: str, log: RunLog) -> str:
    if not built_in_frontend(dockerfile):
        return text
    log.line(f"Using the engine's own Dockerfile frontend instead of {dockerfile.syntax}")
    return without_syntax(text)


async def _logins(shop: Shop, own: tuple[str, ...]) -> tuple[RegistryLogin, ...]:
    """Return the logins for the bases: those of the grant, and a token for what comes from our own registry."""
    if not own:
        return shop.grant.logins
    return (*shop.grant.logins, await _login(shop, LoginRequest(pull=own)))


async def _login(shop: Shop, request: LoginRequest) -> RegistryLogin:
    registry = shop.grant.variables.registry
    shop.log.line(f"Logging in to registry: {registry}")
    login = await shop.link.login(request)
    shop.log.hide(*(secret for secret in (login.token, login.password) if secret))
    shop.log.line(f"Successfully logged into {registry}")
    return login


async def _build(shop: Shop, build: ImageBuild) -> str:
    shop.log.line("Launching container with name: build")
    with shop.log.output() as output:
        digest = await shop.engine.build(build, output)
    shop.log.line("Successfully executed container: build")
    return digest


async def _push(shop: Shop, tags: tuple[Reference, ...], digest: str) -> tuple[Image, ...]:
    """Push each tag, at most three times, and read its digest back from the registry."""
    own = shop.grant.variables.registry
    known = {login.registry: login for login in shop.grant.logins}
    repositories = tuple(dict.fromkeys(tag.repository for tag in tags if tag.registry == own))
    if repositories:
        known[own] = await _login(shop, LoginRequest(pull=repositories, push=repositories))
    images = []
    for tag in tags:
        login = known.get(tag.registry)
        if login is None:
            raise StepFailed(f"the run has no login for the registry {tag.registry}")
        await _push_one(shop, tag, login)
        images.append(await _published(shop, tag, login, digest))
    return tuple(images)


async def _push_one(shop: Shop, tag: Reference, login: RegistryLogin) -> None:
    for attempt in range(1, _PUSH_ATTEMPTS + 1):
        shop.log.line(f"Pushing image: {tag}, attempt {attempt}")
        try:
            with shop.log.output() as output:
                await shop.engine.push(tag, login, output)
        except StepFailed as fault:
            shop.log.plain(reason(fault))
            why = reason(fault)
        else:
            shop.log.line(f"Successfully pushed image: {tag}")
            return
        if attempt < _PUSH_ATTEMPTS:
            await asyncio.sleep(_PUSH_DELAY * 2 ** (attempt - 1))
    raise StepFailed(f"failed to push images successfully: {tag}: {why}")


async def _published(shop: Shop, tag: Reference, login: RegistryLogin, digest: str) -> Image:
    """Return the image as the registry has it, which must be what was built."""
    found = await perform_async(shop.http, head(session((login,)), tag))
    if found.digest != digest:
        raise StepFailed(f"the registry has {found.digest} as {tag}, but {digest} was built")
    return _image(tag, digest)


def _image(tag: Reference, digest: str | None = None) -> Image:
    return Image(registry=tag.registry, repository=tag.repository, tag=tag.tag, digest=digest)
