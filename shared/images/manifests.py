"""Manifests and indexes as a registry hands them out."""

import hashlib
from dataclasses import dataclass, field
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from shared.errors import Unavailable
from shared.grant import Platform
from shared.images import platforms

INDEX_TYPES: Final = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
MANIFEST_TYPES: Final = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
ACCEPTED: Final = ", ".join(INDEX_TYPES + MANIFEST_TYPES)
"""Every request names all four: for a type left out a registry answers 404, or with another digest."""


class Descriptor(BaseModel):
    """A pointer to a manifest or a blob. `size` in bytes; `platform` only in an index."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True, extra="ignore")

    digest: str
    media_type: str = ""
    size: int = 0
    artifact_type: str | None = None
    platform: Platform | None = None
    annotations: dict[str, str] | None = None


class _Body(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, extra="ignore")

    media_type: str = ""
    manifests: tuple[Descriptor, ...] = ()
    layers: tuple[Descriptor, ...] = ()
    config: Descriptor | None = None


@dataclass(frozen=True, slots=True)
class Head:
    """What a tag or digest stands for now. `size` in bytes, 0 where the registry does not tell."""

    digest: str
    media_type: str
    size: int

    @property
    def is_index(self) -> bool:
        """Whether it lists one image per platform."""
        return self.media_type in INDEX_TYPES


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest or index with the exact bytes that its digest is of.

    An index has `entries`, its images; an image or artifact has `layers` and a `config`.
    """

    digest: str
    media_type: str
    body: bytes = field(repr=False)
    entries: tuple[Descriptor, ...] = ()
    layers: tuple[Descriptor, ...] = ()
    config: Descriptor | None = None

    @classmethod
    def read(cls, body: bytes, media_type: str, digest: str | None, *, of: str) -> "Manifest":
        """Read a registry's answer; `digest` is the one asked for or announced, `of` names the image.

        Raises `Unavailable` where the body is not what the digest says, or no manifest at all.
        """
        algorithm = digest.partition(":")[0] if digest else "sha256"
        actual = f"{algorithm}:{hashlib.new(algorithm, body).hexdigest()}"
        if digest and actual != digest:
            raise Unavailable(f"The manifest of {of} has the digest {actual}, not {digest} as announced.")
        try:
            content = _Body.model_validate_json(body)
        except ValidationError:
            raise Unavailable(f"The manifest of {of} is not one: its JSON cannot be read.") from None
        return cls(actual, media_type or content.media_type, body, content.manifests, content.layers, content.config)

    @property
    def is_index(self) -> bool:
        """Whether it lists one image per platform."""
        return self.media_type in INDEX_TYPES

    def for_platform(self, wanted: Platform) -> Descriptor | None:
        """Return an index's image for the platform, None where it has none."""
        offered = ((entry.platform, entry) for entry in self.entries if entry.platform)
        return platforms.choose(offered, wanted)
