"""What a builder's container group looks like. Pure.

Source: the Microsoft.ContainerInstance API. `privileged` exists in its Confidential SKU only; a blank policy there
means Azure's default one, which attests no software.
"""

from dataclasses import dataclass, field
from typing import Any

from shared.grant import RegistryLogin, StepContainer
from shared.images.credentials import TOKEN_USER
from shared.settings import BuilderKind, Settings

CONTAINER = "builder"
SHARED, WORKSPACE, HOME = "shared", "workspace", "home"
"""Volumes that the builder and its steps share."""
_BUILDER_HOME = "/kaniko/slipway"
_IN_STEPS = {SHARED: "/slipway", WORKSPACE: "/workspace", HOME: "/acb/home"}
_TOOLS = "cp /kaniko/bin/busybox /kaniko/agent/builder/image/step.sh /slipway/"
_STEP_CPU, _STEP_MEMORY = 0.1, 0.2
"""What is set aside for a step; it may use all that its group has."""


@dataclass(frozen=True)
class GroupRequest:
    """A group to start: its name, region, and the token by which its builder asks for work."""

    name: str
    location: str
    token: str
    others: tuple[str, ...] = ()
    """Regions to try after that, while it has no room."""
    kind: BuilderKind = BuilderKind.FULL
    steps: tuple[StepContainer, ...] = ()
    """Steps that a confined builder runs in containers of the group, one each."""
    is_spot: bool = False
    """Whether it is cheaper and may be taken away at any time; not for full ones."""
    logins: tuple[RegistryLogin, ...] = field(default=(), repr=False)
    """Logins by which their images are pulled."""


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
    steps = [_step(index, step.image or image, settings) for index, step in enumerate(request.steps)]
    if steps:
        container["volumeMounts"] = [{"name": name, "mountPath": f"{_BUILDER_HOME}/{name}"} for name in _IN_STEPS]
    return {
        "location": request.location,
        "tags": {"slipway": "builder"},
        "properties": {
            "osType": "Linux",
            "restartPolicy": "Never",
            "containers": [{"name": CONTAINER, "properties": container}, *steps],
        }
        | (_shared_with_steps(image) if steps else {})
        | _sku(request.kind)
        | _image_pull(image, settings, request.logins)
        | _placement(request, settings),
    } | _identity(settings)


def _image(kind: BuilderKind, settings: Settings) -> str:
    return (settings.confined_image if kind is BuilderKind.CONFINED else "") or settings.builder_image


def _sku(kind: BuilderKind) -> dict[str, Any]:
    if kind is BuilderKind.CONFINED:
        return {"sku": "Standard"}
    return {"sku": "Confidential", "confidentialComputeProperties": {"ccePolicy": ""}}


def _step(index: int, image: str, settings: Settings) -> dict[str, Any]:
    """Answer the container that waits for a step. What it is to run is told by the builder, when it comes to it.

    One whose image does not exist yet has the builder's own, and makes itself into it (`builder/rootfs`).
    """
    most = {"cpu": settings.builder_cpu, "memoryInGB": settings.builder_memory}
    properties = {
        "image": image,
        "command": ["/slipway/busybox", "sh", "/slipway/step.sh", f"/slipway/steps/{index}"],
        "resources": {"requests": {"cpu": _STEP_CPU, "memoryInGB": _STEP_MEMORY}, "limits": most},
        "volumeMounts": [{"name": name, "mountPath": path} for name, path in _IN_STEPS.items()],
    }
    return {"name": f"step-{index}", "properties": properties}


def _shared_with_steps(image: str) -> dict[str, Any]:
    """Answer the volumes, and the container that puts the steps' tools there before any image of theirs starts."""
    tools = {
        "image": image,
        "command": ["/kaniko/bin/busybox", "sh", "-c", f"/kaniko/bin/busybox {_TOOLS}"],
        "volumeMounts": [{"name": SHARED, "mountPath": _IN_STEPS[SHARED]}],
    }
    return {
        "volumes": [{"name": name, "emptyDir": {}} for name in _IN_STEPS],
        "initContainers": [{"name": "tools", "properties": tools}],
    }


def _image_pull(image: str, settings: Settings, logins: tuple[RegistryLogin, ...]) -> dict[str, Any]:
    credentials = [_credential(login) for login in logins if login.token or login.username]
    if settings.builder_image_identity is not None:
        server = image.partition("/")[0]
        own = {"server": server, "identity": settings.builder_image_identity}
        credentials = [own, *(one for one in credentials if one["server"] != server)]
    return {"imageRegistryCredentials": credentials} if credentials else {}


def _credential(login: RegistryLogin) -> dict[str, Any]:
    return {
        "server": login.registry,
        "username": login.username or TOKEN_USER,
        "password": login.password or login.token or "",
    }


def _placement(request: GroupRequest, settings: Settings) -> dict[str, Any]:
    spot = {"priority": "Spot"} if request.is_spot and request.kind is BuilderKind.CONFINED else {}
    return spot | ({"subnetIds": [{"id": settings.builder_subnet}]} if settings.builder_subnet else {})


def _identity(settings: Settings) -> dict[str, Any]:
    if settings.builder_image_identity is None:
        return {}
    return {"identity": {"type": "UserAssigned", "userAssignedIdentities": {settings.builder_image_identity: {}}}}
