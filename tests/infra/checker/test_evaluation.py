"""What the deployment would make for some parameters: names, places and settings, as Azure would be sent them."""

import base64
import ipaddress
import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from infra.checker.evaluation import SUBSCRIPTION, TENANT, Deployed, deployed
from infra.checker.findings import Tree
from infra.checker.names import RULES
from infra.checker.reading import read
from shared.settings import read_settings

ROOT = Path(__file__).resolve().parents[3]
FORTY = "n" * 40
OTHER = "00000000-0000-0000-0000-000000000002"
SUBNET = f"/subscriptions/{OTHER}/resourceGroups/net/providers/Microsoft.Network/virtualNetworks/hub/subnets/builders"
REGISTRIES = [
    {"name": "first", "resourceGroup": "team", "replicas": ["northeurope"], "warmBuilders": 2},
    {"name": "r" * 50, "resourceGroup": "far", "subscription": OTHER, "rightsByRepository": True},
    {"name": "third", "resourceGroup": "team", "events": False},
]

type Made = Mapping[str, Any]


@pytest.fixture(scope="module")
def deploy() -> Callable[..., Deployed]:
    tree = Tree(ROOT)
    files = {file.path: file for file, _ in (read(tree, path) for path in sorted(tree.infra.rglob("*.bicep")))}

    def work_out(**parameters: object) -> Deployed:
        given = {"environmentName": "try", "location": "westeurope", "principalId": "me"} | parameters
        return deployed(ROOT, files, files["infra/main.bicep"], given)

    return work_out


def modules(whole: Deployed, symbol: str) -> list[Deployed]:
    made = whole.made()[symbol]
    return [one["deployed"] for one in (made if isinstance(made, list) else [made]) if one]


def resources(whole: Deployed) -> Iterator[Made]:
    """Answer all that is made, in all modules."""
    for made in whole.made().values():
        for one in made if isinstance(made, list) else [made]:
            if one and "deployed" in one:
                yield from resources(one["deployed"])
            elif one and not one["existing"]:
                yield one


def settings(whole: Deployed) -> dict[str, str]:
    (app,) = modules(whole, "app")
    told: dict[str, str] = app.made()["appSettings"]["properties"]
    return told


