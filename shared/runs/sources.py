"""Contexts: those that az uploads, one fresh blob each, gone after two days; and addresses to fetch from."""

import re
import uuid
from datetime import timedelta

from shared.arm.requests import RunRequest
from shared.arm.wire import SourceUpload
from shared.contexts import ArtifactContext, ContextKind, classify, read_context
from shared.errors import InvalidRequest, LanguageError, NotFound
from shared.grant import Source
from shared.images.references import Reference
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
    """Raise InvalidRequest unless the location is a context uploaded to this registry or one that can be fetched."""
    if not location:
        raise InvalidRequest(
            "The run request has no sourceLocation: a Docker build or a task file needs a context.",
            target="sourceLocation",
        )
    if classify(location) is not ContextKind.LOCAL:
        _check_remote(location)
        return
    if not _UPLOADED.fullmatch(location):
        raise InvalidRequest(
            f"The source location '{location[:200]}' is neither an uploaded context nor an address that can be"
            " fetched: https for git repositories and archives, oci:// for artifacts.",
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


def _check_remote(location: str) -> None:
    found = read_context(location)
    if isinstance(found, ArtifactContext):
        try:
            Reference.parse(found.reference)
        except LanguageError as error:
            raise InvalidRequest(error.message, target="sourceLocation") from None


def source(shop: Workshop, registry: str, request: RunRequest) -> Source:
    """Answer the context of a run as its builder gets it."""
    location = request.source_location
    if location is None:
        return Source()
    if classify(location) is not ContextKind.LOCAL:
        return Source(location=location, token=request.context_access_token)
    url = shop.storage.blobs.sas_url(_CONTAINER, f"{registry}/{location}", Permission.READ, _READ_LIFE)
    return Source(archive_url=url)


def purge_sources(shop: Workshop, registry: str) -> None:
    """Delete contexts that no run can need any more."""
    blobs = shop.storage.blobs
    for name in list(blobs.names(_CONTAINER, f"{registry}/source/", older_than=shop.clock() - _KEPT)):
        blobs.delete(_CONTAINER, name)
