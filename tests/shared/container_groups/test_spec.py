"""Container groups as they are sent to Azure, held against its published model."""

from typing import Any

import pytest

from devstack.container_groups.schema import check_container_group
from shared.container_groups.spec import GroupRequest, group_spec
from shared.settings import Settings

SUBNET = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/net/subnets/builders"
REQUEST = GroupRequest("slipway-reg-c0000001-1", "westeurope", "secret-token")


def spec(**changes: object) -> dict[str, Any]:
    values: dict[str, Any] = {
        "public_url": "https://slipway.example",
        "builder_image": "reg.azurecr.io/builder:1",
        "builder_image_identity": None,
        "builder_privileged": False,
        **changes,
    }
    return group_spec(REQUEST, Settings.model_construct(**values), "")


@pytest.mark.parametrize(
    "changes", [{}, {"builder_spot": True}, {"builder_subnet": SUBNET}, {"builder_privileged": True}]
)
def test_every_member_is_one_of_the_published_model(changes: dict[str, object]) -> None:
    checked = check_container_group(spec(**changes))
    assert checked["location"] == "westeurope"
    assert {"sku", "osType", "restartPolicy", "containers"} <= checked["properties"].keys()


def test_spot_and_subnet_are_sent_only_when_asked_for() -> None:
    assert not {"priority", "subnetIds"} & spec()["properties"].keys()
    assert spec(builder_spot=True)["properties"]["priority"] == "Spot"
    assert spec(builder_subnet=SUBNET)["properties"]["subnetIds"] == [{"id": SUBNET}]


def test_the_token_is_in_a_secure_value_alone() -> None:
    (container,) = spec()["properties"]["containers"]
    variables = container["properties"]["environmentVariables"]
    assert [one for one in variables if "secret-token" in str(one)] == [
        {"name": "SLIPWAY_GROUP_TOKEN", "secureValue": "secret-token"}
    ]
