"""The layers that kaniko keeps: brought from a registry before a build, put there after it.

With `--cache-repo=oci:PATH` kaniko keeps the layer of an instruction as an image of one layer, in an OCI layout at
`PATH:KEY`; the key stands for the base, for all instructions up to that one and for the files that they use. So it
needs no login while it builds. In a registry all of them are one manifest, whose configuration lists them.
Source: https://github.com/osscontainertools/kaniko, `pkg/cache`, `pkg/executor/push.go` and `build.go`.
"""

import asyncio
import hashlib
import json
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Final

import httpx
from pydantic import BaseModel, StringConstraints, ValidationError

from builder.engine.executor import Executor
from builder.engine.protocol import ImageBuild, Write
from builder.faults import StepFailed
from builder.oci.layout import Layout, read_layout
from shared.dockerfile import Instruction, parse
from shared.dockerfile.arguments import Keyword
from shared.dockerfile.flags import mount_fields
from shared.errors import SlipwayError
from shared.images.client import perform_async
from shared.images.distribution import blob, fetch, get
from shared.images.exchange import Sink
from shared.images.kept import KANIKO_LAYERS
from shared.images.manifests import MANIFEST_TYPES, Descriptor, Manifest
from shared.images.publishing import Blob, put_blob, put_file, put_manifest
from shared.images.references import Reference
from shared.images.session import Session

SWITCHES: Final = {
    f"FF_KANIKO_{name}": "true"
    for name in (
        "HASH_DIR_FRAMING",
        "RESOLVE_CACHE_KEY",
        "ROLLING_CACHE_KEY",
        "SCOPED_DOCKERIGNORE",
        "SKIP_RELABEL_RECOMPRESS",
        "SKIP_WRITE_WHITEOUTS",
    )
}
"""Without them different instructions can have the same key."""
_SIDE_BY_SIDE: Final = 4
_MOST: Final = 500
_LIST_LIMIT: Final = 4 * 1024**2
_LAYER_SECONDS: Final = 600.0
_KEY_LENGTH: Final = 64
_FOLDER: Final = "kept"
_KEY: Final = re.compile(rb"/kept:([0-9a-f]{64})(?![0-9a-f])")
_INDEX: Final = "application/vnd.oci.image.index.v1+json"


class _Entry(BaseModel):
    """One layer: its key, and the texts of the manifest and the configuration that kaniko has written."""

    key: Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]
    manifest: str
    config: str


class _List(BaseModel):
    entries: tuple[_Entry, ...]


