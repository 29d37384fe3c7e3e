#!/bin/sh
# builder_image.sh REGISTRY TAG: builds the builder image of this checkout and pushes it, unless the tag is of it already.
# A second tag names the content, so that the image of another version is found out.
set -eu
registry=$1
tag=$2
root=$(dirname "$0")/../..
image=slipway/builder
# The subscription of the deployment need not be the one that az takes by itself.
in=${AZURE_SUBSCRIPTION_ID:+--subscription $AZURE_SUBSCRIPTION_ID}

content() {
    cd "$root"
    find builder shared -type f ! -path '*/__pycache__/*' | LC_ALL=C sort | xargs openssl dgst -sha256 |
        openssl dgst -sha256 -r | cut -c 1-16
}

digest() {
    az acr repository show --name "$registry" $in --image "$image:$1" --query digest --output tsv 2>/dev/null || true
}

version=content-$(content)
there=$(digest "$version")
if [ -n "$there" ] && [ "$there" = "$(digest "$tag")" ]; then
    echo "The registry $registry holds the builder image $tag of this version already."
    exit 0
fi
if ! command -v docker >/dev/null; then
    echo "There is no docker here, and the registry $registry does not hold the builder image $tag of this version." >&2
    echo "No build of this version can start before it is pushed, on a machine that has docker:" >&2
    echo "  sh infra/hooks/builder_image.sh $registry $tag" >&2
    echo "or, where the subscription has ACR Tasks of Azure itself:" >&2
    echo "  az acr build --registry $registry $in --image $image:$tag --image $image:$version --file builder/Dockerfile ." >&2
    exit 0
fi
server=$(az acr show --name "$registry" $in --query loginServer --output tsv)
az acr login --name "$registry" $in
docker build --platform linux/amd64 --file "$root/builder/Dockerfile" \
    --tag "$server/$image:$tag" --tag "$server/$image:$version" "$root"
docker push "$server/$image:$version"
docker push "$server/$image:$tag"
