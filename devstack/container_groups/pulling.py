"""Images of registries: looked up when a group is asked for, fetched and unpacked before it starts.

An image is kept below the state directory by the digest of its manifest, as one root file system; what is unpacked is
checked against the digests that manifest and configuration name. Only registries of the configuration are asked.
"""

import contextlib
import hashlib
import os
import platform
import shutil
import ssl
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
from builder.rootfs.layers import Root
from devstack.container_groups.config import Image
from devstack.container_groups.errors import BadRequest
from shared.errors import SlipwayError
from shared.grant import Platform
from shared.images.client import perform
from shared.images.credentials import Basic, Bearer, Credential
from shared.images.distribution import blob, fetch, get, resolve
from shared.images.exchange import Sink
from shared.images.manifests import Descriptor
from shared.images.references import Reference
from shared.images.session import Session, allow_all

_TOKEN_USER: Final = "00000000-0000-0000-0000-000000000000"  # noqa: S105 - a user, and no secret
_ARCHITECTURES: Final = {"x86_64": "amd64", "aarch64": "arm64"}
_CONFIG_LIMIT: Final = 1024**2
_MOST_LAYERS: Final = 200
_READY: Final = "ready"
_KEPT_SECONDS: Final = 7 * 24 * 3600
_FETCH_SECONDS: Final = 600.0
_PIECE: Final = 1024**2


class PullFailed(Exception):
    """An image that was found could not be fetched or unpacked; one sentence without secrets."""


@dataclass(frozen=True)
class Bounds:
    """Bytes of an image as it is sent and as it is unpacked, and its files."""

    sent: int = 4 * 1024**3
    unpacked: int = 16 * 1024**3
    files: int = 1_000_000


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
        image = self._image(name, resolved.platform_digest, config.config)
        return Found(pinned, image, tuple(zip(manifest.layers, config.rootfs.diff_ids, strict=True)), session)

    def fetch(self, found: Found) -> None:
        """See that the image's root is there. Raises `PullFailed`."""
        (root,) = found.image.lower
        place = root.parent
        with self._locks.setdefault(place.name, threading.Lock()):
            if (place / _READY).exists():
                os.utime(place)
                return
            shutil.rmtree(place, ignore_errors=True)
            try:
                root.mkdir(parents=True)
                self._fill(found, root)
            except (SlipwayError, OSError, EOFError, ValueError, tarfile.TarError) as error:
                shutil.rmtree(place, ignore_errors=True)
                raise PullFailed(f"Failed to pull image '{found.reference}': {type(error).__name__}.") from None
            (place / _READY).touch()

    def forget_old(self) -> None:
        """Remove images that nobody has asked for in a week; for a service that begins."""
        for place in self._folder.iterdir() if self._folder.exists() else ():
            if time.time() - place.stat().st_mtime > _KEPT_SECONDS:
                shutil.rmtree(place, ignore_errors=True)

    def _image(self, name: str, digest: str, start: _Start) -> Image:
        if (start.user or "root").partition(":")[0] not in {"root", "0"} or (start.directory or "/") != "/":
            raise _inaccessible(name, "images that start as another user or elsewhere than in / do not run here")
        command = (*(start.entrypoint or ()), *(start.command or ()))
        root = self._folder / digest.replace(":", "-") / "root"
        environment = tuple(line for line in start.environment or () if "=" in line)
        return Image(lower=(root,), command=command, env=environment)

    def _fill(self, found: Found, root: Path) -> None:
        left = self._bounds
        with self._client() as client, tempfile.TemporaryDirectory(dir=root.parent) as folder:
            for layer, content in found.layers:
                packed = Path(folder) / "layer"
                with packed.open("wb") as stream:
                    sink = Sink(stream.write, left.sent, _FETCH_SECONDS)
                    sent = perform(client, fetch(found.session, found.reference, layer.digest, sink))
                unpacked, files = _checked(packed, content, left)
                left = Bounds(left.sent - sent, left.unpacked - unpacked, left.files - files)
                Root(root).lay(packed)

    @contextlib.contextmanager
    def _client(self) -> Iterator[httpx.Client]:
        context = ssl.create_default_context(cafile=str(self._authority) if self._authority else None)
        with httpx.Client(verify=context, trust_env=False) as client:
            yield client


def _checked(packed: Path, content: str, bounds: Bounds) -> tuple[int, int]:
    """Answer the bytes and files of a layer. Raises ValueError for one that is too large, or not what it should be."""
    seen, size = hashlib.sha256(), 0
    with packed.open("rb") as raw, decompressed(raw) as stream:
        while piece := stream.read(_PIECE):
            size += len(piece)
            if size > bounds.unpacked:
                raise ValueError("the image is too large")
            seen.update(piece)
    if f"sha256:{seen.hexdigest()}" != content:
        raise ValueError("the layer holds something else than the configuration says")
    files = 0
    with packed.open("rb") as raw, decompressed(raw) as stream, tarfile.open(fileobj=stream, mode="r|") as tar:
        for files, _ in enumerate(tar, 1):
            if files > bounds.files:
                raise ValueError("the image has too many files")
    return size, files


def credentials_of(properties: Mapping[str, Any]) -> dict[str, Credential]:
    """Answer the logins of a group's checked properties, by registry. Identities are not known here."""
    found: dict[str, Credential] = {}
    for one in properties.get("imageRegistryCredentials") or ():
        user, password = one.get("username"), one.get("password")
        if user and password:
            found[one["server"]] = Bearer(password) if user == _TOKEN_USER else Basic(user, password)
    return found


def _inaccessible(name: str, why: str) -> BadRequest:
    return BadRequest(f"The image '{name}' is not accessible ({why}).", code="InaccessibleImage")
