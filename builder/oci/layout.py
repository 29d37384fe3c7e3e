"""One image in a directory of the OCI image layout, as kaniko leaves it behind."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ValidationError

from builder.faults import StepFailed
from shared.errors import LanguageError, Unavailable
from shared.images.exchange import Upload
from shared.images.manifests import Descriptor, Manifest
from shared.images.references import check_digest

_MANIFEST_LIMIT: Final = 4 * 1024**2


class _Index(BaseModel):
    manifests: tuple[Descriptor, ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """An image of a layout: its directory, its manifest, and what the manifest names, each digest once."""

    root: Path
    manifest: Manifest
    blobs: tuple[Descriptor, ...]

    def blob(self, digest: str) -> Path:
        """Return where a blob's file is if there is one. Raises LanguageError for what is no digest."""
        return _blob(self.root, digest)

    def upload(self, blob: Descriptor) -> Upload:
        """Return a blob's file as a body."""
        return Upload(_blob(self.root, blob.digest), blob.size, blob.digest)


def read_layout(root: Path) -> Layout:
    """Read the one image of a layout. Raises StepFailed where there is none, or not all of it."""
    try:
        (entry,) = _Index.model_validate_json(_head(root / "index.json")).manifests
        body = _head(_blob(root, entry.digest))
        manifest = Manifest.read(body, entry.media_type, entry.digest, of="the image that was built")
        if manifest.config is None:
            raise StepFailed("the image that was built is none: its manifest has no configuration")
        blobs = {blob.digest: blob for blob in (manifest.config, *manifest.layers)}
        if any(_blob(root, blob.digest).stat().st_size != blob.size for blob in blobs.values()):
            raise StepFailed("the image that was built is damaged: a layer is not as long as its manifest says")
    except (OSError, ValueError, ValidationError, LanguageError, Unavailable) as fault:
        raise StepFailed(f"the image that was built cannot be read ({type(fault).__name__})") from None
    return Layout(root, manifest, tuple(blobs.values()))


def _head(file: Path) -> bytes:
    """Read a file, and of one that is too long what no reader of manifests takes."""
    with file.open("rb") as content:
        return content.read(_MANIFEST_LIMIT + 1)


def _blob(root: Path, digest: str) -> Path:
    check_digest(digest, of=digest)
    return root / "blobs" / digest.replace(":", "/", 1)
