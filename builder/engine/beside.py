"""Steps of a confined builder: each runs in a container of the builder's own group, told through files they share.

Azure's standard groups cannot start a container on demand: the group was made with one for each step, which waits
(`builder/image/step.sh`). Everything about a step but its image is told when it runs, so that no value of a task
stands in the group's description. All containers of a group share its network and these directories. A container for an
image that the run itself builds is given that image the same way, and makes itself into it (`builder/rootfs`).
"""

import asyncio
import contextlib
import os
import posixpath
import shlex
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Protocol

from builder.contexts.tree import opened
from builder.engine.protocol import Beside, Container, ImageBuild, TextBuild, Workspace, Write
from builder.engine.text_builds import image_build
from builder.faults import ContextRefused, StepFailed
from builder.oci.config import read_config
from builder.oci.layout import Layout
from shared.images.references import Reference
from shared.language import Network
from shared.language.docker_flags import run_image

SHARED: Final = "/slipway"
"""Where a step's container finds what it shares with the agent."""
HOME: Final = "/acb/home"
_POLL: Final = 0.05
_PIECE: Final = 256 * 1024
_PYTHON: Final = "/kaniko/bin/python3"
_LATER: Final = "body"
_LOST: Final = 125
"""Exit status of a step whose own is not to be read."""


def arguments_of(text: str) -> str | None:
    """Return the shell text behind the image of a `cmd` step; None when the image does not stand first. Pure."""
    image, text = run_image(text), text.strip()
    rest = text.removeprefix(image)
    return rest if image and text.startswith(image) and rest[:1] in ("", " ", "\t", "\n") else None


def script_of(container: Container, beside: Beside, place: str) -> str:
    """Return what a step's container executes. Pure; what a task writes as text stays shell text, as in ACR Tasks.

    `place` is the attempt's directory there. The words go to the program, never to a builtin of the shell.
    """
    entry_point = (container.entry_point,) if container.entry_point else beside.entry_point
    usual = () if container.entry_point else beside.command
    lines = [] if beside.takes else [f"echo $$ >{place}/pid"]
    lines += [f"export HOME={HOME}"]
    lines += [f"export {item}" for item in container.environment if "=" in item]
    if container.directory is not None:
        lines += [f"{SHARED}/busybox mkdir -p {shlex.quote(container.directory)}"]
        lines += [f"cd {shlex.quote(container.directory)} || exit 125"]
    lines += ["step() {"]
    lines += [f"    [ $# -gt 0 ] || set -- {shlex.join(usual)}"] if usual else []
    lines += [f'    ( exec {shlex.join(entry_point)} "$@" )', "}"]
    return "\n".join([*lines, f"step {arguments_of(container.command) or ''}", ""])


def taking_script(image: str, place: str) -> str:
    """Return what a container executes that becomes one of the image in the directory `image` of the group. Pure."""
    return f"echo $$ >{place}/pid\nexec {_PYTHON} -m builder.rootfs {image} {place}/{_LATER}\n"


@dataclass(slots=True)
class _Step:
    beside: Beside
    index: int
    attempts: int = 0
    running: list["_Attempt"] = field(default_factory=list)


class Builds(Protocol):
    """The engine's side that builds images."""

    async def build(self, build: ImageBuild, write: Write) -> str:
        """Build the image under all its tags and return its digest."""
        ...

    def image(self, name: Reference) -> Layout | None:
        """Return what was last built under a name."""
        ...


class BesideContainers:
    """Runs steps in the containers beside us. `shared` is our side of the directory that all of them see.

    Steps own what lies there: nothing is opened through a link, or written over.
    """

    def __init__(self, shared: Path, builds: Builds) -> None:
        self._shared = shared
        self._builds = builds
        self._steps: dict[str, _Step] = {}
        self._workspace: Workspace | None = None
        self._handing_over = asyncio.Lock()
        self._handed_over: set[tuple[str, ...]] = set()

    async def open(self, workspace: Workspace) -> None:
        """Tell the waiting containers each other's names."""
        self._workspace = workspace
        self._steps = {beside.step: _Step(beside, index) for index, beside in enumerate(workspace.beside)}
        if self._steps:
            with opened(self._shared, ("steps",), create=True):
                pass
            _put(self._shared, (), "hosts", f"127.0.0.1 {' '.join(self._steps)}\n")

    async def create_network(self, network: Network) -> None:
        """Nothing: the group is one network, in which every step is 127.0.0.1."""

    async def remove_network(self, name: str) -> None:
        """Nothing, as above."""

    async def write_volume(self, name: str, files: Mapping[str, bytes]) -> None:
        """Refuse: the group was made without it."""
        _ = files
        raise StepFailed(f"a confined builder has no volume {name}")

    async def run(self, container: Container, write: Write) -> int:
        """Let the step's container run it once, and hand its output on as it comes."""
        step = self._steps.get(container.name)
        if step is None:
            raise StepFailed(f"the group has no container for step {container.name}")
        step.attempts += 1
        attempt = _Attempt(self._shared, ("steps", str(step.index), str(step.attempts)))
        place = posixpath.join(SHARED, *attempt.parts)
        if step.beside.takes is None:
            attempt.begin(script_of(container, step.beside, place))
        else:
            image, beside = await self._hand_over(step.beside, step.beside.takes)
            attempt.begin(taking_script(image, place), script_of(container, beside, place))
        step.running.append(attempt)
        try:
            status = await (attempt.started() if container.detach else attempt.ended(write))
        except BaseException:
            attempt.kill()
            raise
        if not container.detach:
            step.running.remove(attempt)
        return status

    async def _hand_over(self, beside: Beside, name: Reference) -> tuple[str, Beside]:
        """Put an image that was built here where its step finds it; return the place there, and what it runs."""
        layout = self._builds.image(name)
        if layout is None:
            raise StepFailed(f"no step has built the image {name}")
        config = read_config(layout)
        parts = ("images", layout.manifest.digest.replace(":", "-"))
        async with self._handing_over:
            if parts not in self._handed_over:
                await asyncio.to_thread(_copy, layout, self._shared, parts)
                self._handed_over.add(parts)
        return posixpath.join(SHARED, *parts), replace(
            beside, entry_point=config.entry_point or (), command=config.command or ()
        )

    async def pull(self, image: str, write: Write) -> int:
        """Say that there is nothing to do: images are pulled when a group is made."""
        write(f"{image}: pulled when the container group was made\n".encode())
        return 0

    async def build(self, build: TextBuild, write: Write) -> int:
        """Build what the text says, with the engine at hand."""
        if self._workspace is None:
            raise StepFailed("the workspace was not opened")
        await self._builds.build(image_build(build, self._workspace), write)
        return 0

    async def remove(self, name: str) -> None:
        """End what a step has left running."""
        if step := self._steps.get(name):
            for attempt in step.running:
                attempt.kill()
            step.running.clear()

    async def digest(self, image: str) -> str | None:
        """Return that of an image that was built here."""
        layout = self._builds.image(Reference.parse(image))
        return layout.manifest.digest if layout else None

    async def close(self) -> None:
        """Let the waiting containers go."""
        for name, step in self._steps.items():
            await self.remove(name)
            _put(self._shared, ("steps", str(step.index)), "end", "")


