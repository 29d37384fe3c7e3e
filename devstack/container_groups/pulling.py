"""Images of registries: looked up when a group is asked for, fetched and unpacked before it starts.

An image is kept below the state directory by the digest of its manifest, a directory for each layer with the whiteouts
of overlayfs; what is unpacked is checked against the digests that manifest and configuration name. Only registries of
the configuration are asked. Sources: the OCI image specification, layers; the kernel's documentation of overlayfs.
"""

import contextlib
import hashlib
import os
import platform
import shutil
import ssl
import stat
import subprocess
import tarfile
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
from pydantic import BaseModel, Field, ValidationError

from builder.contexts.decompress import decompressed
from devstack.container_groups.config import Image
from devstack.container_groups.errors import BadRequest
from shared.errors import SlipwayError
from shared.grant import Platform
from shared.images.client import perform
from shared.images.credentials import TOKEN_USER, Basic, Bearer, Credential
from shared.images.distribution import blob, fetch, get, resolve
from shared.images.exchange import Sink
from shared.images.manifests import Descriptor
from shared.images.references import Reference
from shared.images.session import Session, allow_all

_ARCHITECTURES: Final = {"x86_64": "amd64", "aarch64": "arm64"}
_CONFIG_LIMIT: Final = 1024**2
_MOST_LAYERS: Final = 40
"""The directories of an overlay are named in one page of memory."""
_READY: Final = "ready"
_KEPT_SECONDS: Final = 7 * 24 * 3600
_FETCH_SECONDS: Final = 600.0
_PIECE: Final = 1024**2
_WHITEOUT: Final = ".wh."
_OPAQUE: Final = ".wh..wh..opq"
_TAR: Final = (
    *("tar", "--extract", "--numeric-owner"),
    *("--xattrs", "--xattrs-include=security.capability", f"--exclude={_WHITEOUT}*"),
)


class PullFailed(Exception):
    """An image that was found could not be fetched or unpacked; one sentence without secrets."""


@dataclass(frozen=True)
class Bounds:
    """Bytes of an image as it is sent and as it is unpacked, and its files."""

    sent: int = 4 * 1024**3
    unpacked: int = 16 * 1024**3
    files: int = 300_000


class _Start(BaseModel):
    entrypoint: tuple[str, ...] | None = Field(default=None, alias="Entrypoint")
    command: tuple[str, ...] | None = Field(default=None, alias="Cmd")
    environment: tuple[str, ...] | None = Field(default=None, alias="Env")
    directory: str | None = Field(default=None, alias="WorkingDir")
    user: str | None = Field(default=None, alias="User")


class _Layers(BaseModel):
    diff_ids: tuple[str, ...] = Field(max_length=_MOST_LAYERS)


class _Config(BaseModel):
    config: _Start = _Start()
    rootfs: _Layers


@dataclass(frozen=True)
class Found:
    """An image that a registry has; `image` says where its root is once it is fetched."""

    reference: Reference
    image: Image
    layers: tuple[tuple[Descriptor, str], ...]
    """Each with the digest of what it holds."""
    session: Session = field(repr=False)


