"""The engine of a builder that may have SYS_ADMIN: a private dockerd, BuildKit through buildx."""

import asyncio
import json
import re
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Final

import httpx
from pydantic import BaseModel, Field, ValidationError

from builder import process
from builder.engine.command import KEEPING, annotate, cache_to, mounted
from builder.engine.containers import MobyContainers
from builder.engine.daemon import Daemon
from builder.engine.emulation import emulate
from builder.engine.logins import header, write_config
from builder.engine.protocol import ImageBuild, Kind, Write
from builder.engine.sandbox import PATH, Sandbox
from builder.engine.tail import REASON, Tail
from builder.faults import EngineUnavailable, StepFailed
from shared.errors import Unavailable
from shared.grant import Platform, RegistryLogin
from shared.images.references import Reference, check_digest

_READ_BY_CLIENT: Final = re.compile(
    r"(?:BUILDX|BUILDKIT|OTEL)_.*|LD_[A-Z_]+|SSL_CERT_(?:FILE|DIR)|GODEBUG|PATH|HOME|TMPDIR"
    r"|DOCKER_(?:API_VERSION|BUILDKIT|CERT_PATH|CLI_.*|CONFIG|CONTEXT|DEFAULT_PLATFORM|HOST|TLS|TLS_VERIFY)"
)
_ERROR: Final = re.compile(rb"^ERROR: (?:failed to build: )?(?:failed to solve: )?(.+)$", re.MULTILINE)
_CONTENT: Final = "containerd/daemon/io.containerd.content.v1.content/blobs"


class MobyEngine:
    """Builds with `docker buildx build`, pushes through the daemon's API, runs steps in `sandbox`.

    `private` is a directory that only we can read; `bundle` the certificate authorities that dockerd trusts.
    Without a sandbox the daemon shares our namespaces and there are no steps.
    """

    kind = Kind.FULL

    def __init__(self, private: Path, images: Path, bundle: Path, sandbox: Sandbox | None = None) -> None:
        self._private = private
        self._images = images
        self._env = {"PATH": PATH, "HOME": str(private), "SSL_CERT_FILE": str(bundle)}
        home = sandbox.shared if sandbox else private / "engine"
        if sandbox:
            sandbox.prepare(bundle)
        enclosure = sandbox.daemon if sandbox else ()
        trust = sandbox.trust if sandbox else bundle
        self._daemon = Daemon(home, images, self._env | {"SSL_CERT_FILE": str(trust)}, enclosure)
        self._ready: asyncio.Task[None] | None = None
        self._containers = MobyContainers(self._daemon, sandbox, private, self._started) if sandbox else None

    @property
    def containers(self) -> MobyContainers:
        """The steps' side of the daemon."""
        if self._containers is None:
            raise EngineUnavailable("this engine was started for builds alone")
        return self._containers

    async def start(self) -> None:
        """Start dockerd."""
        await self._started()

    async def build(self, build: ImageBuild, write: Write) -> str:
        """Build from a private copy of the Dockerfile and return the digest of the image's manifest."""
        await self._started()
        with tempfile.TemporaryDirectory(dir=self._private, prefix="build-") as name:
            place = Path(name)
            _fill(place, build)
            end = _End(write)
            status = await process.run(_argv(build, place), env=self._build_env(build, place), output=end)
            if status:
                raise StepFailed(f"exit status {status}{end.reason()}")
            return _digest(place / "metadata.json")

    def blob(self, digest: str) -> Path | None:
        """Look into the store of the containerd that dockerd runs."""
        check_digest(digest, of=digest)
        file = self._images / _CONTENT / digest.replace(":", "/", 1)
        return file if file.is_file() else None

    async def emulate(self, platform: Platform) -> str | None:
        """Tell the kernel about the emulator, where one is needed."""
        return await asyncio.to_thread(emulate, platform, self._private)

    async def save_cache(self, build: ImageBuild, cache: Reference, logins: tuple[RegistryLogin, ...]) -> None:
        """Build once more, which takes the layers that are here, and export them all."""
        again = replace(build, tags=(), logins=logins, cache=None)
        said = _End(_nowhere)
        with tempfile.TemporaryDirectory(dir=self._private, prefix="cache-") as name:
            place = Path(name)
            _fill(place, again)
            argv = _argv(again, place, cache_to(cache), KEEPING)
            if status := await process.run(argv, env=self._build_env(again, place), output=said):
                raise StepFailed(f"exit status {status}{said.reason()}")

    async def refusal(self, build: ImageBuild) -> str | None:
        """Return None: BuildKit itself says what it cannot do."""
        _ = build
        return None

    async def push(self, image: Reference, login: RegistryLogin, write: Write) -> str:
        """Push one tag. The daemon sends the token of `login` as it is."""
        await self._started()
        tag = {"tag": image.tag or "latest"}
        headers = {"X-Registry-Auth": header(login)}
        try:
            async with (
                self._daemon.client() as client,
                client.stream("POST", f"/images/{image.name}/push", params=tag, headers=headers) as answer,
            ):
                if not answer.is_success:
                    raise StepFailed(_message(await answer.aread()))
                return await _pushed(answer, write)
        except httpx.HTTPError as fault:
            raise StepFailed(f"the push broke off ({type(fault).__name__})") from None

    async def stop(self) -> None:
        """Stop the daemon and everything in it."""
        if self._containers:
            await self._containers.close()
        if self._ready:
            self._ready.cancel()
        await self._daemon.stop()

    async def _started(self) -> None:
        if self._ready is None:
            self._ready = asyncio.create_task(self._daemon.start())
        await asyncio.shield(self._ready)

    def _build_env(self, build: ImageBuild, place: Path) -> dict[str, str]:
        """Return the environment of buildx; secret arguments are handed over in it.

        git in a stranger's directory runs what its configuration says, so buildx must not call it.
        """
        secret = {argument.name: argument.value for argument in build.arguments if argument.is_secret}
        for name in secret:
            if _READ_BY_CLIENT.fullmatch(name):
                raise StepFailed(f"a secret build argument cannot be called {name}: the docker client reads it itself")
        return {
            **secret,
            **self._env,
            "DOCKER_HOST": f"unix://{self._daemon.socket}",
            "DOCKER_CONFIG": str(place / "config"),
            "BUILDX_GIT_INFO": "false",
            "DOCKER_CLI_HINTS": "false",
        }


