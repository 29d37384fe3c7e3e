"""An engine that builds and runs nothing: it prints, fails and hangs on command.

It is part of the product, so that tasks and the agent can be tried without privileges or a daemon.
"""

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from builder.engine.protocol import Container, ImageBuild, Kind, TextBuild, Workspace, Write
from builder.faults import NeedsFull, StepFailed
from shared.errors import SlipwayError
from shared.grant import Platform, RegistryLogin
from shared.images.references import Reference
from shared.language import Network


@dataclass(frozen=True, slots=True)
class Act:
    """What one call does: print, take `seconds`, then hang for ever, fail with `error`, or end with `status`."""

    output: tuple[bytes, ...] = ()
    error: str | None = None
    hang: bool = False
    status: int = 0
    seconds: float = 0.0


@dataclass
class ScriptedContainers:
    """Plays `acts` by the name of a container, by `pull` or by `build`, each in order, the last again and again.

    What was done is in `events`, in order: `("start", name)` and `("end", name)` around each act.
    """

    acts: dict[str, list[Act]] = field(default_factory=dict)
    events: list[tuple[str, str]] = field(default_factory=list)
    ran: list[Container] = field(default_factory=list)
    built: list[TextBuild] = field(default_factory=list)
    volumes: dict[str, dict[str, bytes]] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)
    workspace: Workspace | None = None

    async def open(self, workspace: Workspace) -> None:
        """Remember the workspace."""
        self.workspace = workspace

    async def create_network(self, network: Network) -> None:
        """Remember the network, or fail as told for `network`."""
        self.events.append(("network", network.name))
        await self._play("network", lambda _: None)

    async def remove_network(self, name: str) -> None:
        """Remember the removal."""
        self.events.append(("network rm", name))

    async def write_volume(self, name: str, files: Mapping[str, bytes]) -> None:
        """Remember the files."""
        self.volumes[name] = dict(files)

    async def run(self, container: Container, write: Write) -> int:
        """Play the next act of the container."""
        self.ran.append(container)
        return await self._between(container.name, container.name, write)

    async def pull(self, image: str, write: Write) -> int:
        """Play the next act of `pull`."""
        return await self._between("pull", f"pull {image}", write)

    async def build(self, build: TextBuild, write: Write) -> int:
        """Play the next act of `build`."""
        self.built.append(build)
        return await self._between("build", f"build {build.text}", write)

    async def remove(self, name: str) -> None:
        """Remember the removal."""
        self.events.append(("rm", name))

    async def digest(self, image: str) -> str | None:
        """Return the digest that was set for the image."""
        return self.digests.get(image)

    async def _between(self, key: str, name: str, write: Write) -> int:
        self.events.append(("start", name))
        try:
            return await self._play(key, write)
        finally:
            self.events.append(("end", name))

    async def _play(self, key: str, write: Write) -> int:
        acts = self.acts.get(key) or [Act()]
        act = acts.pop(0) if len(acts) > 1 else acts[0]
        for piece in act.output:
            write(piece)
        await asyncio.sleep(act.seconds)
        if act.hang:
            await asyncio.Event().wait()
        if act.error:
            raise StepFailed(act.error)
        return act.status


@dataclass
class ScriptedEngine:
    """Plays `builds` and `pushes` in order, the last of each again and again; remembers what it was asked.

    `start_error` makes the start and every call after it fail. `entered` is set when a call hangs.
    """

    builds: list[Act] = field(default_factory=lambda: [Act((b"#1 built\n",))])
    pushes: list[Act] = field(default_factory=lambda: [Act((b"pushed\n",))])
    start_error: SlipwayError | None = None
    built: list[ImageBuild] = field(default_factory=list)
    pushed: list[tuple[Reference, RegistryLogin]] = field(default_factory=list)
    kept: list[tuple[ImageBuild, Reference, tuple[RegistryLogin, ...]]] = field(default_factory=list)
    cache_error: str = ""
    emulated: list[Platform] = field(default_factory=list)
    cannot_emulate: str | None = None
    refuses: str = ""
    """What a build asks for that only a full engine can do."""
    started: bool = False
    stopped: bool = False
    killed: int = 0
    entered: asyncio.Event = field(default_factory=asyncio.Event)
    kind: Kind = Kind.FULL
    containers: ScriptedContainers = field(default_factory=ScriptedContainers)
    digest_of: dict[str, str] = field(default_factory=dict)
    blobs: dict[str, Path] = field(default_factory=dict)

    async def start(self) -> None:
        """Start at once, or fail as told."""
        if self.start_error:
            raise self.start_error
        self.started = True

    async def build(self, build: ImageBuild, write: Write) -> str:
        """Play the next build; the digest is that of the Dockerfile's text."""
        if self.refuses:
            raise NeedsFull(self.refuses)
        self.built.append(build)
        await self._play(self.builds, write)
        return self.digest(build)

    async def refusal(self, build: ImageBuild) -> str | None:
        """Answer what was set, for Dockerfiles that hold its first word."""
        word = self.refuses.partition(" ")[0]
        return self.refuses if word and word in build.dockerfile else None

    async def push(self, image: Reference, login: RegistryLogin, write: Write) -> str:
        """Play the next push; the digest is that of the last build, or the one that was set for the image."""
        self.pushed.append((image, login))
        await self._play(self.pushes, write)
        return self.digest_of.get(str(image)) or self.digest(self.built[-1])

    def blob(self, digest: str) -> Path | None:
        """Answer what was set."""
        return self.blobs.get(digest)

    async def emulate(self, platform: Platform) -> str | None:
        """Answer what was set."""
        self.emulated.append(platform)
        return self.cannot_emulate

    async def save_cache(self, build: ImageBuild, cache: Reference, logins: tuple[RegistryLogin, ...]) -> None:
        """Remember what was kept, and fail when told to."""
        self.kept.append((build, cache, logins))
        if self.cache_error:
            raise StepFailed(self.cache_error)

    async def stop(self) -> None:
        """Remember that it was stopped."""
        self.stopped = True

    @staticmethod
    def digest(build: ImageBuild) -> str:
        """Return the digest that `build` gets here."""
        return "sha256:" + hashlib.sha256(build.dockerfile.encode()).hexdigest()

    async def _play(self, acts: list[Act], write: Write) -> None:
        if self.start_error:
            raise self.start_error
        act = acts.pop(0) if len(acts) > 1 else acts[0]
        for piece in act.output:
            write(piece)
        if act.hang:
            self.entered.set()
            try:
                await asyncio.Event().wait()
            finally:
                self.killed += 1
        if act.error:
            raise StepFailed(act.error)
