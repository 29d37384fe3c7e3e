"""The engine of a builder that may do nothing special: kaniko, beside the agent in one unprivileged container.

kaniko unpacks each stage over the root of its own container and wipes it afterwards, but for `/kaniko`: there the
agent, its Python and all that it needs live (`builder/Dockerfile.confined`). Source of the flags and their behaviour:
https://github.com/osscontainertools/kaniko (README, `cmd/executor`).
"""

import asyncio
import contextlib
import platform as machine_facts
import re
import shutil
import tempfile
from pathlib import Path
from typing import Final

import httpx

from builder import process
from builder.bases import session
from builder.engine.beside import BesideContainers
from builder.engine.command import mounted
from builder.engine.limits import refusal, runs_here
from builder.engine.logins import write_config
from builder.engine.oci_layout import Layout, read_layout
from builder.engine.protocol import ImageBuild, Kind, Write
from builder.engine.tail import REASON, Tail
from builder.faults import EngineUnavailable, NeedsFull, StepFailed, reason
from shared.errors import SlipwayError
from shared.grant import Platform, RegistryLogin
from shared.images.client import perform_async
from shared.images.exchange import Upload
from shared.images.publishing import Blob, put_file, put_manifest
from shared.images.references import Reference
from shared.images.session import Session

EXECUTOR_SETTING: Final = "KANIKO_EXECUTOR"
"""The variable that names the executor, and by which a builder knows that it is a confined one."""
_READ_BY_EXECUTOR: Final = re.compile(
    r"(?:FF_)?KANIKO_.*|DOCKER_.*|SSL_CERT_(?:FILE|DIR)|GO(?:DEBUG|GC|MAXPROCS|MEMLIMIT|TRACEBACK)|LD_[A-Z_]+|PATH|HOME|USER|TMPDIR|BENCHMARK_FILE"
    r"|BUILDER_OUTPUT|UPSTREAM_CLIENT_TYPE|OTEL_.*|(?:[A-Za-z]+_)?(?:PROXY|proxy)"
)
_AS_BUILDKIT: Final = {
    f"FF_KANIKO_{name}": "true"
    for name in (
        "BUILDKIT_ARG_ENV_PRECEDENCE",
        "CHOWN_ON_IMPLICIT_DIRS",
        "COPY_AS_ROOT",
        "COPY_CHMOD_ON_IMPLICIT_DIRS",
        "EXPAND_HEREDOC",
        "NO_PROPAGATE_ANNOTATIONS",
        "RUN_HONOR_GROUP",
        "RUN_MOUNT_BIND",
        "RUN_MOUNT_SECRET",
        "SECUREJOIN_EXTRACTION",
        "UNTAR_SKIP_ROOT",
    )
}
"""Switches by which kaniko follows the Dockerfile's specification where it has habits of its own."""
_ARCHITECTURES: Final = {"x86_64": "amd64", "aarch64": "arm64"}
_SIDE_BY_SIDE: Final = 4


