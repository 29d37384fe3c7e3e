"""Contexts that az uploads: one fresh blob each, reached by a write-only SAS, gone after two days."""

import re
import uuid
from datetime import timedelta

from shared.arm.wire import SourceUpload
from shared.errors import InvalidRequest, NotFound
from shared.grant import Source
from shared.runs.context import Workshop
from shared.storage import Permission

_CONTAINER = "sources"
_UPLOAD_LIFE = timedelta(hours=1)
_READ_LIFE = timedelta(hours=9)
_KEPT = timedelta(days=2)
_UPLOADED = re.compile(r"source/[0-9]{12}/[0-9a-f-]{36}\.tar\.gz")


def upload_location(shop: Workshop, registry: str) -> SourceUpload:
    """Answer where to upload a context, and the `sourceLocation` that stands for it."""
    path = f"source/{shop.clock():%Y%m%d}0000/{uuid.uuid4()}.tar.gz"
    url = shop.storage.blobs.sas_url(_CONTAINER, f"{registry}/{path}", Permission.UPLOAD, _UPLOAD_LIFE)
    return SourceUpload(upload_url=url, relative_path=path)


def check_location(shop: Workshop, registry: str, location: str | None) -> None:
    """Raise InvalidRequest unless the location is a context that was uploaded to this registry."""
    if not location:
        raise InvalidRequest(
            "The run request has no sourceLocation: a Docker build needs a context.", target="sourceLocation"
        )
    if not _UPLOADED.fullmatch(location):
        raise InvalidRequest(
            f"The source location '{location[:200]}' is not supported yet: only uploaded contexts are."
            " Give az a local directory.",
            target="sourceLocation",
        )
    try:
        shop.storage.blobs.state(_CONTAINER, f"{registry}/{location}")
    except NotFound:
        raise InvalidRequest(
            f"The provided source location '{location}' is invalid or does not exist. Please use"
            " 'GetBuildSourceUploadUrl' to get a valid location to upload the source.",
            target="sourceLocation",
        ) from None


def source(shop: Workshop, registry: str, location: str | None) -> Source:
    """Answer the context of a run as its builder gets it."""
    if location is None:
        return Source()
    url = shop.storage.blobs.sas_url(_CONTAINER, f"{registry}/{location}", Permission.READ, _READ_LIFE)
    return Source(archive_url=url)


def purge_sources(shop: Workshop, registry: str) -> None:
    """Delete contexts that no run can need any more."""
    blobs = shop.storage.blobs
    for name in list(blobs.names(_CONTAINER, f"{registry}/source/", older_than=shop.clock() - _KEPT)):
        blobs.delete(_CONTAINER, name)
