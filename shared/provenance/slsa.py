"""How an image came to be, as SLSA's provenance, version 1. Pure.

The deployment states what it knows itself: what was asked for, by which cause, which builder was given the work, when.
What only the builder can know, the digests it built on, is marked as its word: a builder runs hostile code.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

from shared.arm.parts import Argument
from shared.arm.requests import DockerBuildRequest, EncodedTaskRunRequest, FileTaskRunRequest, QuickRunRequest
from shared.arm.wire import BaseImage, arm_time
from shared.runs.model import Run

PREDICATE_TYPE: Final = "https://slsa.dev/provenance/v1"
_BUILD_TYPE: Final = "urn:slipway:run:v1"
_BUILDERS_WORD: Final = {"statedBy": "builder"}


@dataclass(frozen=True)
class Origin:
    """Where a run was executed: the deployment's address, the registry's resource id, the builder image."""

    deployment: str
    registry_id: str
    builder_image: str


def provenance(run: Run, request: QuickRunRequest, origin: Origin) -> dict[str, Any]:
    """Answer the predicate for the images of a run. It holds no secret value and no credential of an address."""
    return {
        "buildDefinition": {
            "buildType": _BUILD_TYPE,
            "externalParameters": _asked(run, request),
            "internalParameters": {
                "registry": origin.registry_id,
                "run": run.id,
                "builderImage": origin.builder_image,
                "agentPool": run.agent_pool or "",
            },
            "resolvedDependencies": [*_source(run), *(_base(image) for image in run.base_images)],
        },
        "runDetails": {
            "builder": {"id": origin.deployment},
            "metadata": {
                "invocationId": f"{origin.deployment}{origin.registry_id}/runs/{run.id}",
                **({"startedOn": arm_time(run.started)} if run.started else {}),
                **({"finishedOn": arm_time(run.finished)} if run.finished else {}),
            },
        },
    }


def _asked(run: Run, request: QuickRunRequest) -> dict[str, Any]:
    told: dict[str, Any] = {
        "kind": request.type,
        "context": without_login(request.source_location or ""),
        "platform": ",".join(map(str, run.platforms)),
        "task": run.task or "",
        "cause": _cause(run),
    }
    match request:
        case DockerBuildRequest():
            return told | {
                "dockerfile": request.docker_file_path,
                "images": list(request.image_names),
                "target": request.target or "",
                "noCache": request.no_cache,
                **_values(request.arguments, "arguments"),
            }
        case FileTaskRunRequest():
            return told | {"taskFile": request.task_file_path, **_values(request.values, "values")}
        case EncodedTaskRunRequest():
            digest = {"sha256": hashlib.sha256(request.task_content.encode()).hexdigest()}
            return told | {"taskText": digest, **_values(request.values, "values")}


def _values(given: Iterable[Argument], name: str) -> dict[str, Any]:
    shown = {one.name: one.value for one in given if not one.is_secret}
    return {name: shown, f"secret{name.capitalize()}": [one.name for one in given if one.is_secret]}


def without_login(address: str) -> str:
    """Answer an address without user, password and query, where tokens are written."""
    parts = urlsplit(address)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", parts.fragment))


def _cause(run: Run) -> dict[str, Any]:
    told = run.cause.model_dump(mode="json", by_alias=True, exclude_none=True)
    source = run.cause.source_trigger
    if source and source.repository_url:
        told["source_trigger"]["repositoryUrl"] = without_login(source.repository_url)
    return told


def _source(run: Run) -> list[dict[str, Any]]:
    """Answer the commit that a git host told of; what a builder fetched otherwise only it can say."""
    source = run.cause.source_trigger
    if source is None or not source.commit_id:
        return []
    return [{"uri": f"git+{without_login(source.repository_url or '')}", "digest": {"gitCommit": source.commit_id}}]


def _base(image: BaseImage) -> dict[str, Any]:
    tag = f":{image.tag}" if image.tag else ""
    algorithm, _, encoded = (image.digest or "").partition(":")
    return {
        "uri": f"docker://{image.registry}/{image.repository}{tag}",
        **({"digest": {algorithm: encoded}} if encoded else {}),
        "annotations": {**_BUILDERS_WORD, "type": image.type},
    }
