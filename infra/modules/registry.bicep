// One registry that the deployment serves, wherever it lies: the app may push and pull there, and delete old layers.

@description('Name of a registry in this resource group.')
@minLength(5)
@maxLength(50)
param name string

@description('Whether the registry gives rights by repository (ABAC), where the roles AcrPush and AcrDelete have no effect.')
param rightsByRepository bool

@description('Principal of the app, in whose name builders get their logins.')
param appPrincipalId string

var roles = loadJsonContent('../roles.json')
var role = rightsByRepository ? roles.containerRegistryRepositoryContributor : roles.acrPush

resource registry 'Microsoft.ContainerRegistry/registries@2025-04-01' existing = {
  name: name
}

resource appPushes 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(registry.id, appPrincipalId, role)
  scope: registry
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role)
  }
}

resource appDeletes 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!rightsByRepository) {
  name: guid(registry.id, appPrincipalId, roles.acrDelete)
  scope: registry
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.acrDelete)
  }
}

output id string = registry.id
output location string = registry.location

@description('The registry as the setting SLIPWAY_REGISTRIES holds it, but for what only whoever deploys knows.')
output served object = {
  id: registry.id
  loginServer: registry.properties.loginServer
  location: registry.location
  sku: registry.sku.name
}
