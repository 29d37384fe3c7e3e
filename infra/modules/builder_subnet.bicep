// The subnet that container groups are put into, wherever it lies: the app may let them join it.

@description('Name of a virtual network in this resource group.')
param networkName string

@description('Name of the subnet.')
param subnetName string

@description('Principal of the app, which starts container groups.')
param appPrincipalId string

var roles = loadJsonContent('../roles.json')

resource network 'Microsoft.Network/virtualNetworks@2024-05-01' existing = {
  name: networkName
}

resource subnet 'Microsoft.Network/virtualNetworks/subnets@2024-05-01' existing = {
  parent: network
  name: subnetName
}

// No built-in role for joining a subnet is smaller.
resource appJoins 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(subnet.id, appPrincipalId, roles.networkContributor)
  scope: subnet
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.networkContributor)
  }
}
