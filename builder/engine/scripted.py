"""An engine that builds nothing: it prints, fails and hangs on command.

It is part of the product, so that tasks and the agent can be tried without privileges or a daemon.
"""

import asyncio
import hashlib
from dataclasses import dataclass, field

from builder.engine.protocol import ImageBuild, Write
from builder.faults import StepFailed
from shared.errors import SlipwayError
from shared.grant import RegistryLogin
from shared.images.references import Reference


@dataclass(frozen=True, slots=True)
class Act:
    """What one call does: print, then hang for ever, fail with `error`, or succeed."""

    output: tuple[bytes, ...] = ()
    error: str | None = None
    hang: bool = False


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
    started: bool = False
    stopped: bool = False
    killed: int = 0
    entered: asyncio.Event = field(default_factory=asyncio.Event)

    async def start(self) -> None:
        """Start at once, or fail as told."""
        if self.start_error:
            raise self.start_error
        self.started = True

    async def build(self, build: ImageBuild, write: Write) -> str:
        """Play the next build; the digest is that of the Dockerfile's text."""
        self.built.append(build)
        await self._play(self.builds, write)
        return self.digest(build)

    async def push(self, image: Reference, login: RegistryLogin, write: Write) -> str:
        """Play the next push; the digest is that of the last build."""
        self.pushed.append((image, login))
        await self._play(self.pushes, write)
        return self.digest(self.built[-1])

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
