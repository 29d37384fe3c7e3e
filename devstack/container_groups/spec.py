"""What a checked request body asks for, reduced to what this service can do.

Accepted without effect: tags, identity, registry credentials, diagnostics, subnets, zones, priority,
ports of a container, confidential compute policy. Refused, because a group without them would not be
what was asked for: volumes other than `emptyDir`, a privileged container beside another one, probes, a GPU,
a public address, a restart policy other than Never.
"""

import hashlib
import json
import re
from dataclasses import dataclass, fields
from typing import Any

from devstack.container_groups.errors import BadRequest

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_ENV_NAME = re.compile(r"[^\s=\0]+")
_SMALLEST_MEMORY_GB = 0.1
_SMALLEST_CPU = 0.01
_UNSUPPORTED_GROUP = ("ipAddress", "dnsConfig", "extensions", "encryptionProperties")
_UNSUPPORTED_CONTAINER = ("livenessProbe", "readinessProbe")
_LARGEST_GROUP = 60
_LEAST_MEMORY = 64 * 1024**2
"""What an init container gets, for which nothing can be asked."""


@dataclass(frozen=True)
class Mount:
    """A volume of the group at an absolute path of a container."""

    volume: str
    path: str
    read_only: bool = False


@dataclass(frozen=True, kw_only=True)
class ContainerSpec:
    """One container.

    `memory` in bytes, `cpu` in cores; `environment` holds secure values too, hence it is not printed.
    """

    container: str
    image: str
    command: tuple[str, ...]
    environment: tuple[tuple[str, str], ...]
    memory: int
    cpu: float
    privileged: bool = False
    mounts: tuple[Mount, ...] = ()

    def __repr__(self) -> str:
        return f"{type(self).__name__}(container={self.container!r}, image={self.image!r})"


@dataclass(frozen=True, kw_only=True, repr=False)
class GroupSpec(ContainerSpec):
    """One group: its first container, those beside it, and those that run before, one after the other."""

    location: str
    others: tuple[ContainerSpec, ...] = ()
    before: tuple[ContainerSpec, ...] = ()
    volumes: tuple[str, ...] = ()

    @property
    def siblings(self) -> tuple[ContainerSpec, ...]:
        """All containers but the first."""
        return (*self.before, *self.others)

    @property
    def all_cpu(self) -> float:
        """The cores of all containers that run side by side."""
        return self.cpu + sum(other.cpu for other in self.others)


def check_group_name(name: str) -> None:
    """Raise unless `name` is a legal name of a container group (Azure: 1 to 63 of a-z, 0-9 and inner '-')."""
    if not _NAME.fullmatch(name.lower()):
        message = f"The container group name '{name}' must be 1 to 63 lower-case letters, digits or inner dashes."
        raise BadRequest(message, code="InvalidContainerGroupName")


def parse_group(body: dict[str, Any]) -> GroupSpec:
    """Read a body that `check_container_group` has passed."""
    properties = body["properties"]
    location = body.get("location")
    if not location:
        raise BadRequest("The location property is required for this definition.", code="LocationRequired")
    _refuse(properties, _UNSUPPORTED_GROUP, "properties")
    if properties["osType"].lower() != "linux":
        raise BadRequest("Only Linux container groups run here.", target="properties.osType")
    if (properties.get("restartPolicy") or "Always").lower() != "never":
        raise BadRequest("Only restartPolicy Never runs here.", target="properties.restartPolicy")
    if not 1 <= len(properties["containers"]) <= _LARGEST_GROUP:
        message = f"A group has 1 to {_LARGEST_GROUP} containers."
        raise BadRequest(message, target="properties.containers")
    sku, volumes = (properties.get("sku") or "Standard").lower(), _volumes(properties.get("volumes") or [])
    first, *others = (
        _container(each, sku, f"properties.containers[{number}]")
        for number, each in enumerate(properties["containers"])
    )
    before = tuple(
        _init(each, f"properties.initContainers[{number}]")
        for number, each in enumerate(properties.get("initContainers") or [])
    )
    spec = GroupSpec(
        **{each.name: getattr(first, each.name) for each in fields(first)},
        location=location,
        others=tuple(others),
        before=before,
        volumes=volumes,
    )
    _check_together(spec)
    return spec


def _check_together(spec: GroupSpec) -> None:
    names = [spec.container, *(each.container for each in spec.siblings)]
    if len(set(names)) < len(names):
        raise BadRequest("Two containers of the group have one name.", target="properties.containers")
    if spec.siblings and any(each.privileged for each in (spec, *spec.siblings)):
        raise BadRequest("A privileged container runs alone here.", target="properties.containers")
    for each in (spec, *spec.siblings):
        for mount in each.mounts:
            if mount.volume not in spec.volumes:
                message = f"The container '{each.container}' mounts '{mount.volume}', which the group does not have."
                raise BadRequest(message, target="properties.volumes")


