// The resource group of the builders' container groups, and nothing else: here alone the app may start and delete.

@description('Principal of the app, which starts and deletes container groups.')
param appPrincipalId string

var roles = loadJsonContent('../roles.json')

resource appRunsBuilders 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(resourceGroup().id, appPrincipalId, roles.azureContainerInstancesContributorRole)
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId(
      'Microsoft.Authorization/roleDefinitions',
      roles.azureContainerInstancesContributorRole
    )
  }
}
