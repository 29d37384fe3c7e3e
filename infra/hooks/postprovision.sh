#!/bin/sh
# After the resources are there: makes the deployment's key, once, and puts the builder image where builders pull it.
# Needs az, signed in to the cloud of the deployment, and openssl; docker for the image.
set -eu
here=$(dirname "$0")

if [ -z "${SLIPWAY_VAULT:-}" ]; then
    echo "There is no deployment yet, so there is nothing to complete."
    exit 0
fi
sh "$here/preprovision.sh"
sh "$here/key.sh" "$SLIPWAY_VAULT" "$SLIPWAY_APP_ID"
if [ -n "${SLIPWAY_BUILDER_REGISTRY:-}" ]; then
    sh "$here/builder_image.sh" "$SLIPWAY_BUILDER_REGISTRY" "$SLIPWAY_BUILDER_IMAGE_TAG"
fi

echo "Once the app is deployed, az of any user reaches it after:"
echo "  $SLIPWAY_AZ_RECIPE"
