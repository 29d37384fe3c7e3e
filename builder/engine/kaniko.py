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
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import httpx

from builder import process
from builder.bases import session
from builder.engine.beside import BesideContainers
from builder.engine.command import mounted
from builder.engine.executor import Executor, ask
from builder.engine.kaniko_layers import SWITCHES, Kept, may_keep
from builder.engine.limits import Place, refusal, runs_here
from builder.engine.logins import write_config
from builder.engine.own_images import served
from builder.engine.protocol import ImageBuild, Kind, Write
from builder.engine.tail import REASON, Tail
from builder.faults import EngineUnavailable, NeedsFull, StepFailed, reason
from builder.oci.layout import Layout, read_layout
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
    r"|BUILDER_OUTPUT|UPSTREAM_CLIENT_TYPE|SNAPSHOT_TIMEOUT_DURATION|REGISTRY_AUTH_FILE|XDG_.*|OTEL_.*|(?:[A-Za-z]+_)?(?:PROXY|proxy)"
)
_ARCHITECTURES: Final = {"x86_64": "amd64", "aarch64": "arm64"}
_SIDE_BY_SIDE: Final = 4
_CACHE_MOUNTS: Final = "caches"
"""Where kaniko keeps what `RUN --mount=type=cache` shares among the builds of a run."""
_MOUNTS: Final = Path("/proc/self/mountinfo")
_EMPTY: Final = "FROM scratch\nLABEL a=a\n"


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
        self._asked = asyncio.Lock()
        self._found: _Found | None = None
        self._is_clean = True
        self._made: dict[Reference, Layout] = {}
        self._kept: dict[Reference, Kept] = {}
        self._machine = _ARCHITECTURES.get(machine_facts.machine(), machine_facts.machine())

    @property
    def containers(self) -> BesideContainers:
        """What runs steps: the containers beside us in the group."""
        return self._containers

    async def start(self) -> None:
        """Ask the executor what it can do."""
        await self._ready()

    async def build(self, build: ImageBuild, write: Write) -> str:
        """Build into a layout of our own and return the manifest's digest. Raises NeedsFull before anything is done."""
        found = await self._ready()
        if why := await self.refusal(build):
            raise NeedsFull(why)
        async with self._one:
            await self._make_clean()
            place = self._place()
            kept = await self._brought(build, place, found.executor, write)
            try:
                with served(build, self._made) as text:
                    await self._execute(replace(build, dockerfile=text), place, found, write, kept)
                layout = _read(place)
            finally:
                shutil.rmtree(place / "config", ignore_errors=True)
        self._made |= dict.fromkeys(build.tags, layout)
        self._kept |= dict.fromkeys(build.tags, kept) if kept else {}
        return layout.manifest.digest

    async def refusal(self, build: ImageBuild) -> str | None:
        """Return what of a build kaniko would leave out or cannot do, and who can; None when it can."""
        found = await self._ready()
        return refusal(build, Place(self._machine, found.executor, found.mounts))

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
        """Put what kaniko has kept while it built."""
        kept = next((self._kept[tag] for tag in build.tags if tag in self._kept), None)
        if kept is None:
            raise StepFailed("not all that this build is made of can be told from its Dockerfile and files")
        await kept.put(self._http, session(logins), cache)

    async def stop(self) -> None:
        """Let the containers beside us go; a build that runs ends with the call that waits for it."""
        with contextlib.suppress(SlipwayError, OSError):
            await self._containers.close()
        if self._found is not None:
            self._remove_leftovers(self._found.own)
        self._made.clear()
        self._kept.clear()

    async def _brought(self, build: ImageBuild, place: Path, kaniko: Executor, write: Write) -> Kept | None:
        """Return the layers of an earlier build, where they may be used; none at all where kaniko shall keep none."""
        if not (build.cache or build.keeps) or not may_keep(build, kaniko):
            return None
        kept = Kept(place)
        if build.cache:
            try:
                await kept.bring(self._http, session(build.logins), build.cache)
            except (SlipwayError, OSError) as fault:
                why = reason(fault) if isinstance(fault, SlipwayError) else type(fault).__name__
                write(f"The layers that an earlier build has kept cannot be used: {why}\n".encode())
        return kept

    async def _execute(self, build: ImageBuild, place: Path, found: "_Found", write: Write, kept: Kept | None) -> None:
        _fill(place, build)
        end = _End(kept.listening(write) if kept else write)
        self._is_clean = False
        argv = arguments(self._executor, build, place, found.executor, has_var_run=found.has_var_run)
        argv += kept.flags(writes=build.keeps) if kept else ["--cache=false"]
        environment = self._environment(build, place, found.executor) | (SWITCHES if kept else {})
        status = await process.run(argv, env=environment, output=end, cwd=Path("/"))
        if status:
            raise StepFailed(f"exit status {status}{end.reason()}")
        self._is_clean = True

    async def _upload(
        self, registries: Session, image: Reference, upload: Upload, turn: asyncio.Semaphore, write: Write
    ) -> None:
        async with turn:
            sent = await perform_async(self._http, put_file(registries, image, upload))
        said = "Pushed" if sent else "Layer already exists"
        write(f"{upload.digest.partition(':')[2][:12]}: {said}\n".encode())

    async def _ready(self) -> "_Found":
        async with self._asked:
            if self._found is None:
                if shutil.which(str(self._executor)) is None:
                    raise EngineUnavailable(f"there is no program {self._executor} in this image")
                own = {entry.name for entry in self._executor.parent.iterdir()}
                if self._private.is_relative_to(self._executor.parent):
                    own.add(self._private.relative_to(self._executor.parent).parts[0])
                executor = await ask(self._executor, self._own_environment())
                self._found = _Found(executor, frozenset(own), mounts(_MOUNTS))
        return self._found

    async def _make_clean(self) -> None:
        """Remove what an earlier build has left: kaniko would take its files for those of the next one.

        kaniko wipes the root after a build, in older releases only after one that succeeded, and never when it is
        killed. Then a build of nothing makes it wipe the root.
        """
        found = await self._ready()
        self._remove_leftovers(found.own | {_CACHE_MOUNTS})
        if self._is_clean:
            return
        place = self._place()
        (place / "nothing").mkdir()
        empty = ImageBuild(context=place / "nothing", dockerfile=_EMPTY)
        _fill(place, empty)
        argv = [*arguments(self._executor, empty, place, found.executor), "--cache=false"]
        end = _End(lambda _: None)
        if status := await process.run(argv, env=self._environment(empty, place, found.executor), output=end):
            raise StepFailed(f"what an earlier build has left cannot be removed: exit status {status}{end.reason()}")
        self._is_clean = True
        shutil.rmtree(place)
        self._remove_leftovers(found.own | {_CACHE_MOUNTS})

    def _remove_leftovers(self, kept: frozenset[str]) -> None:
        """Delete what kaniko has put beside itself: Dockerfiles, stages, layers, whatever its release calls them."""
        for entry in self._executor.parent.iterdir():
            if entry.name in kept:
                continue
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry, ignore_errors=True)
            else:
                entry.unlink(missing_ok=True)

    def _place(self) -> Path:
        return Path(tempfile.mkdtemp(dir=self._private, prefix="build-"))

    def _environment(self, build: ImageBuild, place: Path, kaniko: Executor) -> dict[str, str]:
        """Return kaniko's whole environment; a `--build-arg` without a value takes its own from there."""
        secret = {argument.name: argument.value for argument in build.arguments if argument.is_secret}
        for name in secret:
            if _READ_BY_EXECUTOR.fullmatch(name):
                raise StepFailed(f"a secret build argument cannot be called {name}: kaniko reads it itself")
        reaping = {"FF_KANIKO_RUN_VIA_TINI": "true"} if (self._executor.parent / "tini").exists() else {}
        switches = kaniko.switches() | reaping if kaniko.is_successor else {}
        return {**secret, **switches, **self._own_environment(), "DOCKER_CONFIG": str(place / "config")}

    def _own_environment(self) -> dict[str, str]:
        return {"PATH": str(self._executor.parent), "HOME": "/root", "USER": "root", "SSL_CERT_FILE": str(self._bundle)}


