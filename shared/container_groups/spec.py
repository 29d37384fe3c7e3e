"""What a builder's container group looks like. Pure.

Source: the Microsoft.ContainerInstance API. `privileged` exists in its Confidential SKU only.
"""

from dataclasses import dataclass
from typing import Any

from shared.settings import Settings

CONTAINER = "builder"


@dataclass(frozen=True)
class GroupRequest:
    """A group to start: its name, region, and the token by which its builder asks for work."""

    name: str
    location: str
    token: str
    others: tuple[str, ...] = ()
    """Regions to try after that, while it has no room."""


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
    container: dict[str, Any] = {
        "image": settings.builder_image,
        "environmentVariables": environment,
        "resources": resources,
    }
    if settings.builder_privileged:
        container["securityContext"] = {"privileged": True}
    return {
        "location": request.location,
        "tags": {"slipway": "builder"},
        "properties": {
            "sku": "Confidential" if settings.builder_privileged else "Standard",
            "osType": "Linux",
            "restartPolicy": "Never",
            "containers": [{"name": CONTAINER, "properties": container}],
        }
        | _image_pull(settings)
        | _placement(settings),
    } | _identity(settings)


def _image_pull(settings: Settings) -> dict[str, Any]:
    if settings.builder_image_identity is None:
        return {}
    server = settings.builder_image.partition("/")[0]
    return {"imageRegistryCredentials": [{"server": server, "identity": settings.builder_image_identity}]}


def _placement(settings: Settings) -> dict[str, Any]:
    spot = {"priority": "Spot"} if settings.builder_spot else {}
    return spot | ({"subnetIds": [{"id": settings.builder_subnet}]} if settings.builder_subnet else {})


def _identity(settings: Settings) -> dict[str, Any]:
    if settings.builder_image_identity is None:
        return {}
    return {"identity": {"type": "UserAssigned", "userAssignedIdentities": {settings.builder_image_identity: {}}}}
