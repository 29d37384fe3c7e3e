#!/bin/sh
# Before anything is removed: azd deletes every resource group that the deployment put something into, with all that
# lies in it. A group of somebody else's, of a registry or a network, is not to go, so the way without azd is told.
set -eu
foreign=
for group in ${SLIPWAY_FOREIGN_RESOURCE_GROUPS:-}; do
    [ "$group" = "${SLIPWAY_RESOURCE_GROUP:-}" ] || foreign="$foreign $group"
done
[ -n "$foreign" ] || exit 0

cat >&2 <<END
azd down would delete these resource groups too, which are not of this deployment:$foreign
Nothing was removed. Remove the deployment without azd, in this order:
  az role assignment delete --assignee-object-id $SLIPWAY_APP_PRINCIPAL --scope <id of each registry${SLIPWAY_BUILDER_SUBNET:+, $SLIPWAY_BUILDER_SUBNET}>
  az eventgrid system-topic delete --yes --name slipway-<registry> --resource-group <its group>
  az group delete --name $SLIPWAY_BUILDER_RESOURCE_GROUP
  az group delete --name $SLIPWAY_RESOURCE_GROUP
  az keyvault purge --name $SLIPWAY_VAULT
END
exit 1
