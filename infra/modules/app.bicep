// The functions app, on Flex Consumption.

@description('Region of the app.')
param location string

@description('What makes the names of this deployment unique.')
@minLength(13)
@maxLength(13)
param token string

@description('Tags of every resource.')
param tags object

@description('Resource id of the app\'s own identity.')
param identityId string

@description('Client id of the app\'s own identity.')
param identityClientId string

@description('Resource ids of further identities, which tasks name to read secrets of their key vaults and to log in to registries.')
param taskIdentityIds string[]

@description('Endpoint of the blob service, with a slash at its end.')
param blobEndpoint string

@description('Endpoint of the queue service.')
param queueEndpoint string

@description('Endpoint of the table service.')
param tableEndpoint string

@description('Address of the key vault, with a slash at its end.')
param vaultUri string

@description('Address of the key that signs the provenance of images.')
param signingKeyUri string

@description('Where telemetry goes.')
param insightsConnectionString string

@description('Resource id of the subnet that the app calls out from; empty for none.')
param subnetId string

@description('Origin under which az and builders reach the app; empty for the app\'s own host name.')
param publicUrl string

@description('Audiences of the callers\' tokens that are accepted.')
param audiences string[]

@description('The registries that are served, as the setting SLIPWAY_REGISTRIES holds them.')
param registries array

@description('Who may do what, as the setting SLIPWAY_ACCESS holds it.')
param access array

@description('Resource id of the resource group in which builders are started.')
param builderResourceGroupId string

@description('The builder image.')
param builderImage string

@description('Resource id of the identity that container groups pull the builder image with; empty for an image that anyone may pull.')
param builderImageIdentityId string

@description('Resource id of the subnet that container groups are put into; empty for none.')
param builderSubnetId string

@description('Instances that are kept ready for requests at all times.')
@minValue(0)
param alwaysReadyInstances int

@description('Instances that the app may grow to.')
@minValue(40)
@maxValue(1000)
param maximumInstances int

@description('Memory of one instance in MB.')
@allowed([512, 2048, 4096])
param instanceMemory int

@secure()
@description('Further app settings, and others in place of those made here: names of docs/settings.md with texts as values.')
param settings object

// A builder's claim, a live log's question and a build's report wait in a thread each.
var concurrency = 32
var identities = concat([identityId], taskIdentityIds)

resource plan 'Microsoft.Web/serverfarms@2024-04-01' = {
  name: 'plan-${token}'
  location: location
  tags: tags
  kind: 'functionapp'
  sku: {
    name: 'FC1'
    tier: 'FlexConsumption'
  }
  properties: { reserved: true }
}

resource site 'Microsoft.Web/sites@2024-04-01' = {
  name: 'func-${token}'
  location: location
  // By this tag azd finds where to deploy the service of azure.yaml.
  tags: union(tags, { 'azd-service-name': 'app' })
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: toObject(identities, identity => identity, identity => {})
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    publicNetworkAccess: 'Enabled'
    clientAffinityEnabled: false
    keyVaultReferenceIdentity: identityId
    virtualNetworkSubnetId: empty(subnetId) ? null : subnetId
    siteConfig: {
      minTlsVersion: '1.2'
      scmMinTlsVersion: '1.2'
    }
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: '${blobEndpoint}deployments'
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identityId
          }
        }
      }
      runtime: {
        name: 'python'
        version: '3.13'
      }
      scaleAndConcurrency: {
        alwaysReady: alwaysReadyInstances == 0 ? [] : [{ name: 'http', instanceCount: alwaysReadyInstances }]
        instanceMemoryMB: instanceMemory
        maximumInstanceCount: maximumInstances
        triggers: { http: { perInstanceConcurrency: concurrency } }
      }
    }
  }
}

resource ftpPasswords 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-04-01' = {
  parent: site
  name: 'ftp'
  properties: { allow: false }
}

resource scmPasswords 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-04-01' = {
  parent: site
  name: 'scm'
  properties: { allow: false }
}

resource appSettings 'Microsoft.Web/sites/config@2024-04-01' = {
  parent: site
  name: 'appsettings'
  properties: union(
    {
      AzureWebJobsStorage__blobServiceUri: blobEndpoint
      AzureWebJobsStorage__queueServiceUri: queueEndpoint
      AzureWebJobsStorage__tableServiceUri: tableEndpoint
      AzureWebJobsStorage__credential: 'managedidentity'
      AzureWebJobsStorage__clientId: identityClientId
      AzureWebJobsDisableHomepage: 'true'
      APPLICATIONINSIGHTS_CONNECTION_STRING: insightsConnectionString
      APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identityClientId};Authorization=AAD'
      PYTHON_THREADPOOL_THREAD_COUNT: string(concurrency)
      SLIPWAY_PUBLIC_URL: empty(publicUrl) ? 'https://${site.properties.defaultHostName}' : publicUrl
      SLIPWAY_TENANT_ID: tenant().tenantId
      SLIPWAY_AUTHORITY: environment().authentication.loginEndpoint
      SLIPWAY_AUDIENCES: join(audiences, ',')
      SLIPWAY_REGISTRIES: string(registries)
      SLIPWAY_ACCESS: string(access)
      SLIPWAY_RESOURCE_MANAGER: environment().resourceManager
      SLIPWAY_RESOURCE_MANAGER_AUDIENCE: environment().resourceManager
      SLIPWAY_BUILDER_RESOURCE_GROUP: builderResourceGroupId
      SLIPWAY_BUILDER_IMAGE: builderImage
      SLIPWAY_BUILDER_PRIVILEGED: 'true'
      SLIPWAY_KEY: '@Microsoft.KeyVault(SecretUri=${vaultUri}secrets/slipway-key)'
      SLIPWAY_SIGNING_KEY: signingKeyUri
      SLIPWAY_KEY_VAULT_SUFFIX: environment().suffixes.keyvaultDns
      SLIPWAY_REGISTRY_SUFFIX: environment().suffixes.acrLoginServer
    },
    empty(builderImageIdentityId) ? {} : { SLIPWAY_BUILDER_IMAGE_IDENTITY: builderImageIdentityId },
    empty(builderSubnetId) ? {} : { SLIPWAY_BUILDER_SUBNET: builderSubnetId },
    settings
  )
}

output id string = site.id
output name string = site.name
output url string = empty(publicUrl) ? 'https://${site.properties.defaultHostName}' : publicUrl
