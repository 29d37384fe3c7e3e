// A whole deployment of Slipway, for one subscription. Every parameter has its explanation; docs/deploy.md tells the way.
targetScope = 'subscription'

@description('A registry that the deployment serves.')
type registryReference = {
  @description('Name of the registry.')
  @minLength(5)
  @maxLength(50)
  name: string

  @description('Resource group of the registry.')
  resourceGroup: string

  @description('Subscription of the registry, when it is another one.')
  subscription: string?

  @description('Whether pushes reach the app through Event Grid. A registry can have only one system topic: say false where there is one. Default true.')
  events: bool?

  @description('Whether the registry gives rights by repository (ABAC). Default false.')
  rightsByRepository: bool?

  @description('Further regions that hold a replica of it. Default none.')
  replicas: string[]?

  @description('Container groups that are started for it before a run asks for one. Default what SLIPWAY_WARM_BUILDERS says.')
  warmBuilders: int?
}

@description('Who may do what: object id, application id or group id of a principal, its role, and a registry\'s name or * for all.')
type accessRule = {
  @description('Object id, application id or group id.')
  principal: string

  @description('Each role includes the ones before it.')
  role: 'reader' | 'runner' | 'contributor'

  @description('Name of a registry, or *.')
  registry: string
}

@description('Name of the deployment; names of resources are made from it.')
@minLength(1)
@maxLength(40)
param environmentName string

@description('Region of the app and of all that it keeps. Builders run in the region of their registry.')
param location string

@description('Object id of whoever deploys: makes the key, pushes the builder image. Empty for nobody.')
param principalId string = ''

@description('Kind of that principal.')
@allowed(['User', 'ServicePrincipal', 'Group'])
param principalType string = 'User'

@description('The registries that are served, in any region and subscription. None: a new one is made.')
param registries registryReference[] = []

@description('Service tier of the new registry.')
@allowed(['Basic', 'Standard', 'Premium'])
param newRegistrySku string = 'Standard'

@description('Who may do what. None: whoever deploys may do everything.')
param access accessRule[] = []

@description('Audiences of the callers\' tokens that are accepted. None: those that az and the Azure SDKs use.')
param audiences string[] = []

@description('Origin under which az and builders reach the app, for a domain of your own. Empty for the app\'s own host name.')
param publicUrl string = ''

@description('A builder image that anyone may pull. Empty: a registry for the image is made, and the image is expected there.')
param builderImage string = ''

@description('Tag of the builder image in the registry that is made for it.')
param builderImageTag string = 'latest'

@description('Resource id of a subnet, delegated to container groups, that they are put into. Empty: they are in no network.')
param builderSubnetId string = ''

@description('Whether the app is given Network Contributor on that subnet. Say false where whoever owns the network gives it.')
param grantBuilderSubnet bool = true

@description('Resource ids of further identities of the app, which tasks name to read secrets of their key vaults and to log in to registries.')
param taskIdentityIds string[] = []

@description('Instances of the app that are kept ready for requests at all times. 0 is cheapest, and the first request waits.')
@minValue(0)
param alwaysReadyInstances int = 1

@description('Instances that the app may grow to.')
@minValue(40)
@maxValue(1000)
param maximumInstances int = 40

@description('Memory of one instance of the app in MB.')
@allowed([512, 2048, 4096])
param instanceMemory int = 2048

@description('How often and where the data is kept.')
@allowed(['Standard_LRS', 'Standard_ZRS', 'Standard_GRS', 'Standard_GZRS'])
param storageRedundancy string = 'Standard_LRS'

@description('Days that telemetry is kept.')
@minValue(30)
@maxValue(730)
param telemetryDays int = 30

@description('Whether the key vault refuses to be purged before its retention ends. It cannot be taken back.')
param purgeProtection bool = false

@description('Whether the app reaches storage and key vault through private endpoints in a virtual network of its own, and the vault is closed to others.')
param privateNetwork bool = false

@description('Address range of that network, at least a /24.')
param networkRange string = '10.90.0.0/24'

@description('Addresses (CIDR) from which the vault is reached although the network is private, such as the deployer\'s own.')
param allowedAddresses string[] = []

@secure()
@description('Further app settings, and others in place of those made here: names of docs/settings.md with texts as values.')
param settings object = {}

@description('Tags of every resource.')
param tags object = {}

