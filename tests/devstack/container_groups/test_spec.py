from typing import Any

import pytest

from devstack.container_groups.errors import BadRequest
from devstack.container_groups.spec import Mount, check_group_name, fingerprint, parse_group, without_secrets


def body(container: dict[str, Any] | None = None, /, **properties: Any) -> dict[str, Any]:
    default = {"image": "img", "resources": {"requests": {"cpu": 1.5, "memoryInGB": 2}}}
    containers = [{"name": "builder", "properties": default | (container or {})}]
    base = {"osType": "Linux", "restartPolicy": "Never", "containers": containers}
    return {"location": "local", "properties": base | properties}


def test_the_essentials_are_read() -> None:
    variables = [{"name": "A", "value": "1"}, {"name": "B", "secureValue": "2"}, {"name": "C"}]
    spec = parse_group(body({"command": ["a", "b"], "environmentVariables": variables}))
    assert (spec.location, spec.container, spec.image, spec.command) == ("local", "builder", "img", ("a", "b"))
    assert spec.environment == (("A", "1"), ("B", "2"), ("C", ""))
    assert (spec.memory, spec.cpu, spec.privileged) == (2 * 1024**3, 1.5, False)


def test_limits_win_over_requests() -> None:
    resources = {"requests": {"cpu": 1, "memoryInGB": 1}, "limits": {"cpu": 2, "memoryInGB": None}}
    spec = parse_group(body({"resources": resources}))
    assert (spec.cpu, spec.memory) == (2, 1024**3)


def test_privileged_needs_the_confidential_sku() -> None:
    context = {"securityContext": {"privileged": True}}
    assert parse_group(body(context, sku="confidential")).privileged
    for properties in ({}, {"sku": "Standard"}):
        with pytest.raises(BadRequest) as refused:
            parse_group(body(context, **properties))
        assert refused.value.code == "PrivilegedContainersNotAllowed"


@pytest.mark.parametrize(
    ("container", "properties", "target"),
    [
        ({}, {"volumes": [{"name": "v", "secret": {}}]}, "properties.volumes[0]"),
        ({}, {"initContainers": [{"name": "V", "properties": {}}]}, "properties.initContainers[0]"),
        ({}, {"ipAddress": {"ports": []}}, "properties.ipAddress"),
        ({}, {"osType": "Windows"}, "properties.osType"),
        ({}, {"restartPolicy": "OnFailure"}, "properties.restartPolicy"),
        ({}, {"restartPolicy": None}, "properties.restartPolicy"),
        ({}, {"containers": []}, "properties.containers"),
        (
            {"volumeMounts": [{"name": "v", "mountPath": "/a/../b"}]},
            {"volumes": [{"name": "v", "emptyDir": {}}]},
            "properties.containers[0].properties.volumeMounts",
        ),
        ({"volumeMounts": [{"name": "v", "mountPath": "/a"}]}, {}, "properties.volumes"),
        ({"securityContext": {"runAsUser": 5}}, {}, "properties.containers[0].properties.securityContext"),
        ({"resources": {"requests": {"cpu": 0, "memoryInGB": 1}}}, {}, "properties.containers[0].properties.resources"),
        (
            {"resources": {"requests": {"cpu": 1, "memoryInGB": 1, "gpu": {"count": 1}}}},
            {},
            "properties.containers[0].properties.resources.requests.gpu",
        ),
        ({"environmentVariables": [{"name": "A=B"}]}, {}, "properties.containers[0].properties.environmentVariables"),
        (
            {"environmentVariables": [{"name": "A", "value": "\0"}]},
            {},
            "properties.containers[0].properties.environmentVariables",
        ),
    ],
)
def test_what_would_silently_not_happen_is_refused(
    container: dict[str, Any], properties: dict[str, Any], target: str
) -> None:
    with pytest.raises(BadRequest) as refused:
        parse_group(body(container, **properties))
    assert refused.value.target == target


def test_a_location_is_required() -> None:
    with pytest.raises(BadRequest) as refused:
        parse_group(body() | {"location": ""})
    assert refused.value.code == "LocationRequired"


@pytest.mark.parametrize("name", ["a", "run-ca1-2", "RUN", "a" * 63])
def test_legal_group_names(name: str) -> None:
    check_group_name(name)


@pytest.mark.parametrize("name", ["", "-a", "a-", "a_b", "a" * 64, "..", "a/b", "a\n"])
def test_illegal_group_names(name: str) -> None:
    with pytest.raises(BadRequest):
        check_group_name(name)


def test_answers_and_representations_hold_no_secret() -> None:
    secret = "s3cr3t"
    asked = body(
        {"environmentVariables": [{"name": "T", "secureValue": secret}]},
        imageRegistryCredentials=[{"server": "s", "username": "u", "password": secret}],
        diagnostics={"logAnalytics": {"workspaceId": "w", "workspaceKey": secret}},
    )
    assert secret not in repr(without_secrets(asked))
    assert secret not in repr(parse_group(asked))
    assert without_secrets(asked)["properties"]["imageRegistryCredentials"] == [{"server": "s", "username": "u"}]


def test_the_fingerprint_covers_secrets_but_not_order() -> None:
    one = body({"environmentVariables": [{"name": "T", "secureValue": "a"}]})
    other = body({"environmentVariables": [{"name": "T", "secureValue": "b"}]})
    turned = dict(reversed(one.items()))
    assert fingerprint(one) != fingerprint(other)
    assert fingerprint(one) == fingerprint(turned)


def test_a_group_has_containers_beside_and_before_the_first() -> None:
    asked = body(volumes=[{"name": "shared", "emptyDir": {}}])
    first = asked["properties"]["containers"][0]
    asked["properties"]["containers"].append({**first, "name": "step-0"})
    asked["properties"]["initContainers"] = [
        {"name": "tools", "properties": {"image": "img", "volumeMounts": [{"name": "shared", "mountPath": "/s"}]}}
    ]
    spec = parse_group(asked)
    assert [each.container for each in spec.others] == ["step-0"]
    assert [(each.container, each.mounts) for each in spec.before] == [("tools", (Mount("shared", "/s"),))]
    assert (spec.volumes, spec.all_cpu) == (("shared",), 3.0)

    asked["properties"]["containers"][1]["name"] = "builder"
    with pytest.raises(BadRequest, match="one name"):
        parse_group(asked)


def test_a_privileged_container_runs_alone() -> None:
    asked = body({"securityContext": {"privileged": True}}, sku="Confidential")
    asked["properties"]["containers"].append({**asked["properties"]["containers"][0], "name": "other"})
    with pytest.raises(BadRequest, match="alone"):
        parse_group(asked)