class KanikoEngine:
    """Builds with kaniko into an OCI layout, and pushes from there with a login that is asked for right before.

    `private` is a directory below `/kaniko` that outlives builds, `shared` what the containers of the group share;
    `bundle` the certificate authorities that kaniko trusts. One build at a time: each has the whole root file system.
    """

    kind = Kind.CONFINED

    def __init__(self, executor: Path, private: Path, shared: Path, bundle: Path, http: httpx.AsyncClient) -> None:
        self._executor = executor
        self._private = private
        self._bundle = bundle
        self._http = http
        self._containers = BesideContainers(shared, self)
        self._one = asyncio.Lock()
        self._made: dict[Reference, Layout] = {}
        self._machine = _ARCHITECTURES.get(machine_facts.machine(), machine_facts.machine())

    @property
    def containers(self) -> BesideContainers:
        """What runs steps: the containers beside us in the group."""
        return self._containers

    async def start(self) -> None:
        """Look whether the executor is there."""
        if shutil.which(str(self._executor)) is None:
            raise EngineUnavailable(f"there is no program {self._executor} in this image")

    async def build(self, build: ImageBuild, write: Write) -> str:
        """Build into a layout of our own and return the manifest's digest. Raises NeedsFull before anything is done."""
        await self.start()
        if why := refusal(build, self._machine):
            raise NeedsFull(why)
        async with self._one:
            place = Path(tempfile.mkdtemp(dir=self._private, prefix="build-"))
            # kaniko copies such rules here, and would read those of an earlier build.
            (self._executor.parent / "Dockerfile.dockerignore").unlink(missing_ok=True)
            try:
                _fill(place, build)
                end = _End(write)
                argv = arguments(self._executor, build, place)
                status = await process.run(argv, env=self._environment(build, place), output=end, cwd=Path("/"))
                if status:
                    raise StepFailed(f"exit status {status}{end.reason()}")
                layout = _read(place)
            finally:
                shutil.rmtree(place / "config", ignore_errors=True)
        self._made |= dict.fromkeys(build.tags, layout)
        return layout.manifest.digest

    async def push(self, image: Reference, login: RegistryLogin, write: Write) -> str:
        """Put the image's layers into the registry, then its manifest under the tag."""
        layout = self._made.get(image)
        if layout is None:
            raise StepFailed(f"an image does not exist locally with the tag: {image.name}")
        registries, turn = session((login,)), asyncio.Semaphore(_SIDE_BY_SIDE)
        uploads = [
            asyncio.ensure_future(self._upload(registries, image, layout.upload(blob), turn, write))
            for blob in layout.blobs
        ]
        try:
            await asyncio.gather(*uploads)
            manifest = Blob(layout.manifest.media_type, layout.manifest.body)
            await perform_async(self._http, put_manifest(registries, image, manifest, image.tag or "latest"))
        except SlipwayError as fault:
            raise StepFailed(reason(fault)) from None
        finally:
            for upload in uploads:
                upload.cancel()
            await asyncio.gather(*uploads, return_exceptions=True)
        write(f"{image.tag or 'latest'}: digest: {layout.manifest.digest} size: {len(layout.manifest.body)}\n".encode())
        return layout.manifest.digest

    def image(self, name: Reference) -> Layout | None:
        """Return what was last built under a name."""
        return self._made.get(name)

    def blob(self, digest: str) -> Path | None:
        """Look into the layouts that kaniko left behind."""
        files = (layout.blob(digest) for layout in self._made.values())
        return next((file for file in files if file.is_file()), None)

    async def emulate(self, platform: Platform) -> str | None:
        """Answer whether this machine runs a platform's programs by itself."""
        if runs_here(platform, self._machine):
            return None
        return f"a confined builder cannot run programs for {platform}"

    async def save_cache(self, build: ImageBuild, cache: Reference, logins: tuple[RegistryLogin, ...]) -> None:
        """Refuse: kaniko keeps layers only while it builds, when no login to push exists yet."""
        _ = build, cache, logins
        raise StepFailed("a confined builder keeps no layers")

    async def stop(self) -> None:
        """Let the containers beside us go; a build that runs ends with the call that waits for it."""
        with contextlib.suppress(SlipwayError, OSError):
            await self._containers.close()
        self._made.clear()

    async def _upload(
        self, registries: Session, image: Reference, upload: Upload, turn: asyncio.Semaphore, write: Write
    ) -> None:
        async with turn:
            sent = await perform_async(self._http, put_file(registries, image, upload))
        said = "Pushed" if sent else "Layer already exists"
        write(f"{upload.digest.partition(':')[2][:12]}: {said}\n".encode())

    def _environment(self, build: ImageBuild, place: Path) -> dict[str, str]:
        """Return kaniko's whole environment; a `--build-arg` without a value takes its own from there."""
        secret = {argument.name: argument.value for argument in build.arguments if argument.is_secret}
        for name in secret:
            if _READ_BY_EXECUTOR.fullmatch(name):
                raise StepFailed(f"a secret build argument cannot be called {name}: kaniko reads it itself")
        beside = self._executor.parent
        reaping = {"FF_KANIKO_RUN_VIA_TINI": "true"} if (beside / "tini").exists() else {}
        return {
            **secret,
            **_AS_BUILDKIT,
            **reaping,
            "PATH": str(beside),
            "HOME": "/root",
            "USER": "root",
            "DOCKER_CONFIG": str(place / "config"),
            "SSL_CERT_FILE": str(self._bundle),
        }


def arguments(executor: Path, build: ImageBuild, place: Path) -> list[str]:
    """Return kaniko's command line. Pure; no secret stands in it.

    It never pushes: who has the right to publish is asked after the build. `--force` because kaniko knows only some
    container runtimes, `--cleanup` so that another build finds an empty root.
    """
    argv = [str(executor), f"--context=dir://{build.context}", f"--dockerfile={place / 'Dockerfile'}"]
    argv += ["--no-push", f"--oci-layout-path={place / 'image'}", f"--digest-file={place / 'digest'}"]
    argv += [f"--custom-platform={build.platforms[0]}", "--cache=false", "--cleanup", "--force"]
    argv += ["--image-download-retry=3", "--credential-helpers=", "--log-format=text"]
    argv += [
        f"--build-arg={argument.name}" if argument.is_secret else f"--build-arg={argument.name}={argument.value}"
        for argument in build.arguments
    ]
    argv += mounted(build.arguments)
    annotations = [f"--annotation={name}={value}" for name, value in build.annotations.values.items()]
    argv += ["--image-format=oci", *annotations] if annotations else []
    return [*argv, f"--target={build.target}"] if build.target else argv


def _fill(place: Path, build: ImageBuild) -> None:
    """Put beside each other what kaniko reads."""
    write_config(place / "config", build.logins)
    (place / "Dockerfile").write_text(build.dockerfile)
    if build.ignore is not None:
        (place / "Dockerfile.dockerignore").write_text(build.ignore)


def _read(place: Path) -> Layout:
    layout = read_layout(place / "image")
    try:
        told = (place / "digest").read_text().strip()
    except OSError:
        told = ""
    if told != layout.manifest.digest:
        raise StepFailed("kaniko did not tell the digest of the image that it left behind")
    return layout


class _End(Tail):
    """Keeps the last line, where kaniko says why it failed."""

    def reason(self) -> str:
        """Return the last line as the end of a sentence, empty if there was none."""
        lines = self.kept.decode(errors="replace").strip().splitlines()
        return f": {lines[-1].strip()[:REASON]}" if lines else ""
