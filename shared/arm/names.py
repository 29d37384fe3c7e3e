"""Resource ids and the rules for names. Ids compare without regard to case; az lower-cases some of them."""

import re
from dataclasses import dataclass

from shared.errors import InvalidRequest

PROVIDER = "Microsoft.ContainerRegistry"
REGISTRY_TYPE = f"{PROVIDER}/registries"

_RUN_ID = re.compile(r"[a-z0-9]{1,32}")
_IMAGE_TAG = re.compile(r"[\w][\w.-]{0,127}")


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
