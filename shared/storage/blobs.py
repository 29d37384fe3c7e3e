"""Blobs: contexts, logs, sealed requests and results, and the SAS by which others reach one of them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from azure.core import MatchConditions
from azure.storage.blob import (
    BlobSasPermissions,
    BlobServiceClient,
    ContentSettings,
    UserDelegationKey,
    generate_blob_sas,
)

from shared.errors import TooLarge
from shared.storage._faults import create_once, storage_faults

_CLOCK_SKEW = timedelta(minutes=5)
_DELEGATION_KEY_LIFE = timedelta(days=6)
"""A user delegation key lives at most seven days."""


class Permission(StrEnum):
    """What a SAS lets its bearer do with one blob."""

    UPLOAD = "cw"
    READ = "r"
    APPEND = "a"


@dataclass(frozen=True)
class BlobState:
    """Size in bytes and metadata of a blob, from one answer."""

    size: int
    metadata: Mapping[str, str]


class Blobs:
    """The blob containers of the app. Safe to use from several threads."""

    def __init__(self, client: BlobServiceClient, account_key: str | None) -> None:
        self._client = client
        self._account_key = account_key
        self._delegation: tuple[datetime, UserDelegationKey] | None = None

    def create_append(self, container: str, name: str) -> None:
        """Create an empty append blob for text. Raises Conflict when it exists."""
        content = ContentSettings(content_type="text/plain; charset=utf-8", content_encoding="utf-8")
        with storage_faults(f"Blob {name}"):
            self._blob(container, name).create_append_blob(
                content_settings=content, match_condition=MatchConditions.IfMissing
            )

    def append(self, container: str, name: str, data: bytes, *, position: int | None = None) -> None:
        """Add to the end of an append blob; with `position`, raises PreconditionFailed unless that is where it ends."""
        condition = {} if position is None else {"appendpos_condition": position}
        with storage_faults(f"Blob {name}"):
            self._blob(container, name).append_block(data, length=len(data), **condition)

    def set_metadata(self, container: str, name: str, metadata: Mapping[str, str]) -> None:
        """Replace a blob's metadata."""
        with storage_faults(f"Blob {name}"):
            self._blob(container, name).set_blob_metadata(dict(metadata))

    def state(self, container: str, name: str) -> BlobState:
        """Read size and metadata. Raises NotFound."""
        with storage_faults(f"Blob {name}"):
            properties = self._blob(container, name).get_blob_properties()
            return BlobState(properties.size, dict(properties.metadata or {}))

    def exists(self, container: str, name: str) -> bool:
        """Whether the blob is there."""
        with storage_faults(f"Blob {name}"):
            return bool(self._blob(container, name).exists())

    def put(self, container: str, name: str, data: bytes) -> None:
        """Write a blob that does not exist yet. Raises Conflict when it does."""
        with storage_faults(f"Blob {name}"):
            self._blob(container, name).upload_blob(data, overwrite=False)

    def read(self, container: str, name: str, *, offset: int = 0, length: int | None = None) -> bytes:
        """Read a blob or a part of it. Raises NotFound."""
        part = {"offset": offset, "length": length} if offset or length is not None else {}
        with storage_faults(f"Blob {name}"):
            return bytes(self._blob(container, name).download_blob(**part).readall())

    def read_whole(self, container: str, name: str, most: int) -> bytes:
        """Read a blob that somebody else has written. Raises NotFound, and TooLarge over `most` bytes."""
        size = self.state(container, name).size
        if size > most:
            raise TooLarge(f"Blob {name} has more than {most} bytes.")
        return self.read(container, name, length=size) if size else b""

    def delete(self, container: str, name: str) -> None:
        """Delete a blob; one that is gone already is fine."""
        with storage_faults(f"Blob {name}"):
            blob = self._blob(container, name)
            if blob.exists():
                blob.delete_blob()

    def names(self, container: str, prefix: str, *, older_than: datetime) -> Iterator[str]:
        """List the names below `prefix` of blobs that were last written before a moment."""
        with storage_faults(f"Blobs {prefix}"):
            for blob in self._client.get_container_client(container).list_blobs(name_starts_with=prefix):
                if blob.last_modified < older_than:
                    yield blob.name

    def sas_url(self, container: str, name: str, permission: Permission, life: timedelta) -> str:
        """Answer a URL that allows `permission` on this one blob for `life`."""
        blob = self._blob(container, name)
        now = datetime.now(UTC)
        with storage_faults(f"Blob {name}"):
            token = generate_blob_sas(
                account_name=str(self._client.account_name),
                container_name=container,
                blob_name=name,
                permission=BlobSasPermissions.from_string(permission.value),
                start=now - _CLOCK_SKEW,
                expiry=now + life,
                **self._signer(now),
            )
        return f"{blob.url}?{token}"

    def ensure(self, containers: tuple[str, ...]) -> None:
        """Create the containers that are missing."""
        for name in containers:
            create_once(self._client.get_container_client(name).create_container, f"Container {name}")

    def _blob(self, container: str, name: str) -> Any:  # noqa: ANN401 - the SDK's BlobClient is typed in parts only
        return self._client.get_blob_client(container, name)

    def _signer(self, now: datetime) -> dict[str, Any]:
        if self._account_key:
            return {"account_key": self._account_key}
        if self._delegation is None or self._delegation[0] - now < timedelta(days=2):
            end = now + _DELEGATION_KEY_LIFE
            self._delegation = (end, self._client.get_user_delegation_key(now - _CLOCK_SKEW, end))
        return {"user_delegation_key": self._delegation[1]}
