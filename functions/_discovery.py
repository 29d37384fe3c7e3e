"""The shapes that let az find this deployment: cloud metadata, subscriptions, registries.

Source: the metadata endpoint of Azure Resource Manager, whose form depends on the api-version.
"""

from typing import Any

from shared.arm.wire import RegistryProperties, RegistryResource, Sku
from shared.settings import RegistrySettings, Settings

_CREATED = "2026-01-01T00:00:00.0000000Z"


def cloud_metadata(settings: Settings) -> dict[str, Any]:
    """Describe the cloud that `az cloud register` makes of this deployment."""
    return {
        "name": "Slipway",
        "portal": settings.public_url,
        "resourceManager": settings.public_url,
        "authentication": {
            "loginEndpoint": settings.authority,
            "audiences": list(settings.audiences),
            "tenant": settings.tenant_id,
            "identityProvider": "AAD",
        },
        "graphAudience": "https://graph.microsoft.com/",
        "microsoftGraphResourceId": "https://graph.microsoft.com/",
        "gallery": settings.public_url,
        "batch": settings.public_url,
        "media": settings.public_url,
        "sqlManagement": settings.public_url,
        "vmImageAliasDoc": settings.public_url,
        "activeDirectoryDataLake": settings.public_url,
        "suffixes": {
            "acrLoginServer": login_server_suffix(settings),
            "keyVaultDns": ".vault.azure.net",
            "storage": "core.windows.net",
            "sqlServerHostname": ".database.windows.net",
        },
    }


def legacy_cloud_metadata(settings: Settings) -> dict[str, Any]:
    """Describe the same in the form of api-version 2015-01-01, which older az releases ask for."""
    return {
        "galleryEndpoint": settings.public_url,
        "graphEndpoint": settings.public_url,
        "portalEndpoint": settings.public_url,
        "authentication": {"loginEndpoint": settings.authority, "audiences": list(settings.audiences)},
    }


def login_server_suffix(settings: Settings) -> str:
    """Answer what follows the registry's name in its login server; az wants it on the cloud."""
    for registry in settings.registries:
        name, dot, rest = registry.login_server.partition(".")
        if dot and name.lower() == registry.name.lower():
            return f".{rest}"
    return ".azurecr.io"


def subscription_resource(subscription: str, tenant: str) -> dict[str, Any]:
    """Describe a subscription as `az login` reads it."""
    return {
        "id": f"/subscriptions/{subscription}",
        "subscriptionId": subscription,
        "tenantId": tenant,
        "displayName": "Slipway",
        "state": "Enabled",
        "managedByTenants": [],
        "subscriptionPolicies": {"quotaId": "Slipway", "spendingLimit": "Off"},
        "authorizationSource": "RoleBased",
    }


def registry_resource(registry: RegistrySettings, *, with_properties: bool = True) -> RegistryResource:
    """Describe a registry; the resource list shows it without properties."""
    properties = RegistryProperties(login_server=registry.login_server, creation_date=_CREATED)
    return RegistryResource(
        id=registry.id,
        name=registry.name,
        location=registry.location,
        sku=Sku(name=registry.sku, tier=registry.sku),
        properties=properties if with_properties else None,
    )
