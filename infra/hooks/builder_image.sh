#!/bin/sh
# builder_image.sh REGISTRY TAG: builds the builder image and pushes it, unless the registry holds that tag.
set -eu
registry=$1
tag=$2
root=$(dirname "$0")/../..
# The subscription of the deployment need not be the one that az takes by itself.
in=${AZURE_SUBSCRIPTION_ID:+--subscription $AZURE_SUBSCRIPTION_ID}

if az acr repository show --name "$registry" $in --image "slipway/builder:$tag" --output none 2>/dev/null; then
    echo "The registry $registry holds the builder image $tag already."
    exit 0
fi
if ! command -v docker >/dev/null; then
    echo "There is no docker here. No build can start before the builder image is pushed, on a machine that has it:" >&2
    echo "  sh infra/hooks/builder_image.sh $registry $tag" >&2
    echo "or, where the subscription has ACR Tasks of Azure itself:" >&2
    echo "  az acr build --registry $registry $in --image slipway/builder:$tag --file builder/Dockerfile ." >&2
    exit 0
fi
server=$(az acr show --name "$registry" $in --query loginServer --output tsv)
az acr login --name "$registry" $in
docker build --platform linux/amd64 --file "$root/builder/Dockerfile" --tag "$server/slipway/builder:$tag" "$root"
docker push "$server/slipway/builder:$tag"
