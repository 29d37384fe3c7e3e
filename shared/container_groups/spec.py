"""What a builder's container group looks like. Pure.

Source: the Microsoft.ContainerInstance API. `privileged` exists in its Confidential SKU only; a blank policy there
means Azure's default one, which attests no software.
"""

from dataclasses import dataclass
from typing import Any

from shared.settings import BuilderKind, Settings

CONTAINER = "builder"


@dataclass(frozen=True)
class GroupRequest:
    """A group to start: its name, region, and the token by which its builder asks for work."""

    name: str
    location: str
    token: str
    others: tuple[str, ...] = ()
    """Regions to try after that, while it has no room."""
    kind: BuilderKind = BuilderKind.FULL


def group_spec(request: GroupRequest, settings: Settings, ca_bundle: str) -> dict[str, Any]:
    """Answer the JSON of the group. Only `secureValue` members hold secrets; `ca_bundle` is PEM text or empty."""
    environment = [
        {"name": "SLIPWAY_URL", "value": settings.public_url},
        {"name": "SLIPWAY_GROUP", "value": request.name},
        {"name": "SLIPWAY_GROUP_TOKEN", "secureValue": request.token},
    ]
    if ca_bundle:
        environment.append({"name": "SLIPWAY_CA_BUNDLE", "value": ca_bundle})
    resources = {"requests": {"cpu": settings.builder_cpu, "memoryInGB": settings.builder_memory}}
    image = _image(request.kind, settings)
    container: dict[str, Any] = {"image": image, "environmentVariables": environment, "resources": resources}
    if request.kind is BuilderKind.FULL:
        container["securityContext"] = {"privileged": True}
    return {
        "location": request.location,
        "tags": {"slipway": "builder"},
        "properties": {
            "osType": "Linux",
            "restartPolicy": "Never",
            "containers": [{"name": CONTAINER, "properties": container}],
        }
        | _sku(request.kind)
        | _image_pull(image, settings)
        | _placement(request.kind, settings),
    } | _identity(settings)


def _image(kind: BuilderKind, settings: Settings) -> str:
    return (settings.confined_image if kind is BuilderKind.CONFINED else "") or settings.builder_image


def _sku(kind: BuilderKind) -> dict[str, Any]:
    if kind is BuilderKind.CONFINED:
        return {"sku": "Standard"}
    return {"sku": "Confidential", "confidentialComputeProperties": {"ccePolicy": ""}}


def _image_pull(image: str, settings: Settings) -> dict[str, Any]:
    if settings.builder_image_identity is None:
        return {}
    server = image.partition("/")[0]
    return {"imageRegistryCredentials": [{"server": server, "identity": settings.builder_image_identity}]}


def _placement(kind: BuilderKind, settings: Settings) -> dict[str, Any]:
    spot = {"priority": "Spot"} if settings.builder_spot and kind is BuilderKind.CONFINED else {}
    return spot | ({"subnetIds": [{"id": settings.builder_subnet}]} if settings.builder_subnet else {})


def _identity(settings: Settings) -> dict[str, Any]:
    if settings.builder_image_identity is None:
        return {}
    return {"identity": {"type": "UserAssigned", "userAssignedIdentities": {settings.builder_image_identity: {}}}}