@dataclass(frozen=True, slots=True)
class _Found:
    """An executor, what lay beside it before its first build, and where something is mounted."""

    executor: Executor
    own: frozenset[str]
    mounts: tuple[str, ...]

    @property
    def has_var_run(self) -> bool:
        """Whether a part of /var/run is mounted."""
        return any(f"{point}/".startswith("/var/run/") for point in self.mounts)


def arguments(
    program: Path, build: ImageBuild, place: Path, kaniko: Executor, *, has_var_run: bool = False
) -> list[str]:
    """Return kaniko's command line, of flags that it knows. Pure; no secret stands in it.

    It never pushes: who has the right to publish is asked after the build. `--force` because kaniko knows only some
    container runtimes, `--cleanup` so that another build finds an empty root. Of /var/run nothing comes out of a base
    or gets into an image unless it is told so; where something is mounted there, it could not unpack a base's link.
    """
    argv = [str(program), f"--context=dir://{build.context}", f"--dockerfile={place / 'Dockerfile'}"]
    argv += ["--no-push", f"--oci-layout-path={place / 'image'}", f"--digest-file={place / 'digest'}"]
    argv += [f"--custom-platform={build.platforms[0]}", "--cleanup", "--force", "--log-format=text"]
    argv += [f"--ignore-var-run={'true' if has_var_run else 'false'}"]
    argv += kaniko.optional(image_download_retry="3", credential_helpers="")
    argv += [
        f"--build-arg={argument.name}" if argument.is_secret else f"--build-arg={argument.name}={argument.value}"
        for argument in build.arguments
    ]
    argv += mounted(build.arguments) if kaniko.is_successor else []
    annotations = [f"--annotation={name}={value}" for name, value in build.annotations.values.items()]
    if annotations and {"annotation", "image-format"} <= kaniko.flags:
        argv += ["--image-format=oci", *annotations]
    return [*argv, f"--target={build.target}"] if build.target else argv


def mounts(table: Path) -> tuple[str, ...]:
    """Return where something is mounted but at the root, by a table as proc(5) describes `mountinfo`."""
    points = (line.split()[4] for line in table.read_text().splitlines())
    return tuple(point for point in points if point != "/")


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
    """Keeps the line where kaniko says why it failed."""

    def reason(self) -> str:
        """Return its last line of an error, else the last of all, as the end of a sentence; empty if there was none."""
        lines = self.kept.decode(errors="replace").strip().splitlines()
        last = next((line for line in reversed(lines) if line.lower().startswith("error")), (lines or [""])[-1])
        return f": {last.strip()[:REASON]}" if last else ""
