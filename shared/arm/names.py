"""Resource ids and the rules for names. Ids compare without regard to case; az lower-cases some of them."""

import re
from dataclasses import dataclass

from shared.errors import InvalidRequest

PROVIDER = "Microsoft.ContainerRegistry"
REGISTRY_TYPE = f"{PROVIDER}/registries"

_RUN_ID = re.compile(r"[a-z0-9]{1,32}")
_TASK_NAME = re.compile(r"[A-Za-z0-9_-]{5,50}")
_TASK_RUN_NAME = re.compile(r"[A-Za-z0-9-]{5,50}")
_POOL_NAME = re.compile(r"[A-Za-z0-9-]{3,20}")


@dataclass(frozen=True)
class RegistryId:
    """The ARM id of a registry, in the caller's own spelling."""

    subscription: str
    resource_group: str
    name: str

    @property
    def key(self) -> str:
        """The storage key: registry names are unique in Azure and never differ by case alone."""
        return self.name.lower()

    def __str__(self) -> str:
        return (
            f"/subscriptions/{self.subscription}/resourceGroups/{self.resource_group}"
            f"/providers/{REGISTRY_TYPE}/{self.name}"
        )

    def same_as(self, other: "RegistryId") -> bool:
        """Whether both name the same registry."""
        return str(self).lower() == str(other).lower()


def parse_registry_id(text: str) -> RegistryId:
    """Read a registry's ARM id. Raises InvalidRequest for anything else."""
    parts = text.split("/")
    shape = [parts[i].lower() for i in (1, 3, 5, 6, 7)] if len(parts) == 9 else []  # noqa: PLR2004 - the id's segments
    if shape != ["subscriptions", "resourcegroups", "providers", PROVIDER.lower(), "registries"]:
        raise InvalidRequest(f"'{text[:200]}' is not the resource id of a container registry.", target="id")
    return RegistryId(parts[2], parts[4], parts[8])


def parse_run_id(text: str) -> str:
    """Answer the run id in lower case. Raises InvalidRequest when it cannot be one."""
    lowered = text.lower()
    if not _RUN_ID.fullmatch(lowered):
        raise InvalidRequest(f"'{text[:64]}' is not a run id.", target="runId")
    return lowered


def parse_task_name(text: str, target: str = "taskName") -> str:
    """Answer a task's name. Raises InvalidRequest when it cannot be one."""
    if not _TASK_NAME.fullmatch(text):
        raise InvalidRequest(
            f"'{text[:64]}' is not a task name: it has 5 to 50 letters, digits, '-' and '_'.", target=target
        )
    return text


def parse_task_run_name(text: str) -> str:
    """Answer the name of a taskRuns resource. Raises InvalidRequest when it cannot be one."""
    if not _TASK_RUN_NAME.fullmatch(text):
        raise InvalidRequest(
            f"'{text[:64]}' is not a task run name: it has 5 to 50 letters, digits and '-'.", target="taskRunName"
        )
    return text


def parse_pool_name(text: str) -> str:
    """Answer an agent pool's name. Raises InvalidRequest when it cannot be one."""
    if not _POOL_NAME.fullmatch(text):
        raise InvalidRequest(
            f"'{text[:64]}' is not an agent pool name: it has 3 to 20 letters, digits and '-'.", target="agentPoolName"
        )
    return text


def parse_task_id(text: str, registry: RegistryId) -> str:
    """Answer the name in a task's resource id. Raises InvalidRequest unless it is a task of this registry."""
    owner, found, name = _split_task_id(text)
    if not found or not owner.same_as(registry):
        raise InvalidRequest(
            f"'{text[:300]}' is not the id of a task of the registry {registry.name}.", target="taskId"
        )
    return parse_task_name(name, "taskId")


def _split_task_id(text: str) -> tuple[RegistryId, bool, str]:
    head, _, name = text.rpartition("/")
    head, _, kind = head.rpartition("/")
    try:
        return parse_registry_id(head), kind.lower() == "tasks", name
    except InvalidRequest:
        return RegistryId("", "", ""), False, ""
