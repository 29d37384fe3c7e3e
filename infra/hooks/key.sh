#!/bin/sh
# key.sh VAULT APP_ID: makes the deployment's key unless the vault holds one. A key is never replaced: what was sealed
# with it would not open again. Its text goes through a file that only its owner may read, never through arguments.
set -eu
vault=$1
app=$2
name=slipway-key
tries=30

exists() {
    # Rights that were just given take up to some minutes to hold: a refusal is asked again, an absence is not.
    left=$tries
    while :; do
        if said=$(az keyvault secret show --vault-name "$vault" --name "$name" --query id --output tsv 2>&1); then
            return 0
        fi
        case $said in *SecretNotFound*) return 1 ;; esac
        left=$((left - 1))
        if [ "$left" -le 0 ]; then
            echo "key.sh: the vault $vault does not answer: $said" >&2
            exit 1
        fi
        sleep 10
    done
}

if exists; then
    echo "The vault $vault holds the key already."
    exit 0
fi

umask 077
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
openssl rand -base64 32 | tr -d '\n' >"$folder/key"
az keyvault secret set --vault-name "$vault" --name "$name" --file "$folder/key" --encoding utf-8 \
    --content-type "32 random bytes in base64" --output none
echo "Made the key in the vault $vault."

# The app looked for the key before it was there; let it look again.
az rest --method post --url "$app/config/configreferences/appsettings/refresh?api-version=2022-03-01" --output none ||
    echo "The app reads the key when it is started next."