def _volumes(volumes: list[dict[str, Any]]) -> tuple[str, ...]:
    for number, volume in enumerate(volumes):
        target = f"properties.volumes[{number}]"
        if not _NAME.fullmatch(volume["name"]):
            raise BadRequest(f"The volume name '{volume['name']}' is invalid.", target=target)
        if volume.get("emptyDir") is None:
            raise BadRequest("Only volumes of the kind emptyDir exist here.", target=target)
    return tuple(volume["name"] for volume in volumes)


def _container(container: dict[str, Any], sku: str, place: str) -> ContainerSpec:
    properties = container["properties"]
    _refuse(properties, _UNSUPPORTED_CONTAINER, f"{place}.properties")
    memory, cpu = _resources(properties["resources"], f"{place}.properties.resources")
    return ContainerSpec(
        container=_container_name(container, place),
        image=properties["image"],
        command=tuple(properties.get("command") or ()),
        environment=_environment(properties.get("environmentVariables") or [], f"{place}.properties"),
        memory=memory,
        cpu=cpu,
        privileged=_privileged(properties.get("securityContext") or {}, sku, f"{place}.properties"),
        mounts=_mounts(properties, place),
    )


def _init(container: dict[str, Any], place: str) -> ContainerSpec:
    properties = container["properties"]
    return ContainerSpec(
        container=_container_name(container, place),
        image=properties.get("image") or "",
        command=tuple(properties.get("command") or ()),
        environment=_environment(properties.get("environmentVariables") or [], f"{place}.properties"),
        memory=_LEAST_MEMORY,
        cpu=_SMALLEST_CPU,
        mounts=_mounts(properties, place),
    )


def _container_name(container: dict[str, Any], place: str) -> str:
    name: str = container["name"]
    if not _NAME.fullmatch(name):
        raise BadRequest(f"The container name '{name}' is invalid.", code="InvalidContainerName", target=place)
    return name


def _mounts(properties: dict[str, Any], place: str) -> tuple[Mount, ...]:
    mounts = properties.get("volumeMounts") or []
    for mount in mounts:
        path = mount["mountPath"]
        if not path.startswith("/") or set(path) & set(":\0") or ".." in path.split("/"):
            raise BadRequest(f"The mount path '{path}' is invalid.", target=f"{place}.properties.volumeMounts")
    return tuple(Mount(each["name"], each["mountPath"], bool(each.get("readOnly"))) for each in mounts)


def _resources(resources: dict[str, Any], place: str) -> tuple[int, float]:
    asked = {**resources["requests"], **{k: v for k, v in (resources.get("limits") or {}).items() if v is not None}}
    if asked.get("gpu"):
        raise BadRequest("No GPU is available here.", target=f"{place}.requests.gpu")
    memory, cpu = float(asked["memoryInGB"]), float(asked["cpu"])
    if memory < _SMALLEST_MEMORY_GB or cpu < _SMALLEST_CPU:
        raise BadRequest("The requested memory or CPU is too small.", code="ResourceRequestsNotSpecified", target=place)
    return int(memory * 1024**3), cpu


def _environment(variables: list[dict[str, Any]], place: str) -> tuple[tuple[str, str], ...]:
    for variable in variables:
        texts = (variable.get("value") or "", variable.get("secureValue") or "")
        if not _ENV_NAME.fullmatch(variable["name"]) or any("\0" in text for text in texts):
            message = f"The environment variable '{variable['name']!r}' is invalid."
            raise BadRequest(message, code="InvalidEnvironmentVariable", target=f"{place}.environmentVariables")
    return tuple((each["name"], each.get("secureValue") or each.get("value") or "") for each in variables)


def _privileged(context: dict[str, Any], sku: str, place: str) -> bool:
    """Azure honours `privileged` alone of the security context, and in Confidential groups alone."""
    if any(value for name, value in context.items() if name != "privileged"):
        raise BadRequest("Only the privileged flag is supported.", target=f"{place}.securityContext")
    privileged = bool(context.get("privileged"))
    if privileged and sku != "confidential":
        message = "A privileged container needs the Confidential SKU."
        raise BadRequest(message, code="PrivilegedContainersNotAllowed", target=f"{place}.securityContext.privileged")
    return privileged


def _refuse(properties: dict[str, Any], names: tuple[str, ...], place: str) -> None:
    for name in names:
        if properties.get(name):
            target = f"{place}.{name}"
            raise BadRequest(f"'{target}' is not supported by the local container-group service.", target=target)


def without_secrets(body: dict[str, Any]) -> dict[str, Any]:
    """Return the body as an answer may show it: no secure value, password, key or policy."""
    return {name: _shown(value) for name, value in body.items() if name.lower() not in _WRITE_ONLY}


_WRITE_ONLY = {"securevalue", "password", "workspacekey", "storageaccountkey", "protectedsettings", "secret"}


def _shown(value: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, dict):
        return without_secrets(value)
    if isinstance(value, list):
        return [_shown(item) for item in value]
    return value


def fingerprint(body: dict[str, Any]) -> str:
    """Identify a body with its secrets: a repeated PUT of the same one changes nothing."""
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