var token = uniqueString(subscription().id, environmentName, location)
var allTags = union(tags, { 'azd-env-name': environmentName })
var newRegistry = {
  name: 'cr${token}'
  resourceGroup: 'rg-${environmentName}'
  subscription: subscription().subscriptionId
  events: true
  rightsByRepository: false
  replicas: []
  warmBuilders: null
}
var served = empty(registries) ? [newRegistry] : registries
// The scope of a module is read even where the module is not made, so that no subnet needs a path, too.
var noSubnet = '${subscription().id}/resourceGroups/rg-${environmentName}/providers/Microsoft.Network/virtualNetworks/none/subnets/none'
var subnetPath = split(empty(builderSubnetId) ? noSubnet : builderSubnetId, '/')
var subnetGroup = subnetPath[4]
var joinsSubnet = !empty(builderSubnetId) && grantBuilderSubnet
var foreignGroups = union(map(registries, one => one.resourceGroup), joinsSubnet ? [subnetGroup] : [])
var entra = environment().authentication.loginEndpoint
// az writes the tenant behind it as it stands, and Entra knows no path with two slashes.
var authority = endsWith(entra, '/') ? substring(entra, 0, length(entra) - 1) : entra
var azsAudience = environment().authentication.audiences[0]
var audience = empty(audiences) ? azsAudience : audiences[0]
var acceptedAudiences = empty(audiences) ? [azsAudience, environment().resourceManager] : audiences
var deployerMayAll = empty(principalId) ? [] : [{ principal: principalId, role: 'contributor', registry: '*' }]

resource home 'Microsoft.Resources/resourceGroups@2024-03-01' = {
  name: 'rg-${environmentName}'
  location: location
  tags: allTags
}

resource buildersHome 'Microsoft.Resources/resourceGroups@2024-03-01' = {
  name: 'rg-${environmentName}-builders'
  location: location
  tags: allTags
}

module identities 'modules/identities.bicep' = {
  name: 'identities'
  scope: home
  params: {
    location: location
    token: token
    tags: allTags
  }
}

module monitoring 'modules/monitoring.bicep' = {
  name: 'monitoring'
  scope: home
  params: {
    location: location
    token: token
    tags: allTags
    retentionDays: telemetryDays
    appPrincipalId: identities.outputs.appPrincipalId
  }
}

module storage 'modules/storage.bicep' = {
  name: 'storage'
  scope: home
  params: {
    location: location
    token: token
    tags: allTags
    redundancy: storageRedundancy
    leftoverDays: 7
    appPrincipalId: identities.outputs.appPrincipalId
    eventsPrincipalId: identities.outputs.eventsPrincipalId
  }
}

module vault 'modules/vault.bicep' = {
  name: 'vault'
  scope: home
  params: {
    location: location
    token: token
    tags: allTags
    purgeProtection: purgeProtection
    isPrivate: privateNetwork
    allowedAddresses: allowedAddresses
    appPrincipalId: identities.outputs.appPrincipalId
    deployerPrincipalId: principalId
    deployerPrincipalType: principalType
  }
}

module network 'modules/network.bicep' = if (privateNetwork) {
  name: 'network'
  scope: home
  params: {
    location: location
    token: token
    tags: allTags
    addressRange: networkRange
    storageId: storage.outputs.id
    vaultId: vault.outputs.id
  }
}

module builders 'modules/builders.bicep' = {
  name: 'builders'
  scope: buildersHome
  params: {
    appPrincipalId: identities.outputs.appPrincipalId
  }
}

module builderSubnet 'modules/builder_subnet.bicep' = if (joinsSubnet) {
  name: 'builder-subnet'
  scope: resourceGroup(subnetPath[2], subnetGroup)
  params: {
    networkName: subnetPath[8]
    subnetName: subnetPath[10]
    appPrincipalId: identities.outputs.appPrincipalId
  }
}

module imageRegistry 'modules/builder_image.bicep' = if (empty(builderImage)) {
  name: 'builder-image'
  scope: home
  params: {
    location: location
    token: token
    tags: allTags
    builderImagePrincipalId: identities.outputs.builderImagePrincipalId
    deployerPrincipalId: principalId
    deployerPrincipalType: principalType
  }
}

module createdRegistry 'modules/new_registry.bicep' = if (empty(registries)) {
  name: 'new-registry'
  scope: home
  params: {
    location: location
    name: newRegistry.name
    tags: allTags
    sku: newRegistrySku
  }
}

