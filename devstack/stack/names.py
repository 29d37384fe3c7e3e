"""The names that a local stack goes by. They are public, fixed, and mean nothing outside this machine."""

import uuid

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "slipway.test")


def local_id(name: str) -> str:
    """Derive the GUID of a local thing from its name: the same on every machine."""
    return str(uuid.uuid5(_NAMESPACE, name))


TENANT_ID = local_id("tenant")
SUBSCRIPTION_ID = local_id("subscription")
CLOUD = "Slipway"

REGISTRY = "localreg"
DOMAIN = "slipway.test"
REGISTRY_HOST = f"{REGISTRY}.{DOMAIN}"
OTHER_REGISTRY = "otherreg"
"""A second one, so that what crosses registries can be tried."""
OTHER_REGISTRY_HOST = f"{OTHER_REGISTRY}.{DOMAIN}"
REGISTRY_ADDRESS_IN_GROUPS = "10.99.0.1"
"""The address that the registries' names have inside a container group."""

GIT_HOSTS = ("git.slipway.test", "github.com", "dev.azure.com", "contoso.visualstudio.com")
"""The hosts for which the tests' own git server stands in."""

RESOURCE_GROUP = f"/subscriptions/{SUBSCRIPTION_ID}/resourceGroups/slipway"
BUILDER_RESOURCE_GROUP = f"/subscriptions/{SUBSCRIPTION_ID}/resourceGroups/slipway-builders"
REGISTRY_ID = f"{RESOURCE_GROUP}/providers/Microsoft.ContainerRegistry/registries/{REGISTRY}"
OTHER_REGISTRY_ID = f"{RESOURCE_GROUP}/providers/Microsoft.ContainerRegistry/registries/{OTHER_REGISTRY}"

BUILDER_IMAGE = "slipway/builder:local"
CONFINED_IMAGE = "slipway/confined:local"
STORAGE_ACCOUNT = "slipway"

LEGACY_ARM_AUDIENCE = "https://management.core.windows.net/"
ARM_AUDIENCE = "https://management.azure.com/"
REGISTRY_AUDIENCE = "https://containerregistry.azure.net"
VAULT_AUDIENCE = "https://vault.azure.net"


def with_and_without_slash(*audiences: str) -> tuple[str, ...]:
    """List each audience in both spellings: Entra copies the slash from the scope that was asked for."""
    bare = (audience.rstrip("/") for audience in audiences)
    return tuple(spelling for audience in bare for spelling in (f"{audience}/", audience))


ARM_AUDIENCES = with_and_without_slash(LEGACY_ARM_AUDIENCE, ARM_AUDIENCE)
VAULT_AUDIENCES = with_and_without_slash(VAULT_AUDIENCE)
EXCHANGE_AUDIENCES = ARM_AUDIENCES + with_and_without_slash(REGISTRY_AUDIENCE)