def _nowhere(_data: bytes) -> None:
    return


def _fill(place: Path, build: ImageBuild) -> None:
    """Put beside each other what buildx reads."""
    write_config(place / "config", build.logins)
    (place / "Dockerfile").write_text(build.dockerfile)
    if build.ignore is not None:
        (place / "Dockerfile.dockerignore").write_text(build.ignore)


def _argv(build: ImageBuild, place: Path, *more: str) -> list[str]:
    argv = ["docker", "buildx", "build", "--progress=plain", "--provenance=false", "--sbom=false"]
    argv += [f"--file={place / 'Dockerfile'}", f"--metadata-file={place / 'metadata.json'}"]
    argv += [f"--platform={','.join(map(str, build.platforms))}"]
    argv += [f"--tag={tag}" for tag in build.tags]
    argv += [
        f"--build-arg={argument.name}" if argument.is_secret else f"--build-arg={argument.name}={argument.value}"
        for argument in build.arguments
    ]
    argv += mounted(build.arguments)
    argv += [f"--target={build.target}"] if build.target else []
    argv += ["--no-cache"] if build.no_cache else []
    argv += [f"--cache-from=type=registry,ref={build.cache}"] if build.cache else []
    argv += [] if more else annotate(build.annotations)
    return [*argv, *more, "--", str(build.context)]


class _End(Tail):
    """Keeps the end, where BuildKit says why it failed."""

    def reason(self) -> str:
        """Return the last error as the end of a sentence, empty if there was none."""
        errors = _ERROR.findall(self.kept)
        return f": {errors[-1].decode(errors='replace').strip()[:REASON]}" if errors else ""


class _Metadata(BaseModel):
    digest: str = Field(alias="containerimage.digest")


def _digest(path: Path) -> str:
    try:
        return _Metadata.model_validate_json(path.read_bytes()).digest
    except (OSError, ValidationError):
        raise Unavailable("buildx did not tell the digest of the image") from None


class _Aux(BaseModel):
    digest: str = Field(alias="Digest")


class _Progress(BaseModel):
    """One line of the daemon's answer to a push."""

    status: str = ""
    id: str = ""
    error: str = ""
    aux: _Aux | None = None


_DIGEST_LINE: Final = re.compile(r"digest: (sha256:[0-9a-f]{64})")


async def _pushed(answer: httpx.Response, write: Write) -> str:
    """Print the progress as `docker push` does, each state of a layer once."""
    shown: dict[str, str] = {}
    digest = ""
    async for text in answer.aiter_lines():
        line = _progress(text)
        if line.error:
            raise StepFailed(line.error)
        if line.aux:
            digest = line.aux.digest
        elif found := _DIGEST_LINE.search(line.status):
            digest = found[1]
        if line.status and shown.get(line.id) != line.status:
            shown[line.id] = line.status
            write(f"{line.id}: {line.status}\n".encode() if line.id else f"{line.status}\n".encode())
    if not digest:
        raise StepFailed("the daemon did not tell the digest that it pushed")
    return digest


def _progress(text: str) -> _Progress:
    try:
        return _Progress.model_validate_json(text)
    except ValidationError:
        return _Progress()


def _message(body: bytes) -> str:
    try:
        return str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        return "the daemon refuses the push"
