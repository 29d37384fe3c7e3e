"""A bad setting stops the start with one sentence that names it."""

import pytest

from shared.settings import BuilderKind, RegistrySettings, Settings, SettingsError, read_settings

SUBNET = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/net/subnets/builders"

REQUIRED = {
    "AzureWebJobsStorage": "UseDevelopmentStorage=true",
    "SLIPWAY_PUBLIC_URL": "https://slipway.example/",
    "SLIPWAY_TENANT_ID": "t",
    "SLIPWAY_AUDIENCES": "https://management.azure.com",
    "SLIPWAY_REGISTRIES": "[]",
    "SLIPWAY_BUILDER_RESOURCE_GROUP": "/subscriptions/s/resourceGroups/g",
    "SLIPWAY_BUILDER_IMAGE": "slipway/builder",
    "SLIPWAY_KEY": "x",
}


def read(**settings: str) -> Settings:
    return read_settings(REQUIRED | settings)


def test_no_inner_host_is_allowed_by_default() -> None:
    assert read().allowed_hosts == ()


def test_allowed_hosts_are_a_list_with_commas() -> None:
    assert read(SLIPWAY_ALLOWED_HOSTS="git.corp.example:8443, 10.1.0.0/16").allowed_hosts == (
        "git.corp.example:8443",
        "10.1.0.0/16",
    )


@pytest.mark.parametrize("entry", ["*.corp.example", "https://git.corp.example", "10.0.0.1/8"])
def test_an_allowed_host_that_is_none_stops_the_start(entry: str) -> None:
    with pytest.raises(SettingsError, match=r"^SLIPWAY_ALLOWED_HOSTS: .*is neither a host"):
        read(SLIPWAY_ALLOWED_HOSTS=entry)


def test_regions_begin_with_the_registrys_own_where_it_is_listed() -> None:
    registry = RegistrySettings(
        id="/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerRegistry/registries/shop1",
        login_server="shop1.azurecr.io",
        location="North Europe",
    )
    assert read().regions(registry) == ("northeurope",)
    assert read(SLIPWAY_BUILDER_LOCATION="westeurope").regions(registry) == ("westeurope",)
    several = read(SLIPWAY_BUILDER_LOCATION="West Europe, francecentral, northeurope")
    assert several.regions(registry) == ("northeurope", "westeurope", "francecentral")
    replicated = registry.model_copy(update={"replicas": ("France Central", "eastus")})
    assert several.regions(replicated) == ("northeurope", "francecentral", "westeurope")


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"SLIPWAY_BUILDER_SPOT": "true", "SLIPWAY_BUILDER_PRIVILEGED": "true"}, "SLIPWAY_BUILDER_SPOT"),
        ({"SLIPWAY_BUILDER_SPOT": "true", "SLIPWAY_BUILDER_SUBNET": SUBNET}, "SLIPWAY_BUILDER_SPOT"),
        ({"SLIPWAY_BUILDER_LOCATION": "a,b", "SLIPWAY_BUILDER_SUBNET": SUBNET}, "SLIPWAY_BUILDER_LOCATION"),
        ({"SLIPWAY_BUILDER_SUBNET": "builders"}, "SLIPWAY_BUILDER_SUBNET"),
        ({"SLIPWAY_GROUPS_PER_HOUR": "0"}, "SLIPWAY_GROUPS_PER_HOUR"),
        ({"SLIPWAY_BUILDER_KINDS": "full,confined"}, "SLIPWAY_CONFINED_IMAGE"),
        ({"SLIPWAY_BUILDER_KINDS": "small"}, "SLIPWAY_BUILDER_KINDS"),
    ],
)
def test_groups_that_azure_does_not_have_stop_the_start(settings: dict[str, str], named: str) -> None:
    with pytest.raises(SettingsError, match=f"^{named}"):
        read(**settings)


def test_kinds_follow_from_privileges_unless_they_are_named() -> None:
    assert read().kinds == (BuilderKind.CONFINED,)
    assert read(SLIPWAY_BUILDER_PRIVILEGED="true").kinds == (BuilderKind.FULL,)
    both = read(SLIPWAY_BUILDER_KINDS="full, confined", SLIPWAY_CONFINED_IMAGE="slipway/confined")
    assert both.kinds == (BuilderKind.CONFINED, BuilderKind.FULL), "the cheapest comes first"