@dataclass(frozen=True, slots=True)
class _Attempt:
    """One attempt of a step: a directory `parts` of what is shared."""

    shared: Path
    parts: tuple[str, ...]

    def begin(self, script: str, later: str = "") -> None:
        """Give the script, and another one that it goes on with, then the word."""
        with opened(self.shared, self.parts[:-1], create=True) as parent:
            os.fchmod(parent, 0o755)
            try:
                os.mkdir(self.parts[-1], 0o777, dir_fd=parent)
            except FileExistsError:
                raise StepFailed("a step has taken the place of another one's files") from None
        with opened(self.shared, self.parts) as folder:
            os.fchmod(folder, 0o777)  # images run as anybody
        _put(self.shared, self.parts, _LATER, later)
        _put(self.shared, self.parts, "script", script)
        _put(self.shared, self.parts, "go", "")

    async def started(self) -> int:
        """Return 0 as soon as it runs."""
        while self._read("pid", 0) is None:  # noqa: ASYNC110 - another container writes it
            await asyncio.sleep(_POLL)
        return 0

    async def ended(self, write: Write) -> int:
        """Hand the output on until the end; return the exit status."""
        position = 0
        while True:
            text = self._read("exit", 0)
            while piece := self._read("output", position):
                position += len(piece)
                write(piece)
            if text is not None:
                return int(text.strip()[:9]) if text.strip().isdigit() else _LOST
            await asyncio.sleep(_POLL)

    def kill(self) -> None:
        """Ask the container to end it."""
        _put(self.shared, self.parts, "kill", "")

    def _read(self, name: str, position: int) -> bytes | None:
        """Return a piece of a file; None when it is not there."""
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            with opened(self.shared, self.parts) as folder:
                fd = os.open(name, flags, dir_fd=folder)
        except FileNotFoundError:
            return None
        except (OSError, ContextRefused) as fault:
            raise StepFailed(f"the step's own files cannot be read ({type(fault).__name__})") from None
        try:
            return os.pread(fd, _PIECE, position)
        except OSError as fault:
            raise StepFailed(f"the step's own files cannot be read ({type(fault).__name__})") from None
        finally:
            os.close(fd)


def _put(root: Path, parts: tuple[str, ...], name: str, text: str) -> None:
    """Make a file; one that is there stays as it is."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with opened(root, parts, create=True) as folder, contextlib.suppress(FileExistsError):
        fd = os.open(f".{name}", flags, 0o644, dir_fd=folder)
        with os.fdopen(fd, "w") as stream:
            stream.write(text)
        os.rename(f".{name}", name, src_dir_fd=folder, dst_dir_fd=folder)


def _copy(layout: Layout, root: Path, parts: tuple[str, ...]) -> None:
    """Copy a layout to a directory of what is shared. Raises StepFailed where something lies there already."""
    try:
        _copy_file(layout.root / "index.json", root, parts)
        for digest in (layout.manifest.digest, *(blob.digest for blob in layout.blobs)):
            place = layout.blob(digest)
            _copy_file(place, root, (*parts, *place.relative_to(layout.root).parts[:-1]))
    except OSError as fault:
        raise StepFailed(f"the image cannot be handed to the step ({type(fault).__name__})") from None


def _copy_file(source: Path, root: Path, parts: tuple[str, ...]) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with (
        opened(root, parts, create=True) as folder,
        source.open("rb") as content,
        os.fdopen(os.open(source.name, flags, 0o644, dir_fd=folder), "wb") as copy,
    ):
        shutil.copyfileobj(content, copy, _PIECE)