module registry 'modules/registry.bicep' = [
  for (one, index) in served: {
    name: 'registry-${index}'
    scope: resourceGroup(one.?subscription ?? subscription().subscriptionId, one.resourceGroup)
    params: {
      name: one.name
      rightsByRepository: one.?rightsByRepository ?? false
      appPrincipalId: identities.outputs.appPrincipalId
    }
    dependsOn: [createdRegistry]
  }
]

module registryEvents 'modules/registry_events.bicep' = [
  for (one, index) in served: if (one.?events ?? true) {
    name: 'registry-events-${index}'
    scope: resourceGroup(one.?subscription ?? subscription().subscriptionId, one.resourceGroup)
    params: {
      location: registry[index].outputs.location
      registryName: one.name
      registryId: registry[index].outputs.id
      tags: allTags
      storageId: storage.outputs.id
      identityId: identities.outputs.eventsId
    }
    // Azure tries the queue when it makes the subscription, and roles that were just given take a while to hold.
    dependsOn: [app]
  }
]

module app 'modules/app.bicep' = {
  name: 'app'
  scope: home
  params: {
    location: location
    token: token
    tags: allTags
    identityId: identities.outputs.appId
    identityClientId: identities.outputs.appClientId
    taskIdentityIds: taskIdentityIds
    blobEndpoint: storage.outputs.blobEndpoint
    queueEndpoint: storage.outputs.queueEndpoint
    tableEndpoint: storage.outputs.tableEndpoint
    vaultUri: vault.outputs.uri
    signingKeyUri: vault.outputs.signingKeyUri
    insightsConnectionString: monitoring.outputs.connectionString
    subnetId: privateNetwork ? network!.outputs.appSubnetId : ''
    publicUrl: publicUrl
    audiences: acceptedAudiences
    registries: [
      for (one, index) in served: union(
        registry[index].outputs.served,
        { replicas: one.?replicas ?? [], warmBuilders: one.?warmBuilders }
      )
    ]
    access: empty(access) ? deployerMayAll : access
    builderResourceGroupId: '${subscription().id}/resourceGroups/${buildersHome.name}'
    builderImage: empty(builderImage) ? '${imageRegistry!.outputs.loginServer}/slipway/builder:${builderImageTag}' : builderImage
    builderImageIdentityId: empty(builderImage) ? identities.outputs.builderImageId : ''
    builderSubnetId: builderSubnetId
    alwaysReadyInstances: alwaysReadyInstances
    maximumInstances: maximumInstances
    instanceMemory: instanceMemory
    settings: settings
  }
}

@description('Where azd finds the app: of several resource groups with the tag of one environment it takes none.')
output AZURE_RESOURCE_GROUP string = home.name
output SLIPWAY_URL string = app.outputs.url
output SLIPWAY_APP_NAME string = app.outputs.name
output SLIPWAY_APP_ID string = app.outputs.id
output SLIPWAY_APP_PRINCIPAL string = identities.outputs.appPrincipalId
output SLIPWAY_RESOURCE_GROUP string = home.name
output SLIPWAY_BUILDER_RESOURCE_GROUP string = buildersHome.name
@description('Resource groups of others that the deployment put something into; azd down would delete them whole.')
output SLIPWAY_FOREIGN_RESOURCE_GROUPS string = join(foreignGroups, ' ')
output SLIPWAY_BUILDER_SUBNET string = joinsSubnet ? builderSubnetId : ''
output SLIPWAY_STORAGE_ACCOUNT string = storage.outputs.name
output SLIPWAY_VAULT string = vault.outputs.name
output SLIPWAY_REGISTRY_NAMES string = join(map(served, one => one.name), ' ')
output SLIPWAY_BUILDER_REGISTRY string = empty(builderImage) ? imageRegistry!.outputs.name : ''
output SLIPWAY_BUILDER_IMAGE_TAG string = builderImageTag

@description('What makes az of a user speak to this deployment: a cloud of its own, beside the ones it knows.')
output SLIPWAY_AZ_RECIPE string = join(
  [
    'az cloud register --name Slipway --skip-endpoint-discovery'
    '--endpoint-resource-manager ${app.outputs.url}'
    '--endpoint-management ${audience}'
    '--endpoint-active-directory ${authority}'
    '--endpoint-active-directory-resource-id ${audience}'
    '--suffix-acr-login-server-endpoint ${environment().suffixes.acrLoginServer}'
    '--suffix-keyvault-dns ${environment().suffixes.keyvaultDns}'
    '--suffix-storage-endpoint ${environment().suffixes.storage}'
    '&& az cloud set --name Slipway && az login --tenant ${tenant().tenantId}'
  ],
  ' '
)
