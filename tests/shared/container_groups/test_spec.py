"""Container groups as they are sent to Azure, held against its published model."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from builder.environment import confined
from devstack.container_groups.schema import check_container_group
from shared.container_groups.spec import GroupRequest, group_spec
from shared.grant import RegistryLogin, StepContainer
from shared.settings import BuilderKind, Settings

SUBNET = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/net/subnets/builders"
REQUEST = GroupRequest("slipway-reg-c0000001-1", "westeurope", "secret-token")


def spec(kind: BuilderKind = BuilderKind.CONFINED, *, is_spot: bool = False, **changes: object) -> dict[str, Any]:
    values: dict[str, Any] = {
        "public_url": "https://slipway.example",
        "builder_image": "reg.azurecr.io/builder:1",
        "builder_image_identity": None,
        "confined_image": "reg.azurecr.io/confined:1",
        **changes,
    }
    return group_spec(replace(REQUEST, kind=kind, is_spot=is_spot), Settings.model_construct(**values), "")


@pytest.mark.parametrize("kind", BuilderKind)
@pytest.mark.parametrize("changes", [{}, {"builder_subnet": SUBNET}])
@pytest.mark.parametrize("is_spot", [False, True])
def test_every_member_is_one_of_the_published_model(
    kind: BuilderKind, changes: dict[str, object], *, is_spot: bool
) -> None:
    checked = check_container_group(spec(kind, is_spot=is_spot, **changes))
    assert checked["location"] == "westeurope"
    assert {"sku", "osType", "restartPolicy", "containers"} <= checked["properties"].keys()


def test_the_group_of_a_full_builder_is_whole_as_azure_gets_it() -> None:
    sent = spec(BuilderKind.FULL, builder_image_identity="/id", builder_subnet=SUBNET)
    assert sent == {
        "location": "westeurope",
        "tags": {"slipway": "builder"},
        "identity": {"type": "UserAssigned", "userAssignedIdentities": {"/id": {}}},
        "properties": {
            "sku": "Confidential",
            "confidentialComputeProperties": {"ccePolicy": ""},
            "osType": "Linux",
            "restartPolicy": "Never",
            "imageRegistryCredentials": [{"server": "reg.azurecr.io", "identity": "/id"}],
            "subnetIds": [{"id": SUBNET}],
            "containers": [
                {
                    "name": "builder",
                    "properties": {
                        "image": "reg.azurecr.io/builder:1",
                        "environmentVariables": [
                            {"name": "SLIPWAY_URL", "value": "https://slipway.example"},
                            {"name": "SLIPWAY_GROUP", "value": "slipway-reg-c0000001-1"},
                            {"name": "SLIPWAY_GROUP_TOKEN", "secureValue": "secret-token"},
                        ],
                        "resources": {"requests": {"cpu": 2.0, "memoryInGB": 4.0}},
                        "securityContext": {"privileged": True},
                    },
                }
            ],
        },
    }


def test_the_group_of_a_confined_builder_asks_for_nothing_special() -> None:
    properties = spec()["properties"]
    (container,) = properties["containers"]
    assert (properties["sku"], container["properties"]["image"]) == ("Standard", "reg.azurecr.io/confined:1")
    assert "confidentialComputeProperties" not in properties
    assert "securityContext" not in container["properties"]
    assert spec(confined_image="")["properties"]["containers"][0]["properties"]["image"] == "reg.azurecr.io/builder:1"


def test_only_standard_groups_are_spot() -> None:
    assert "priority" not in spec(BuilderKind.FULL, is_spot=True)["properties"]


def test_spot_and_subnet_are_sent_only_when_asked_for() -> None:
    assert not {"priority", "subnetIds"} & spec()["properties"].keys()
    assert spec(is_spot=True)["properties"]["priority"] == "Spot"
    assert spec(builder_subnet=SUBNET)["properties"]["subnetIds"] == [{"id": SUBNET}]


def test_the_token_is_in_a_secure_value_alone() -> None:
    (container,) = spec()["properties"]["containers"]
    variables = container["properties"]["environmentVariables"]
    assert [one for one in variables if "secret-token" in str(one)] == [
        {"name": "SLIPWAY_GROUP_TOKEN", "secureValue": "secret-token"}
    ]


STEPS = (StepContainer(step="server", image="busybox"), StepContainer(step="Test_2", image="reg.azurecr.io/tests:1"))
LOGINS = (RegistryLogin(registry="reg.azurecr.io", token="pull-token"),)


def with_steps() -> dict[str, Any]:
    values: dict[str, Any] = {
        "public_url": "https://slipway.example",
        "builder_image": "img.azurecr.io/builder:1",
        "builder_image_identity": "/id",
        "confined_image": "img.azurecr.io/confined:1",
    }
    asked = replace(REQUEST, kind=BuilderKind.CONFINED, steps=STEPS, logins=LOGINS)
    return group_spec(asked, Settings.model_construct(**values), "")


def test_steps_are_containers_beside_the_builder_that_share_its_directories() -> None:
    sent = with_steps()
    check_container_group(sent)
    properties = sent["properties"]
    builder, *steps = properties["containers"]
    assert [step["name"] for step in steps] == ["step-0", "step-1"]
    assert steps[1]["properties"] == {
        "image": "reg.azurecr.io/tests:1",
        "command": ["/slipway/busybox", "sh", "/slipway/step.sh", "/slipway/steps/1"],
        "resources": {
            "requests": {"cpu": 0.1, "memoryInGB": 0.2},
            "limits": {"cpu": 2.0, "memoryInGB": 4.0},
        },
        "volumeMounts": [
            {"name": "shared", "mountPath": "/slipway"},
            {"name": "workspace", "mountPath": "/workspace"},
            {"name": "home", "mountPath": "/acb/home"},
        ],
    }
    paths = confined(Path("/kaniko/executor"))
    mounted = {mount["name"]: mount["mountPath"] for mount in builder["properties"]["volumeMounts"]}
    assert mounted == {"shared": str(paths.shared), "workspace": str(paths.workspace), "home": str(paths.home)}
    assert [volume["emptyDir"] for volume in properties["volumes"]] == [{}] * 3
    (tools,) = properties["initContainers"]
    assert tools["properties"]["image"] == "img.azurecr.io/confined:1"


def test_a_step_whose_image_is_yet_to_be_built_starts_from_the_builders() -> None:
    values: dict[str, Any] = {"public_url": "", "builder_image": "full", "confined_image": "confined"}
    asked = replace(REQUEST, kind=BuilderKind.CONFINED, steps=(StepContainer(step="test"),))
    sent = group_spec(asked, Settings.model_construct(**values, builder_image_identity=None), "")
    check_container_group(sent)
    (builder, step) = sent["properties"]["containers"]
    assert step["properties"]["image"] == builder["properties"]["image"] == "confined"
    assert "environmentVariables" not in step["properties"], "nothing of the builder's goes along"


def test_the_images_of_steps_are_pulled_with_logins_that_no_answer_shows() -> None:
    assert with_steps()["properties"]["imageRegistryCredentials"] == [
        {"server": "img.azurecr.io", "identity": "/id"},
        {
            "server": "reg.azurecr.io",
            "username": "00000000-0000-0000-0000-000000000000",
            "password": "pull-token",
        },
    ]
    assert "pull-token" not in repr(replace(REQUEST, logins=LOGINS))
