#!/bin/sh
# Before the resources are made: the subscription must know the providers that the deployment does not name itself,
# of the builders' container groups and of the network of a Flex Consumption app. Harmless where it knows them.
set -eu

if [ "$(az cloud show --query name --output tsv)" = Slipway ]; then
    echo "az speaks to Slipway, and the deployment needs Azure: az cloud set --name AzureCloud" >&2
    exit 1
fi
if [ -z "${AZURE_SUBSCRIPTION_ID:-}" ]; then
    # azd asks for the subscription after this hook when it is told to provision first; postprovision.sh makes up for it.
    echo "No subscription is chosen yet: its providers are registered after the resources are made."
    exit 0
fi
for provider in Microsoft.ContainerInstance Microsoft.App; do
    az provider register --namespace "$provider" --subscription "$AZURE_SUBSCRIPTION_ID" --wait --output none
done
