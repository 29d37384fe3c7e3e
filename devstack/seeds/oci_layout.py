"""A root file system as a single-layer image in an OCI layout, the same bytes for the same files."""

import gzip
import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Buffer, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, override

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
CREATED = "1970-01-01T00:00:00Z"
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar+gzip"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
COMPRESSION = 6


class Writable(Protocol):
    """Where bytes go."""

    def write(self, data: bytes, /) -> object:
        """Take all of `data`."""


@dataclass(frozen=True)
class ImageConfig:
    """What a container of the image starts with."""

    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    working_directory: str = "/"
    architecture: str = ""
    """In Go's names; this machine's when it is empty."""
    variant: str = ""
    user: str = ""


class _Digesting(io.RawIOBase):
    """Passes bytes on and hashes them."""

    def __init__(self, target: Writable) -> None:
        self.target = target
        self.hash = hashlib.sha256()
        self.size = 0

    @override
    def writable(self) -> bool:
        return True

    @override
    def write(self, data: Buffer, /) -> int:
        content = bytes(data)
        self.hash.update(content)
        self.size += len(content)
        self.target.write(content)
        return len(content)

    @property
    def digest(self) -> str:
        return f"sha256:{self.hash.hexdigest()}"


def write(root: Path, config: ImageConfig, target: Path) -> str:
    """Pack the files under `root` into an OCI layout at `target`; gives the manifest's digest."""
    blobs = target / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    layer, diff_id = _layer(root, blobs)
    config_entry = _blob(blobs, _json(_config(config, diff_id)), CONFIG_TYPE)
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST_TYPE, "config": config_entry, "layers": [layer]}
    manifest_entry = _blob(blobs, _json(manifest), MANIFEST_TYPE)
    index = {"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": [manifest_entry]}
    (target / "index.json").write_bytes(_json(index))
    (target / "oci-layout").write_bytes(_json({"imageLayoutVersion": "1.0.0"}))
    return str(manifest_entry["digest"])


def _layer(root: Path, blobs: Path) -> tuple[dict[str, object], str]:
    part = blobs / "layer"
    with part.open("wb") as stream:
        compressed = _Digesting(stream)
        with gzip.GzipFile(filename="", mode="wb", fileobj=compressed, compresslevel=COMPRESSION, mtime=0) as packed:
            plain = _Digesting(packed)
            with tarfile.open(fileobj=plain, mode="w|", format=tarfile.PAX_FORMAT) as archive:
                archive.add(root, arcname=".", filter=_normal)
    part.rename(blobs / compressed.hash.hexdigest())
    return {"mediaType": LAYER_TYPE, "digest": compressed.digest, "size": compressed.size}, plain.digest


def _normal(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Drop what differs from one making to the next, and device files: a container has its own."""
    if entry.isdev():
        return None
    entry.mtime = 0
    entry.uname = entry.gname = ""
    return entry


def _config(config: ImageConfig, diff_id: str) -> dict[str, object]:
    return {
        "created": CREATED,
        "architecture": config.architecture or ARCHITECTURES.get(platform.machine(), platform.machine()),
        **({"variant": config.variant} if config.variant else {}),
        "os": "linux",
        "config": {
            "Env": [f"{name}={value}" for name, value in config.environment.items()],
            "Cmd": list(config.command),
            "WorkingDir": config.working_directory,
            **({"User": config.user} if config.user else {}),
        },
        "rootfs": {"type": "layers", "diff_ids": [diff_id]},
        "history": [{"created": CREATED, "created_by": "slipway seed"}],
    }


def _blob(blobs: Path, content: bytes, media_type: str) -> dict[str, object]:
    name = hashlib.sha256(content).hexdigest()
    (blobs / name).write_bytes(content)
    return {"mediaType": media_type, "digest": f"sha256:{name}", "size": len(content)}


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