CASES: dict[str, dict[str, object]] = {
    "as it comes": {},
    "the longest name": {"environmentName": FORTY},
    "several registries": {"registries": REGISTRIES},
    "a private network": {"privateNetwork": True, "networkRange": "10.1.2.0/24", "allowedAddresses": ["192.0.2.7/32"]},
    "builders in a subnet": {"builderSubnetId": SUBNET, "builderImage": "example.com/builder:1"},
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_app_starts_with_what_it_is_given(deploy: Callable[..., Deployed], case: dict[str, object]) -> None:
    told = settings(deploy(**case))
    assert re.fullmatch(
        r"@Microsoft\.KeyVault\(SecretUri=https://kv-\w{13}\.vault\.azure\.net/secrets/\S+\)", told["SLIPWAY_KEY"]
    )

    found = read_settings(told | {"SLIPWAY_KEY": base64.b64encode(bytes(32)).decode()})

    assert found.tenant_id == TENANT
    assert found.registries
    assert all(isinstance(value, str) for value in told.values())


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_names_are_as_azure_takes_them_and_nothing_is_made_twice(
    deploy: Callable[..., Deployed], case: dict[str, object]
) -> None:
    made = list(resources(deploy(**case)))

    ids = [one["id"].lower() for one in made]
    assert len(set(ids)) == len(ids)
    for one in made:
        rule = RULES.get(one["type"].lower())
        if rule is not None:
            assert rule.shortest <= len(one["name"]) <= rule.longest, one["id"]
            assert re.fullmatch(rule.pattern, one["name"]), one["id"]


def test_everything_lies_in_two_groups(deploy: Callable[..., Deployed]) -> None:
    whole = deploy()

    groups = {one["id"].split("/")[4] for one in resources(whole)}

    assert groups == {"rg-try", "rg-try-builders"}
    assert whole.outputs()["SLIPWAY_FOREIGN_RESOURCE_GROUPS"] == ""
    assert whole.outputs()["AZURE_RESOURCE_GROUP"] == "rg-try"


def test_each_registry_is_served_where_it_lies(deploy: Callable[..., Deployed]) -> None:
    whole = deploy(registries=REGISTRIES)

    served = json.loads(settings(whole)["SLIPWAY_REGISTRIES"])
    places = [(one.place.subscription, one.place.group) for one in modules(whole, "registry")]

    assert places == [(SUBSCRIPTION, "team"), (OTHER, "far"), (SUBSCRIPTION, "team")]
    assert [one["id"].split("/")[2] for one in served] == [SUBSCRIPTION, OTHER, SUBSCRIPTION]
    assert [(one["replicas"], one["warmBuilders"]) for one in served] == [(["northeurope"], 2), ([], None), ([], None)]
    assert whole.outputs()["SLIPWAY_FOREIGN_RESOURCE_GROUPS"] == "team far"
    assert whole.made()["createdRegistry"] is None


def test_a_topic_is_made_for_each_registry_that_wants_events(deploy: Callable[..., Deployed]) -> None:
    topics = [one.made()["topic"]["name"] for one in modules(deploy(registries=REGISTRIES), "registryEvents")]

    assert topics == ["slipway-first", "slipway-" + "r" * 42]


def test_rights_by_repository_take_the_place_of_both_others(deploy: Callable[..., Deployed]) -> None:
    first, second, _ = modules(deploy(registries=REGISTRIES), "registry")

    assert first.made()["appDeletes"] is not None
    assert second.made()["appDeletes"] is None
    assert second.made()["appPushes"]["properties"]["roleDefinitionId"].startswith(f"/subscriptions/{OTHER}/")


def test_the_apps_network_is_cut_into_subnets_that_do_not_overlap(deploy: Callable[..., Deployed]) -> None:
    (network,) = modules(deploy(privateNetwork=True, networkRange="10.1.2.0/24"), "network")

    made = network.made()
    app, endpoints = [
        ipaddress.ip_network(one["properties"]["addressPrefix"]) for one in made["network"]["properties"]["subnets"]
    ]

    assert not app.overlaps(endpoints)
    assert app.subnet_of(ipaddress.ip_network("10.1.2.0/24"))  # type: ignore[arg-type] # both are of version 4
    assert [one["name"] for one in made["zones"]] == [
        "privatelink.blob.core.windows.net",
        "privatelink.queue.core.windows.net",
        "privatelink.table.core.windows.net",
        "privatelink.vaultcore.azure.net",
    ]


def test_the_app_may_join_the_builders_subnet_where_it_lies(deploy: Callable[..., Deployed]) -> None:
    whole = deploy(builderSubnetId=SUBNET)
    (joined,) = modules(whole, "builderSubnet")

    assert (joined.place.subscription, joined.place.group) == (OTHER, "net")
    assert joined.made()["subnet"]["id"] == SUBNET
    assert whole.outputs()["SLIPWAY_FOREIGN_RESOURCE_GROUPS"] == "net"
    assert settings(whole)["SLIPWAY_BUILDER_SUBNET"] == SUBNET


@pytest.mark.parametrize("case", [{}, {"builderSubnetId": SUBNET, "grantBuilderSubnet": False}])
def test_without_a_grant_no_network_is_touched(deploy: Callable[..., Deployed], case: dict[str, object]) -> None:
    whole = deploy(**case)

    assert whole.made()["builderSubnet"] is None
    assert whole.outputs()["SLIPWAY_FOREIGN_RESOURCE_GROUPS"] == ""


def test_settings_of_the_deployer_take_the_place_of_others(deploy: Callable[..., Deployed]) -> None:
    told = settings(deploy(settings={"SLIPWAY_BUILDER_PRIVILEGED": "false", "SLIPWAY_WARM_BUILDERS": "1"}))

    assert (told["SLIPWAY_BUILDER_PRIVILEGED"], told["SLIPWAY_WARM_BUILDERS"]) == ("false", "1")


def test_az_is_told_the_address_of_the_app(deploy: Callable[..., Deployed]) -> None:
    recipe = deploy(publicUrl="https://slipway.example").outputs()["SLIPWAY_AZ_RECIPE"]

    assert recipe.startswith("az cloud register --name Slipway --skip-endpoint-discovery --endpoint-resource-manager ")
    assert "--endpoint-resource-manager https://slipway.example --endpoint-management " in recipe
    assert " --endpoint-active-directory https://login.microsoftonline.com --" in recipe
    assert recipe.endswith(f" && az cloud set --name Slipway && az login --tenant {TENANT}")


def test_nobody_deploying_is_given_nothing(deploy: Callable[..., Deployed]) -> None:
    whole = deploy(principalId="")

    assert settings(whole)["SLIPWAY_ACCESS"] == "[]"
    assert modules(whole, "vault")[0].made()["deployerMakesKey"] is None
    assert modules(whole, "imageRegistry")[0].made()["deployerPushes"] is None
