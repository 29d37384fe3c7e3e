"""The checker is silent about the real deployment and finds what is planted in it."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from infra.checker.check import check

MAIN = "infra/main.bicep"
APP = "infra/modules/app.bicep"
STORAGE = "infra/modules/storage.bicep"
VAULT = "infra/modules/vault.bicep"
IDENTITIES = "infra/modules/identities.bicep"
NETWORK = "infra/modules/network.bicep"
IMAGE = "infra/modules/builder_image.bicep"
EVENTS = "infra/modules/registry_events.bicep"
ROLES = "infra/roles.json"
ACCOUNT = "shared/storage/account.py"
ROOT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class Plant:
    """A fault: in `file`, `old` becomes `new`; the checker says `said` (a pattern), of the file `of` or the same."""

    file: str
    old: str
    new: str
    said: str
    of: str = ""


PLANTS = {
    # syntax
    "a brace is missing": Plant(
        STORAGE, "sku: { name: redundancy }", "sku: { name: redundancy", "is not Bicep|missing"
    ),
    "a comma is missing": Plant(APP, "{ name: 'http', instance", "{ name: 'http' instance", "comma or a new line"),
    "double quotes": Plant(VAULT, "family: 'A'", 'family: "A"', "is not Bicep"),
    "a wrong escape": Plant(MAIN, "app\\'s", "app\\ss", r"\\s is no escape"),
    "a parameter without type": Plant(VAULT, "param isPrivate bool", "param isPrivate", "is not Bicep|missing"),
    # published models
    "a property that does not exist": Plant(
        STORAGE, "allowBlobPublicAccess", "allowBlobPublicAcess", "has no property allowBlobPublicAcess"
    ),
    "a property in the wrong case": Plant(APP, "httpsOnly", "httpsonly", "it is written httpsOnly"),
    "a property one level too high": Plant(
        EVENTS, "          queueName:", "          queueNames:", "has no property queueNames"
    ),
    "a property of another destination": Plant(EVENTS, "'StorageQueue'", "'EventHub'", "has no property queueName"),
    "a value that is not allowed": Plant(STORAGE, "'TLS1_2'", "'TLS1_4'", "'TLS1_4' is none of"),
    "a parameter that allows a value that is not allowed": Plant(
        "infra/modules/new_registry.bicep", "'Premium'", "'Premier'", "allows 'Premier', which is none of"
    ),
    "a text for a flag": Plant(STORAGE, "allowSharedKeyAccess: false", "allowSharedKeyAccess: 'false'", "be a flag"),
    "a number for a text": Plant(APP, "version: '3.13'", "version: 3", "is a number, and must be a text"),
    "an object for an array": Plant(
        VAULT, "ipRules: [for address in allowedAddresses: { value: address }]", "ipRules: {}", "must be an array"
    ),
    "a parameter of the wrong type": Plant(
        APP, "instanceMemoryMB: instanceMemory", "instanceMemoryMB: token", "a number"
    ),
    "a property that can only be read": Plant(
        VAULT, "enableSoftDelete: true", "enableSoftDelete: true\n    hsmPoolResourceId: 'x'", "can only be read"
    ),
    "a required property that is missing": Plant(VAULT, "tenantId: tenant().tenantId", "", "tenantId is required"),
    "another API version": Plant(VAULT, "vaults@2024-11-01", "vaults@2016-10-01", "the version is 2016-10-01"),
    "an unknown resource type": Plant(VAULT, "KeyVault/vaults@", "KeyVault/vault@", "no published model"),
    "reading a property that does not exist": Plant(VAULT, "properties.vaultUri", "properties.vaultUrl", "to read"),
    # names
    "a name that is not declared": Plant(APP, "serverFarmId: plan.id", "serverFarmId: farm.id", "farm is not declared"),
    "a loop variable outside its loop": Plant(STORAGE, "'leftovers'", "name", "name is not declared"),
    "a function that does not exist": Plant(MAIN, "uniqueString(", "uniqString(", "uniqString is no function"),
    "a type that does not exist": Plant(MAIN, "access accessRule[]", "access accessRules[]", "accessRules is not decl"),
    "a parameter that nobody uses": Plant(VAULT, "isPrivate ? 'Deny' : ", "", "isPrivate is never used"),
    "a name that is declared twice": Plant(APP, "var concurrency", "var token = 1\nvar concurrency", "declared twice"),
    "a parameter that is not explained": Plant(
        STORAGE, "@description('Region of the account.')", "", "location has no description"
    ),
    "a secret in an output": Plant(
        STORAGE, "string = account.name", "string = account.listKeys().keys[0].value", "gives a secret away"
    ),
    # modules
    "a module that does not exist": Plant(MAIN, "modules/vault.bicep", "modules/vaults.bicep", "there is no file"),
    "a module that nobody uses": Plant(
        MAIN,
        "modules/builders.bicep",
        "modules/builder_image.bicep",
        "no module statement",
        "infra/modules/builders.bicep",
    ),
    "a parameter that the module does not have": Plant(
        MAIN, "retentionDays: telemetryDays", "retention: telemetryDays", "has no parameter retention$"
    ),
    "a parameter that the module is not given": Plant(MAIN, "leftoverDays: 7", "", "leftoverDays of .* is not given"),
    "a parameter of the wrong kind": Plant(MAIN, "leftoverDays: 7", "leftoverDays: '7'", "leftoverDays is int"),
    "an output that the module does not have": Plant(MAIN, "vault.outputs.uri", "vault.outputs.url", "no output url"),
    "a parameter of the whole that does not exist": Plant(
        "infra/main.parameters.json", '"access"', '"accesses"', "has no parameter accesses"
    ),
    "a parameter of the whole of the wrong kind": Plant(
        "infra/main.parameters.json", '"settings": { "value": {} }', '"settings": { "value": [] }', "settings is object"
    ),
    # what the compiler and its linter say
    "types that are not checked": Plant(
        MAIN, "= empty(registries) ? [newRegistry] : registries", "= any(registries)", "no-explicit-any"
    ),
    "texts that are joined by a function": Plant(
        APP, "'${blobEndpoint}deployments'", "concat(blobEndpoint, 'deployments')", "prefer-interpolation"
    ),
    "an interpolation around nothing else": Plant(
        IDENTITIES, "location: location", "location: '${location}'", "simplify-interpolation"
    ),
    "a host of one cloud": Plant(
        NETWORK, "blob.${environment().suffixes.storage}", "blob.core.windows.net", "no-hardcoded-env-urls"
    ),
    "a bound of numbers on a text": Plant(MAIN, "@minLength(1)", "@minValue(1)", "minValue is for numbers"),
    "a bound of lengths on a number": Plant(MAIN, "@maxValue(730)", "@maxLength(730)", "maxLength is for texts"),
    "a default below the least": Plant(MAIN, "telemetryDays int = 30", "telemetryDays int = 7", "minValue lets pass"),
    "a default that is not allowed": Plant(MAIN, "Sku string = 'Standard'", "Sku string = 'Classic'", "allowed lets"),
    "a secret with a default": Plant(
        MAIN, "param settings object = {}", "param settings object = { SLIPWAY_X: 'y' }", "secure-parameter-default"
    ),
    "a module without a scope": Plant(MAIN, "'vault'\n  scope: home\n", "'vault'\n", "needs a scope here"),
    "a resource that no subscription holds": Plant(
        MAIN,
        "home 'Microsoft.Resources/resourceGroups@2024-03-01'",
        "home 'Microsoft.KeyVault/vaults@2024-11-01'",
        "file for",
    ),
    "a child without its parent": Plant(STORAGE, "    parent: blobs\n", "", "has a parent of the type"),
    "a child of another parent": Plant(
        STORAGE, "    parent: queueService", "    parent: tableService", "has a parent of"
    ),
    "a name that is known too late": Plant(
        IMAGE, "guid(registry.id, builder", "guid(registry.properties.loginServer, builder", "its name is not known"
    ),
    "a condition that is known too late": Plant(
        MAIN, "= if (empty(builderImage))", "= if (empty(vault.outputs.uri))", "its condition is not known"
    ),
    "a loop that is known too late": Plant(
        MAIN, "(one, index) in served: {", "(one, index) in identities.outputs.appId: {", "its loop is not known"
    ),
    "a dependency that is there anyway": Plant(
        STORAGE, "dependsOn: [queues]", "dependsOn: [queues, eventQueue]", "no-unnecessary-dependson"
    ),
    "an existing resource that nobody uses": Plant(
        "infra/modules/builders.bicep",
        "var roles",
        "resource idle 'Microsoft.Storage/storageAccounts@2024-01-01' existing = {\n  name: 'x'\n}\nvar roles",
        "no-unused-existing",
    ),
    # lengths of names
    "an account whose name is too long": Plant(STORAGE, "'st${token}'", "'storageaccount${token}'", "up to 27 char"),
    "an account whose name has a hyphen": Plant(STORAGE, "'st${token}'", "'st-${token}'", "must be of"),
    "a topic whose name may become too long": Plant(EVENTS, "take(registryName, 42)", "registryName", "up to 58 char"),
    "a name without a bound": Plant(STORAGE, "@maxLength(13)\n", "", "nothing tells how long"),
    "a name that is not the one there is": Plant(APP, "name: 'ftp'", "name: 'ftps'", "must be ftp or scm"),
    "a fixed name that is computed": Plant(APP, "name: 'appsettings'", "name: token", "must be appsettings, as a text"),
    "a module with a long name": Plant(MAIN, "name: 'storage'", f"name: '{'s' * 65}'", "up to 65 characters"),
    # rights
    "a role that does not exist": Plant(ROLES, "7f951dda", "7f951ddb", "is no known role"),
    "two roles mixed up": Plant(
        ROLES,
        "4633458b-17de-408a-b874-0445c86b69e6",
        "b86a8fe4-44ce-4948-aee5-eccb2c155cd7",
        "is the role Key Vault",
    ),
    "a role that nobody has": Plant(
        "infra/modules/builder_image.bicep",
        "subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.acrPull)",
        "subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.acrPush)",
        "nobody has the role acrPull",
        ROLES,
    ),
    "a role by its number": Plant(
        VAULT, "roleDefinitions', roles.keyVaultSecretsUser)", "roleDefinitions', 'x')", "must be one of roles.json"
    ),
    "a right on a whole resource group": Plant(VAULT, "  scope: vault\n", "", "has no scope of its own"),
    "an identity without a right": Plant(
        MAIN,
        "builderImagePrincipalId: identities.outputs.builderImagePrincipalId",
        "builderImagePrincipalId: identities.outputs.appPrincipalId",
        "builderImage has no right",
        IDENTITIES,
    ),
    "an identity that nobody wears": Plant(
        MAIN,
        "identityId: identities.outputs.eventsId",
        "identityId: identities.outputs.appId",
        "events is worn by nobody",
        IDENTITIES,
    ),
    # storage
    "a table that the app opens": Plant(STORAGE, "  'taskruns'\n", "", "no table taskruns", ACCOUNT),
    "a queue that the app listens on": Plant(STORAGE, "'dispatch', ", "", "no queue dispatch", "functions/dispatch.py"),
    "a container that the app opens": Plant(STORAGE, "'results'", "'reports'", "no container results", ACCOUNT),
    "a container that nobody uses": Plant(STORAGE, "'results'", "'results', 'reports'", "nobody uses the con"),
    # settings
    "a setting that the app needs": Plant(
        APP, "SLIPWAY_TENANT_ID: tenant().tenantId", "", "needs the setting SLIPWAY_TE"
    ),
    "the key": Plant(APP, "SLIPWAY_KEY:", "SLIPWAY_KEY_FILE:", "needs the setting SLIPWAY_KEY"),
    "a setting that nobody reads": Plant(APP, "SLIPWAY_BUILDER_IMAGE:", "SLIPWAY_BUILDER_IMAG:", "nobody reads"),
    "a setting with a value that the app refuses": Plant(
        APP,
        "SLIPWAY_BUILDER_PRIVILEGED: 'true'",
        "SLIPWAY_BUILDER_PRIVILEGED: 'perhaps'",
        "does not start: SLIPWAY_B",
    ),
    "a setting that Flex Consumption refuses": Plant(
        APP,
        "AzureWebJobsDisableHomepage: 'true'",
        "FUNCTIONS_WORKER_RUNTIME: 'python'",
        "Flex Consumption does not",
    ),
    "a variable that is no setting": Plant(
        "functions/_services.py",
        "    return read_settings(os.environ)",
        '    os.environ["SLIPWAY_SECRET_SWITCH"]\n    return read_settings(os.environ)',
        "SLIPWAY_SECRET_SWITCH is read",
    ),
    # azd
    "a hook that is not there": Plant("azure.yaml", "postprovision.sh", "postprovisioning.sh", "which is not there"),
    "a hook that reads what is no output": Plant(
        "infra/hooks/postprovision.sh", "$SLIPWAY_VAULT", "$SLIPWAY_KEYVAULT", "has no output SLIPWAY_KEYVAULT"
    ),
    "an event that azd does not know": Plant("azure.yaml", "postprovision:", "postprovison:", "no event postprovison"),
    "a hook with an unknown key": Plant("azure.yaml", "    interactive:", "    interactiv:", "has no interactiv"),
    "a name that azd refuses": Plant("azure.yaml", "name: slipway", "name: Slipway", "the name Slipway"),
    "a variable that azd does not set": Plant(
        "infra/main.parameters.json", "AZURE_ENV_NAME", "AZURE_ENVIRONMENT", "does not set AZURE_ENVIRONMENT"
    ),
    "no group of several that azd takes": Plant(
        MAIN, "output AZURE_RESOURCE_GROUP", "output AZURE_GROUP", "azd takes that of the output"
    ),
    "a service that azd does not find": Plant(
        APP, "'azd-service-name': 'app'", "'azd-service-name': 'api'", "has the tag azd-service-name: app", "azure.yaml"
    ),
}


def test_the_real_deployment_has_no_fault(checkout: Path) -> None:
    assert check(checkout) == []


def test_the_page_tells_how_many_faults_are_planted() -> None:
    assert f"The tests plant {len(PLANTS)} faults." in (ROOT / "docs" / "deploy.md").read_text()


@pytest.mark.parametrize("plant", PLANTS.values(), ids=PLANTS.keys())
def test_a_planted_fault_is_found(checkout: Path, edit: Callable[[str, str, str], None], plant: Plant) -> None:
    edit(plant.file, plant.old, plant.new)

    found = [str(finding) for finding in check(checkout)]

    assert any(one.startswith(f"{plant.of or plant.file}:") and re.search(plant.said, one) for one in found), found
