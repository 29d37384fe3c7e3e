#!/bin/sh
# Before the resources are made: the subscription must know the providers that the deployment does not name itself,
# of the builders' container groups and of the network of a Flex Consumption app. Harmless where it knows them.
set -eu
for provider in Microsoft.ContainerInstance Microsoft.App; do
    az provider register --namespace "$provider" --subscription "$AZURE_SUBSCRIPTION_ID" --output none
done
