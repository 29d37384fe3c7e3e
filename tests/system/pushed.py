"""What lies in the registry under a tag, to the last byte of its layers."""

import io
import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    from tests.system.conftest import Stack

_MANIFEST = "application/vnd.oci.image.manifest.v1+json"


@dataclass(frozen=True)
class Entry:
    """A file, folder or link of a layer."""

    mode: int
    owner: tuple[int, int]
    content: bytes


@dataclass(frozen=True)
class Contents:
    """An image: its manifest and configuration as they are sent, and what its layers unpack to, lowest first."""

    manifest: bytes
    config: bytes
    layers: tuple[Mapping[str, Entry], ...]

    @property
    def files(self) -> dict[str, Entry]:
        """What a container sees, by path without the leading slash; deletions are left out of account."""
        return {path: entry for layer in self.layers for path, entry in layer.items()}

    def holds(self, text: str) -> bool:
        """Whether a text stands anywhere in the image, in a name too."""
        wanted = text.encode()
        entries = ((path.encode(), entry.content) for layer in self.layers for path, entry in layer.items())
        return any(wanted in part for part in (self.manifest, self.config, *(one for pair in entries for one in pair)))


def contents(stack: "Stack", repository: str, tag: str) -> Contents:
    """Fetch the image or the kept layers that a tag stands for."""
    base = f"https://{stack.login_server}/v2/{repository}"
    with stack.http() as client:
        headers = {"Authorization": f"Bearer {_token(stack, client, repository)}", "Accept": _MANIFEST}

        def get(path: str) -> bytes:
            return client.get(f"{base}/{path}", headers=headers).raise_for_status().content

        manifest = get(f"manifests/{tag}")
        told = json.loads(manifest)
        layers = tuple(_unpacked(get(f"blobs/{layer['digest']}")) for layer in told["layers"])
        return Contents(manifest, get(f"blobs/{told['config']['digest']}"), layers)


def _unpacked(layer: bytes) -> dict[str, Entry]:
    with tarfile.open(fileobj=io.BytesIO(layer)) as archive:
        return {member.name.rstrip("/"): _entry(archive, member) for member in archive}


def _entry(archive: tarfile.TarFile, member: tarfile.TarInfo) -> Entry:
    file: Any = archive.extractfile(member) if member.isreg() else None
    return Entry(member.mode, (member.uid, member.gid), file.read() if file else b"")


def _token(stack: "Stack", client: httpx.Client, repository: str) -> str:
    auth = json.loads(stack.target.layout.registry_auth.read_text())["auths"][stack.login_server]["auth"]
    answer = client.get(
        stack.target.ports.token_realm,
        params={"service": stack.login_server, "scope": f"repository:{repository}:pull"},
        headers={"Authorization": f"Basic {auth}"},
    )
    return str(answer.raise_for_status().json()["token"])
