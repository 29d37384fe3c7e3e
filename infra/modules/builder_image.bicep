// A registry that holds the builder image alone. A build could take the identity of its container group, so that
// identity must not read any registry in which something else lies.

@description('Region of the registry.')
param location string

@description('What makes the names of this deployment unique.')
@minLength(13)
@maxLength(13)
param token string

@description('Tags of every resource.')
param tags object

@description('Principal that container groups pull the builder image with.')
param builderImagePrincipalId string

@description('Principal that pushes the builder image: whoever deploys. Empty for nobody.')
param deployerPrincipalId string

@description('Kind of the deployer\'s principal.')
@allowed(['User', 'ServicePrincipal', 'Group'])
param deployerPrincipalType string

var roles = loadJsonContent('../roles.json')

resource registry 'Microsoft.ContainerRegistry/registries@2025-04-01' = {
  name: 'crbuilder${token}'
  location: location
  tags: tags
  sku: { name: 'Basic' }
  properties: {
    adminUserEnabled: false
    anonymousPullEnabled: false
  }
}

resource builderPulls 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(registry.id, builderImagePrincipalId, roles.acrPull)
  scope: registry
  properties: {
    principalId: builderImagePrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.acrPull)
  }
}

resource deployerPushes 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(deployerPrincipalId)) {
  name: guid(registry.id, deployerPrincipalId, roles.acrPush)
  scope: registry
  properties: {
    principalId: deployerPrincipalId
    principalType: deployerPrincipalType
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.acrPush)
  }
}

output name string = registry.name
output loginServer string = registry.properties.loginServer
