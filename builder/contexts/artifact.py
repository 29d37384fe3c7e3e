"""An artifact of a registry as a context: its files as ORAS would lay them out, its tar layers unpacked."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from builder.contexts.source import Context
from builder.contexts.tree import components, replacing
from builder.contexts.unpack import Meter, unpack_beside
from builder.faults import ContextRefused
from shared.errors import TooLarge, Unavailable
from shared.grant import Limits, Platform
from shared.images.client import perform_async
from shared.images.distribution import fetch, get
from shared.images.exchange import Sink
from shared.images.manifests import Descriptor, Manifest
from shared.images.references import Reference
from shared.images.session import Session

_ATTEMPTS: Final = 3
_TITLE: Final = "org.opencontainers.image.title"
_IS_FOLDER: Final = "io.deis.oras.content.unpack"


@dataclass(frozen=True, slots=True)
class Artifact:
    """An artifact, or the image for `platform` of an index. `session` and `http` reach the registry.

    A layer with a title is a file of that name, or a packed folder if it says so; one without is unpacked if
    it is a tar file. `spool` is where one layer lies meanwhile.
    """

    reference: Reference
    session: Session
    http: httpx.AsyncClient
    platform: Platform
    limits: Limits
    spool: Path

    async def fetch(self, root: Path) -> Context:
        """Fetch layer by layer; every byte is checked against its digest before it is used."""
        meter = Meter(self.limits)
        layers = [layer for layer in (await self._manifest()).layers if _title(layer) or _is_packed(layer)]
        if not layers:
            raise ContextRefused(f"the artifact {self.reference} holds no files")
        try:
            for layer in layers:
                await self._download(layer, self.limits.archive_bytes - meter.packed)
                await self._place(layer, root, meter)
        finally:
            self.spool.unlink(missing_ok=True)
        return Context(root)

    async def _manifest(self) -> Manifest:
        manifest = await perform_async(self.http, get(self.session, self.reference))
        if not manifest.is_index:
            return manifest
        entry = manifest.for_platform(self.platform)
        if entry is None:
            raise ContextRefused(f"the artifact {self.reference} has nothing for {self.platform}")
        return await perform_async(self.http, get(self.session, self.reference.with_digest(entry.digest)))

    async def _download(self, layer: Descriptor, left: int) -> None:
        """Fetch a layer; a connection that breaks is tried again."""
        for remaining in reversed(range(_ATTEMPTS)):
            try:
                return await self._attempt(layer, left)
            except TooLarge:
                raise ContextRefused(f"the artifact is larger than {self.limits.archive_bytes} bytes") from None
            except Unavailable:
                if not remaining:
                    raise
        return None

    async def _attempt(self, layer: Descriptor, left: int) -> None:
        with self.spool.open("wb") as file:
            sink = Sink(file.write, left, self.limits.fetch_seconds)
            await perform_async(self.http, fetch(self.session, self.reference, layer.digest, sink))

    async def _place(self, layer: Descriptor, root: Path, meter: Meter) -> None:
        title = _title(layer)
        if _is_packed(layer):
            await unpack_beside(self.spool, root, meter)
            return
        parts = components(title)
        if not parts:
            raise ContextRefused(f"the artifact holds a file without a name: {title!r}")
        size = self.spool.stat().st_size
        meter.packed += size
        meter.entry()
        meter.wrote(size)
        with self.spool.open("rb") as source, replacing(root, parts) as file:
            shutil.copyfileobj(source, file)


def _title(layer: Descriptor) -> str:
    return (layer.annotations or {}).get(_TITLE, "")


def _is_packed(layer: Descriptor) -> bool:
    """Tell whether a layer is a tar file to unpack. ORAS gives even plain files a tar's media type, with a title."""
    if _title(layer):
        return (layer.annotations or {}).get(_IS_FOLDER) == "true"
    return "tar" in layer.media_type.replace("+", ".").split(".")