class Kept:
    """The layers of one build, below a directory of its own, and the keys that kaniko has said."""

    def __init__(self, place: Path) -> None:
        self._place = place / "layers"
        self._place.mkdir()
        self._said: set[str] = set()

    def flags(self, *, writes: bool) -> list[str]:
        """Return the flags by which kaniko reads them, and adds those that it makes if it `writes`."""
        own = [f"--cache-repo=oci:{self._place / _FOLDER}", "--cache-copy-layers=true", "--cache-dir="]
        return ["--cache=true", *own, *([] if writes else ["--no-push-cache=true"])]

    def listening(self, write: Write) -> Write:
        """Return what passes kaniko's output on, and notes of which keys it speaks: the others are of no more use."""
        rest = b""

        def listen(data: bytes) -> None:
            nonlocal rest
            write(data)
            rest += data
            self._said.update(key.decode() for key in _KEY.findall(rest))
            # What is cut off here may be the beginning of a key.
            rest = rest[-_KEY_LENGTH - len(_FOLDER) - 2 :]

        return listen

    async def bring(self, http: httpx.AsyncClient, registries: Session, cache: Reference) -> int:
        """Put down what a registry has and return how many layers there are. Raises SlipwayError or OSError."""
        manifest = await perform_async(http, get(registries, cache))
        if manifest.config is None or manifest.config.media_type != KANIKO_LAYERS:
            return 0
        text = await perform_async(http, blob(registries, cache, manifest.config.digest, _LIST_LIMIT))
        try:
            entries = [_checked(entry) for entry in _List.model_validate_json(text).entries[:_MOST]]
        except ValidationError:
            raise StepFailed(f"the list of layers in {cache} cannot be read") from None
        turn = asyncio.Semaphore(_SIDE_BY_SIDE)

        async def load(layer: Descriptor) -> None:
            async with turn:
                await self._load(http, registries, cache, layer)

        layers = {found.layers[0].digest: found.layers[0] for _, found in entries}
        try:
            async with asyncio.TaskGroup() as tasks:
                for layer in layers.values():
                    tasks.create_task(load(layer))
        except* (SlipwayError, OSError) as faults:
            raise faults.exceptions[0] from None
        for entry, found in entries:
            self._lay_out(entry, found)
        return len(entries)

    async def put(self, http: httpx.AsyncClient, registries: Session, cache: Reference) -> None:
        """Put the layers of which kaniko has spoken into a registry, replacing what lies there. Raises SlipwayError."""
        found = {key: read_layout(self._at(key)) for key in sorted(self._said) if self._at(key).is_dir()}
        if not found:
            raise StepFailed("kaniko has kept none")
        for layer, layout in {layout.manifest.layers[0].digest: layout for layout in found.values()}.items():
            upload = next(layout.upload(one) for one in layout.blobs if one.digest == layer)
            await perform_async(http, put_file(registries, cache, upload))
        listed = _List(entries=tuple(_entry(key, layout) for key, layout in found.items()))
        config = Blob(KANIKO_LAYERS, listed.model_dump_json().encode())
        await perform_async(http, put_blob(registries, cache, config))
        manifest = _manifest(config, (layout.manifest.layers[0] for layout in found.values()))
        await perform_async(http, put_manifest(registries, cache, manifest, cache.target))

    def _at(self, key: str) -> Path:
        return self._place / f"{_FOLDER}:{key}"

    def _loaded(self, digest: str) -> Path:
        return self._place / digest.replace(":", "-")

    async def _load(self, http: httpx.AsyncClient, registries: Session, cache: Reference, layer: Descriptor) -> None:
        with self._loaded(layer.digest).open("wb") as file:
            sink = Sink(file.write, layer.size, _LAYER_SECONDS)
            await perform_async(http, fetch(registries, cache, layer.digest, sink))

    def _lay_out(self, entry: _Entry, manifest: Manifest) -> None:
        root = self._at(entry.key)
        blobs = root / "blobs" / "sha256"
        blobs.mkdir(parents=True)
        for text in (entry.manifest, entry.config):
            (blobs / hashlib.sha256(text.encode()).hexdigest()).write_text(text)
        layer = manifest.layers[0].digest
        os.link(self._loaded(layer), blobs / layer.partition(":")[2])
        told = {"mediaType": manifest.media_type, "size": len(manifest.body), "digest": manifest.digest}
        (root / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
        (root / "index.json").write_text(json.dumps({"schemaVersion": 2, "mediaType": _INDEX, "manifests": [told]}))


def may_keep(build: ImageBuild, kaniko: Executor) -> bool:
    """Whether the keys of a build stand for all that goes into it. Pure.

    They stand for no file that is fetched from an address, and for none that is mounted.
    """
    stages = parse(build.dockerfile).stages
    body = [instruction.trigger or instruction for stage in stages for instruction in stage.body]
    return kaniko.is_recent and not any(map(_is_open, body))


def _is_open(instruction: Instruction) -> bool:
    match instruction.keyword:
        case Keyword.ADD:
            return any("://" in source or "$" in source for source in instruction.arguments[:-1])
        case Keyword.RUN:
            mounts = [mount_fields(flag.value or "") for flag in instruction.flags if flag.name == "mount"]
            return not all("type=cache" in fields or "type=secret" in fields for fields in mounts)
    return False


def _checked(entry: _Entry) -> tuple[_Entry, Manifest]:
    """Return an entry with its manifest. Raises SlipwayError for one that is not what kaniko writes."""
    manifest = Manifest.read(entry.manifest.encode(), "", None, of="a kept layer")
    config = f"sha256:{hashlib.sha256(entry.config.encode()).hexdigest()}"
    is_sound = manifest.config is not None and manifest.config.digest == config and len(manifest.layers) == 1
    if not is_sound or not re.fullmatch(r"sha256:[0-9a-f]{64}", manifest.layers[0].digest):
        raise StepFailed("a kept layer is not what its list says")
    return entry, manifest


def _entry(key: str, layout: Layout) -> _Entry:
    assert layout.manifest.config is not None  # noqa: S101 - read_layout refuses others
    config = layout.blob(layout.manifest.config.digest).read_text()
    return _Entry(key=key, manifest=layout.manifest.body.decode(), config=config)


def _manifest(config: Blob, layers: Iterable[Descriptor]) -> Blob:
    distinct = {layer.digest: layer for layer in layers}
    described = [
        {"mediaType": layer.media_type, "digest": digest, "size": layer.size} for digest, layer in distinct.items()
    ]
    body = {"schemaVersion": 2, "mediaType": MANIFEST_TYPES[0], "config": config.descriptor, "layers": described}
    return Blob(MANIFEST_TYPES[0], json.dumps(body).encode())
