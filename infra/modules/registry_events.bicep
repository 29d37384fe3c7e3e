// Pushes to a registry, delivered to a queue of the app: no key, no handshake, retried for a day, then kept as dead letters.

@description('Region of the registry, which must be the region of its topic.')
param location string

@description('Name of the registry, after which the topic is named.')
@minLength(5)
@maxLength(50)
param registryName string

@description('Resource id of the registry.')
param registryId string

@description('Tags of every resource.')
param tags object

@description('Resource id of the storage account of the queue and the dead letters.')
param storageId string

@description('Resource id of the identity that delivers.')
param identityId string

resource topic 'Microsoft.EventGrid/systemTopics@2025-02-15' = {
  // A topic's name has 50 characters at most, as many as that of a registry alone.
  name: 'slipway-${take(registryName, 42)}'
  location: location
  tags: tags
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: { '${identityId}': {} }
  }
  properties: {
    source: registryId
    topicType: 'Microsoft.ContainerRegistry.Registries'
  }
}

resource pushes 'Microsoft.EventGrid/systemTopics/eventSubscriptions@2025-02-15' = {
  parent: topic
  name: 'slipway-pushes'
  properties: {
    eventDeliverySchema: 'EventGridSchema'
    filter: { includedEventTypes: ['Microsoft.ContainerRegistry.ImagePushed'] }
    retryPolicy: {
      eventTimeToLiveInMinutes: 1440
      maxDeliveryAttempts: 30
    }
    deliveryWithResourceIdentity: {
      identity: {
        type: 'UserAssigned'
        userAssignedIdentity: identityId
      }
      destination: {
        endpointType: 'StorageQueue'
        properties: {
          resourceId: storageId
          queueName: 'registry-events'
          queueMessageTimeToLiveInSeconds: 604800
        }
      }
    }
    deadLetterWithResourceIdentity: {
      identity: {
        type: 'UserAssigned'
        userAssignedIdentity: identityId
      }
      deadLetterDestination: {
        endpointType: 'StorageBlob'
        properties: {
          resourceId: storageId
          blobContainerName: 'dead-letters'
        }
      }
    }
  }
}
