"""Tasks as ARM resources. Pure.

Source: recordings of the real service: null members are left out, but a custom registry is shown as null.
"""

from typing import Any

from shared.arm.names import REGISTRY_TYPE, RegistryId
from shared.arm.wire import arm_time
from shared.tasks.model import DockerStep, Identity, IdentityType, TaskProperties, TaskSpec
from shared.tasks.record import Task

_CPU = 2


def task_answer(registry: RegistryId, task: Task) -> dict[str, Any]:
    """Answer the resource of a task without its secrets."""
    return _answer(registry, task, task.spec)


def task_details(registry: RegistryId, task: Task, full: TaskSpec) -> dict[str, Any]:
    """Answer the resource of a task with its secrets in clear.

    A task with identities shows its user identities even when it has none: az 2.91 fails without the member. One
    without triggers shows that it has no timers: az takes a task whose triggers are empty for one that can have none.
    """
    answer = _answer(registry, task, full)
    answer["properties"].setdefault("trigger", {"timerTriggers": []})
    if "identity" in answer:
        answer["identity"].setdefault("userAssignedIdentities", {})
    return answer


def _answer(registry: RegistryId, task: Task, spec: TaskSpec) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "type": f"{REGISTRY_TYPE}/tasks",
        "id": f"{registry}/tasks/{task.name}",
        "name": task.name,
        "location": spec.location,
        "properties": _properties(task, spec.properties),
        "systemData": task.system_data.json_object(),
        "tags": dict(spec.tags),
    }
    if spec.identity is not None and spec.identity.type is not IdentityType.NONE:
        answer["identity"] = _identity(spec.identity)
    return answer


def _identity(identity: Identity) -> dict[str, Any]:
    shown = identity.json_object()
    if not identity.user_assigned_identities:
        shown.pop("userAssignedIdentities", None)
    return shown


def _properties(task: Task, properties: TaskProperties) -> dict[str, Any]:
    shown = properties.json_object()
    shown |= {"provisioningState": "Succeeded", "creationDate": arm_time(task.created)}
    shown["agentConfiguration"] = shown["agentConfiguration"] or {"cpu": _CPU}
    shown["trigger"] = {name: value for name, value in shown["trigger"].items() if value}
    _credentials(shown, properties)
    if properties.step is not None:
        shown["step"] |= _lists(properties)
        if task.base_images:
            shown["step"]["baseImageDependencies"] = [image.json_object() for image in task.base_images]
    for name in ("step", "trigger"):
        if not shown.get(name):
            shown.pop(name, None)
    return shown


def _credentials(shown: dict[str, Any], properties: TaskProperties) -> None:
    registries = properties.credentials.custom_registries
    logins = {host: None if login is None else login.json_object() for host, login in registries.items()}
    source = properties.credentials.source_registry
    credentials: dict[str, Any] = {"customRegistries": logins} if logins else {}
    if source is not None and source.json_object():
        credentials["sourceRegistry"] = source.json_object()
    shown.pop("credentials", None)
    if credentials:
        shown["credentials"] = credentials


def _lists(properties: TaskProperties) -> dict[str, Any]:
    step = properties.step
    if isinstance(step, DockerStep):
        return {"arguments": [argument.json_object() for argument in step.arguments]}
    return {} if step is None else {"values": [value.json_object() for value in step.values]}
