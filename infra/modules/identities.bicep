// The three identities of a deployment. Builders hold none but the one that pulls their image.

@description('Region of the identities.')
param location string

@description('What makes the names of this deployment unique.')
@minLength(13)
@maxLength(13)
param token string

@description('Tags of every resource.')
param tags object

var roles = loadJsonContent('../roles.json')

resource app 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = {
  name: 'id-app-${token}'
  location: location
  tags: tags
}

resource builderImage 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = {
  name: 'id-builder-image-${token}'
  location: location
  tags: tags
}

resource events 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = {
  name: 'id-events-${token}'
  location: location
  tags: tags
}

// A container group gets the image identity from the app, which must be allowed to hand it on.
resource appHandsOnBuilderImage 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(builderImage.id, app.id, roles.managedIdentityOperator)
  scope: builderImage
  properties: {
    principalId: app.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.managedIdentityOperator)
  }
}

output appId string = app.id
output appClientId string = app.properties.clientId
output appPrincipalId string = app.properties.principalId
output builderImageId string = builderImage.id
output builderImagePrincipalId string = builderImage.properties.principalId
output eventsId string = events.id
output eventsPrincipalId string = events.properties.principalId