class Puller:
    """Looks images up and fetches them. Thread-safe; an image is fetched once, whoever asks."""

    def __init__(
        self, registries: Iterable[str], folder: Path, authority: Path | None = None, bounds: Bounds = Bounds()
    ) -> None:
        self._registries = frozenset(registries)
        self._folder = folder
        self._authority = authority
        self._bounds = bounds
        self._locks: dict[str, threading.Lock] = {}

    def serves(self, name: str) -> bool:
        """Whether the image is one of a registry that may be asked."""
        return name.partition("/")[0] in self._registries

    def look(self, name: str, credentials: Mapping[str, Credential]) -> Found:
        """Look an image up by the credentials of the group. Raises `BadRequest`."""
        session = Session(credentials.get, guard=allow_all)
        wanted = Platform(architecture=_ARCHITECTURES.get(platform.machine(), platform.machine()))
        try:
            reference = Reference.parse(name)
            with self._client() as client:
                resolved = perform(client, resolve(session, reference, wanted))
                pinned = reference.with_digest(resolved.platform_digest)
                manifest = perform(client, get(session, pinned))
                if manifest.config is None:
                    raise _inaccessible(name, "it is not an image")
                told = perform(client, blob(session, pinned, manifest.config.digest, _CONFIG_LIMIT))
            config = _Config.model_validate_json(told)
        except (SlipwayError, ValidationError) as error:
            raise _inaccessible(name, type(error).__name__) from None
        if len(manifest.layers) != len(config.rootfs.diff_ids):
            raise _inaccessible(name, "its configuration is of other layers")
        if sum(layer.size for layer in manifest.layers) > self._bounds.sent:
            raise _inaccessible(name, "it is too large")
        image = self._image(name, resolved.platform_digest, config)
        return Found(pinned, image, tuple(zip(manifest.layers, config.rootfs.diff_ids, strict=True)), session)

    def fetch(self, found: Found) -> None:
        """See that the image's root is there. Raises `PullFailed`."""
        place = found.image.lower[0].parent
        with self._locks.setdefault(place.name, threading.Lock()):
            if (place / _READY).exists():
                os.utime(place)
                return
            shutil.rmtree(place, ignore_errors=True)
            try:
                self._fill(found, place)
            except (SlipwayError, OSError, EOFError, ValueError, tarfile.TarError, subprocess.SubprocessError) as error:
                shutil.rmtree(place, ignore_errors=True)
                raise PullFailed(f"Failed to pull image '{found.reference}': {type(error).__name__}.") from None
            (place / _READY).touch()

    def forget_old(self) -> None:
        """Remove images that nobody has asked for in a week; for a service that begins."""
        for place in self._folder.iterdir() if self._folder.exists() else ():
            if time.time() - place.stat().st_mtime > _KEPT_SECONDS:
                shutil.rmtree(place, ignore_errors=True)

    def _image(self, name: str, digest: str, config: _Config) -> Image:
        start = config.config
        if (start.user or "root").partition(":")[0] not in {"root", "0"} or (start.directory or "/") != "/":
            raise _inaccessible(name, "images that start as another user or elsewhere than in / do not run here")
        place = self._folder / digest.partition(":")[2][:32]
        layers = range(len(config.rootfs.diff_ids))
        return Image(
            lower=tuple(place / str(number) for number in reversed(layers)),
            command=(*(start.entrypoint or ()), *(start.command or ())),
            env=tuple(line for line in start.environment or () if "=" in line),
        )

    def _fill(self, found: Found, place: Path) -> None:
        place.mkdir(parents=True)
        left = self._bounds
        folders = reversed(found.image.lower)
        with self._client() as client, tempfile.TemporaryDirectory(dir=place) as scratch:
            for folder, (layer, content) in zip(folders, found.layers, strict=True):
                packed, plain = Path(scratch) / "packed", Path(scratch) / "plain"
                with packed.open("wb") as stream:
                    sink = Sink(stream.write, left.sent, _FETCH_SECONDS)
                    sent = perform(client, fetch(found.session, found.reference, layer.digest, sink))
                unpacked = _unpack(packed, plain, content, left.unpacked)
                files, whiteouts = _scan(plain, left.files)
                left = Bounds(left.sent - sent, left.unpacked - unpacked, left.files - files)
                folder.mkdir(mode=0o755)
                command = [*_TAR, "--file", str(plain), "--directory", str(folder)]
                subprocess.run(command, check=True, stdin=subprocess.DEVNULL, capture_output=True)
                for name in whiteouts:
                    _hide(folder, name)

    @contextlib.contextmanager
    def _client(self) -> Iterator[httpx.Client]:
        context = ssl.create_default_context(cafile=str(self._authority) if self._authority else None)
        with httpx.Client(verify=context, trust_env=False) as client:
            yield client


def _unpack(packed: Path, plain: Path, content: str, limit: int) -> int:
    """Decompress a layer and answer its bytes. Raises ValueError for too many, or others than it should hold."""
    seen, size = hashlib.sha256(), 0
    with packed.open("rb") as raw, decompressed(raw) as stream, plain.open("wb") as out:
        while piece := stream.read(_PIECE):
            size += len(piece)
            if size > limit:
                raise ValueError("the image is too large")
            seen.update(piece)
            out.write(piece)
    if f"sha256:{seen.hexdigest()}" != content:
        raise ValueError("the layer holds something else than the configuration says")
    return size


def _scan(plain: Path, limit: int) -> tuple[int, list[str]]:
    """Answer how many files a layer has, and its whiteouts. Raises ValueError for too many files."""
    files, whiteouts = 0, list[str]()
    with tarfile.open(plain, "r:", encoding="utf-8", errors="surrogateescape") as tar:
        while (member := tar.next()) is not None:
            files += 1
            if files > limit:
                raise ValueError("the image has too many files")
            if member.name.rpartition("/")[2].startswith(_WHITEOUT):
                whiteouts.append(member.name)
    return files, whiteouts


def _hide(layer: Path, name: str) -> None:
    """Write a whiteout as overlayfs reads it. Raises ValueError for a name that leads out of the layer."""
    *parents, last = (part for part in name.split("/") if part not in {"", "."})
    folder = layer
    for part in parents:
        folder = folder / part
        if part == ".." or folder.is_symlink():
            raise ValueError("a whiteout leads out of its layer")
        folder.mkdir(exist_ok=True)
    if last == _OPAQUE:
        os.setxattr(folder, "trusted.overlay.opaque", b"y")
    elif (hidden := last.removeprefix(_WHITEOUT)) not in {"", ".", ".."}:
        with contextlib.suppress(FileExistsError):  # the layer has a file of its own there
            os.mknod(folder / hidden, stat.S_IFCHR, os.makedev(0, 0))


def credentials_of(properties: Mapping[str, Any]) -> dict[str, Credential]:
    """Answer the logins of a group's checked properties, by registry. Identities are not known here."""
    found: dict[str, Credential] = {}
    for one in properties.get("imageRegistryCredentials") or ():
        user, password = one.get("username"), one.get("password")
        if user and password:
            found[one["server"]] = Bearer(password) if user == TOKEN_USER else Basic(user, password)
    return found


def _inaccessible(name: str, why: str) -> BadRequest:
    return BadRequest(f"The image '{name}' is not accessible ({why}).", code="InaccessibleImage")
