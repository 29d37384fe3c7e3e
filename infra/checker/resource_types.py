"""Which published model describes which resource type, and the API version in which it is deployed.

A version is one that every Bicep compiler since the spring of 2025 has types for: a newer one compiles with the warning
BCP081, unchecked, and need not be there yet in every region. The models are those of the newest packages, so a property
that was added since then would pass here; nothing of that kind is used. Source: the index of Bicep's resource types.
"""

from dataclasses import dataclass

from infra.checker.published import Shape, shape


@dataclass(frozen=True)
class ResourceType:
    """A resource type, the API version that the deployment names, and its published model."""

    version: str
    module: str
    model: str

    @property
    def shape(self) -> Shape:
        """The published shape."""
        return shape(self.module, self.model)


_WEB = ("2024-04-01", "azure.mgmt.web.models")
_STORAGE = ("2024-01-01", "azure.mgmt.storage.models")
_REGISTRY = ("2025-04-01", "azure.mgmt.containerregistry.models")
_EVENTS = ("2025-02-15", "azure.mgmt.eventgrid.models")
_NETWORK = ("2024-05-01", "azure.mgmt.network.models")
_NAMES = ("2024-06-01", "azure.mgmt.privatedns.models")
_VAULT = ("2024-11-01", "azure.mgmt.keyvault.models")

RESOURCE_TYPES = {
    name.lower(): ResourceType(version, module, model)
    for name, (version, module), model in (
        ("Microsoft.Web/serverfarms", _WEB, "AppServicePlan"),
        ("Microsoft.Web/sites", _WEB, "Site"),
        ("Microsoft.Web/sites/config", _WEB, "StringDictionary"),
        ("Microsoft.Web/sites/basicPublishingCredentialsPolicies", _WEB, "CsmPublishingCredentialsPoliciesEntity"),
        ("Microsoft.Storage/storageAccounts", _STORAGE, "StorageAccountCreateParameters"),
        ("Microsoft.Storage/storageAccounts/blobServices", _STORAGE, "BlobServiceProperties"),
        ("Microsoft.Storage/storageAccounts/blobServices/containers", _STORAGE, "BlobContainer"),
        ("Microsoft.Storage/storageAccounts/queueServices", _STORAGE, "QueueServiceProperties"),
        ("Microsoft.Storage/storageAccounts/queueServices/queues", _STORAGE, "StorageQueue"),
        ("Microsoft.Storage/storageAccounts/tableServices", _STORAGE, "TableServiceProperties"),
        ("Microsoft.Storage/storageAccounts/tableServices/tables", _STORAGE, "Table"),
        ("Microsoft.Storage/storageAccounts/managementPolicies", _STORAGE, "ManagementPolicy"),
        ("Microsoft.KeyVault/vaults", _VAULT, "VaultCreateOrUpdateParameters"),
        ("Microsoft.KeyVault/vaults/keys", _VAULT, "Key"),
        ("Microsoft.ContainerRegistry/registries", _REGISTRY, "Registry"),
        ("Microsoft.EventGrid/systemTopics", _EVENTS, "SystemTopic"),
        ("Microsoft.EventGrid/systemTopics/eventSubscriptions", _EVENTS, "EventSubscription"),
        ("Microsoft.ManagedIdentity/userAssignedIdentities", ("2023-01-31", "azure.mgmt.msi.models"), "Identity"),
        (
            "Microsoft.Authorization/roleAssignments",
            ("2022-04-01", "azure.mgmt.authorization.v2022_04_01.models"),
            "RoleAssignmentCreateParameters",
        ),
        ("Microsoft.OperationalInsights/workspaces", ("2023-09-01", "azure.mgmt.loganalytics.models"), "Workspace"),
        (
            "Microsoft.Insights/components",
            ("2020-02-02", "azure.mgmt.applicationinsights.v2020_02_02.models"),
            "ApplicationInsightsComponent",
        ),
        ("Microsoft.Resources/resourceGroups", ("2024-03-01", "azure.mgmt.resource.resources.models"), "ResourceGroup"),
        ("Microsoft.Network/virtualNetworks", _NETWORK, "VirtualNetwork"),
        ("Microsoft.Network/virtualNetworks/subnets", _NETWORK, "Subnet"),
        ("Microsoft.Network/privateEndpoints", _NETWORK, "PrivateEndpoint"),
        ("Microsoft.Network/privateEndpoints/privateDnsZoneGroups", _NETWORK, "PrivateDnsZoneGroup"),
        ("Microsoft.Network/privateDnsZones", _NAMES, "PrivateZone"),
        ("Microsoft.Network/privateDnsZones/virtualNetworkLinks", _NAMES, "VirtualNetworkLink"),
    )
}

CREATED_AS = {
    "StorageAccountCreateParameters": "StorageAccount",
    "VaultCreateOrUpdateParameters": "Vault",
}
"""Where a resource is written in another shape than it is read in."""


def read_shape(known: ResourceType) -> Shape:
    """Answer the shape in which a resource is read."""
    return shape(known.module, CREATED_AS.get(known.model, known.model))
