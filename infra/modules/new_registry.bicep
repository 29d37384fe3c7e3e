// A registry for a deployment that names none.

@description('Region of the registry.')
param location string

@description('Name of the registry.')
@minLength(5)
@maxLength(50)
param name string

@description('Tags of every resource.')
param tags object

@description('Service tier of the registry.')
@allowed(['Basic', 'Standard', 'Premium'])
param sku string

resource registry 'Microsoft.ContainerRegistry/registries@2025-04-01' = {
  name: name
  location: location
  tags: tags
  sku: { name: sku }
  properties: { adminUserEnabled: false }
}
