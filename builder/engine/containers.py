"""The steps of a task on a private dockerd: shell text in the sandbox, the rest through the daemon's API."""

import asyncio
import json
import os
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import httpx

from builder import process
from builder.engine.client_image import NAME, pack
from builder.engine.command import client_script, docker_build, docker_run
from builder.engine.daemon import Daemon
from builder.engine.logins import merged_config
from builder.engine.protocol import REMOTE, Container, TextBuild, Workspace, Write
from builder.engine.sandbox import HOME, PATH, STEP, WORKSPACE, Sandbox, Share
from builder.faults import StepFailed
from shared.language import Network

_HOME_VOLUME: Final = "home"
_CLIENT: Final = frozenset({NAME, f"{NAME}:latest"})


class MobyContainers:
    """What `builder.engine.protocol.Containers` asks for."""

    def __init__(self, daemon: Daemon, sandbox: Sandbox, private: Path, started: Callable[[], Awaitable[None]]) -> None:
        self._private = private
        self._daemon = daemon
        self._sandbox = sandbox
        self._started = started
        self._volumes: dict[str, Share] = {}
        self._root: Share | None = None
        self._client: asyncio.Task[None] | None = None
        """Brings the image of the docker client while other steps run already."""
        self._workspace: Workspace | None = None

    async def open(self, workspace: Workspace) -> None:
        """Make the two volumes, and the image of the docker client when a step names it."""
        await self._started()
        workspace.home.mkdir(parents=True, exist_ok=True)
        self._workspace = workspace
        self._root = Share.of(workspace.root, WORKSPACE)
        await self._volume(workspace.volume, workspace.root)
        await self._volume(_HOME_VOLUME, workspace.home)
        if not _CLIENT.isdisjoint(workspace.images):
            self._client = asyncio.create_task(self._bring_client())

    async def create_network(self, network: Network) -> None:
        """Make a network with the driver that it names, else a bridge."""
        body = {"Name": network.name, "Driver": network.driver or "bridge", "EnableIPv6": network.ipv6}
        await self._post("/networks/create", json=body)

    async def remove_network(self, name: str) -> None:
        """Remove a network; one that is not there, or still used, is left."""
        await self._delete(f"/networks/{quote(name, safe='')}")

    async def write_volume(self, name: str, files: Mapping[str, bytes]) -> None:
        """Write the files beside the socket, where the daemon sees them; no step runs yet."""
        folder = self._sandbox.shared / "volumes" / name
        folder.mkdir(parents=True)
        for file, content in files.items():
            _write(folder / file, content, 0o644)
        self._volumes[name] = Share.of(folder)
        await self._volume(name, folder)

    async def run(self, container: Container, write: Write) -> int:
        """Run the step's `docker run` line."""
        workspace = await self._open()
        if self._client and not _CLIENT.isdisjoint(container.command.split()):
            await asyncio.shield(self._client)
        text = docker_run(container, workspace.volume, str(self._daemon.socket))
        return await self._shell(lambda _: text, write)

    async def pull(self, image: str, write: Write) -> int:
        """Run `docker pull`."""
        return await self._shell(lambda _: f"docker pull {image}", write)

    async def build(self, build: TextBuild, write: Write) -> int:
        """Run the step's `docker build` line with our Dockerfile."""
        workspace = await self._open()
        named = ((self._volumes.get(mount.name), mount.mount_path) for mount in build.volume_mounts)
        mounts = tuple(replace(share, target=target) for share, target in named if share)
        if build.context:
            mounts = (*mounts, Share.of(build.context, REMOTE))

        def fill(place: Path) -> str:
            _write(place / "Dockerfile", build.dockerfile.encode())
            if build.ignore is not None:
                _write(place / "Dockerfile.dockerignore", build.ignore.encode())
            merged_config(place / "config", workspace.home, build.logins)
            _write(place / "client", client_script(STEP, build).encode())
            return docker_build(build, f"sh {STEP}/client")

        return await self._shell(fill, write, build.directory, mounts)

    async def remove(self, name: str) -> None:
        """Remove a container by force."""
        await self._delete(f"/containers/{quote(name, safe='')}?force=1")

    async def close(self) -> None:
        """Give up what is still under way in the background."""
        if self._client:
            self._client.cancel()
            await asyncio.wait({self._client})

    async def digest(self, image: str) -> str | None:
        """Ask the daemon for the digest of the image that a name means now."""
        async with self._daemon.client() as client:
            answer = await client.get(f"/images/{quote(image, safe='/:@')}/json")
        if not answer.is_success:
            return None
        found = (text.rpartition("@")[2] for text in answer.json().get("RepoDigests") or ())
        return next(found, None)

    async def _open(self) -> Workspace:
        await self._started()
        if self._workspace is None:
            raise StepFailed("the workspace has not been opened")
        return self._workspace

    async def _shell(
        self, fill: Callable[[Path], str], write: Write, directory: str = WORKSPACE, mounts: tuple[Share, ...] = ()
    ) -> int:
        """Run the shell text that `fill` returns, after it has put further files beside it."""
        root = self._root
        if root is None:
            raise StepFailed("the workspace has not been opened")
        with tempfile.TemporaryDirectory(dir=self._private, prefix="step-", ignore_cleanup_errors=True) as name:
            place = Path(name)
            _write(place / "script", f"{fill(place)}\n".encode())
            argv = self._sandbox.shell(root, directory, place, mounts)
            return await process.run(argv, env=self._environment(), output=write)

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": PATH,
            "HOME": HOME,
            "DOCKER_HOST": f"unix://{self._daemon.socket}",
            # With a password the docker client itself asks the registry's token service.
            "SSL_CERT_FILE": str(self._sandbox.trust),
            "BUILDX_GIT_INFO": "false",
            "DOCKER_CLI_HINTS": "false",
        }

    async def _volume(self, name: str, folder: Path) -> None:
        options = {"type": "none", "o": "bind", "device": str(folder)}
        await self._post("/volumes/create", json={"Name": name, "Driver": "local", "DriverOpts": options})

    async def _bring_client(self) -> None:
        with tempfile.TemporaryDirectory(dir=self._private, prefix="client-") as name:
            archive = await asyncio.to_thread(pack, Path(name))
            with archive.open("rb") as stream:

                async def pieces() -> AsyncIterator[bytes]:
                    while piece := await asyncio.to_thread(stream.read, 1024**2):
                        yield piece

                await self._post("/images/load", params={"quiet": "1"}, content=pieces())

    async def _post(self, path: str, **arguments: Any) -> None:  # noqa: ANN401 -- handed to httpx as they are
        try:
            async with self._daemon.client() as client:
                answer = await client.post(path, **arguments)
        except httpx.HTTPError as fault:
            raise StepFailed(f"the daemon does not answer ({type(fault).__name__})") from None
        if not answer.is_success:
            raise StepFailed(_message(answer))

    async def _delete(self, path: str) -> None:
        try:
            async with self._daemon.client() as client:
                await client.delete(path)
        except httpx.HTTPError:
            return


def _write(path: Path, content: bytes, mode: int = 0o600) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    with os.fdopen(fd, "wb") as stream:
        stream.write(content)


def _message(answer: httpx.Response) -> str:
    try:
        return str(json.loads(answer.content)["message"])
    except (ValueError, KeyError, TypeError):
        return f"the daemon answers HTTP {answer.status_code}"
