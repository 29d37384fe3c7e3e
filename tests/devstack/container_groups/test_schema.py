import copy
from typing import Any

import pytest

from devstack.container_groups.errors import BadRequest
from devstack.container_groups.schema import check_container_group


def body() -> dict[str, Any]:
    return {
        "location": "local",
        "tags": {"run": "a1"},
        "properties": {
            "osType": "Linux",
            "restartPolicy": "Never",
            "sku": "Confidential",
            "containers": [
                {
                    "name": "builder",
                    "properties": {
                        "image": "slipway/builder",
                        "command": ["/bin/true"],
                        "environmentVariables": [{"name": "A", "secureValue": "b"}],
                        "resources": {"requests": {"cpu": 1, "memoryInGB": 1.5}},
                        "securityContext": {"privileged": True},
                    },
                }
            ],
        },
    }


def changed(path: str, value: object) -> dict[str, Any]:
    """Return the body with one member set; `path` has numbers for list positions."""
    result = copy.deepcopy(body())
    place: Any = result
    *parents, last = path.split(".")
    for parent in parents:
        place = place[int(parent) if parent.isdecimal() else parent]
    key = int(last) if last.isdecimal() else last
    if value is ...:
        del place[key]
    else:
        place[key] = value
    return result


CONTAINER = "properties.containers.0.properties"
NAMED = "properties.containers[0].properties"


def test_a_complete_body_passes_unchanged() -> None:
    assert check_container_group(body()) == body()


@pytest.mark.parametrize(
    ("path", "value", "target"),
    [
        ("surprise", 1, "surprise"),
        ("properties.surprise", 1, "properties.surprise"),
        (f"{CONTAINER}.enviromentVariables", [], f"{NAMED}.enviromentVariables"),
        (f"{CONTAINER}.image", 7, f"{NAMED}.image"),
        (f"{CONTAINER}.image", ..., f"{NAMED}.image"),
        (f"{CONTAINER}.command", "/bin/true", f"{NAMED}.command"),
        (f"{CONTAINER}.command", ["a", 1], f"{NAMED}.command[1]"),
        (f"{CONTAINER}.resources.requests.cpu", "1", f"{NAMED}.resources.requests.cpu"),
        (f"{CONTAINER}.resources.requests.cpu", True, f"{NAMED}.resources.requests.cpu"),
        (
            f"{CONTAINER}.securityContext.privileged",
            1,
            "properties.containers[0].properties.securityContext.privileged",
        ),
        ("properties.containers", {}, "properties.containers"),
        ("properties.containers", ..., "properties.containers"),
        ("properties.containers.0", "builder", "properties.containers[0]"),
        ("properties.osType", ..., "properties.osType"),
        ("properties.osType", "BeOS", "properties.osType"),
        ("properties.sku", "Premium", "properties.sku"),
        ("properties.restartPolicy", "Sometimes", "properties.restartPolicy"),
        ("properties", [], "properties"),
        ("tags", {"a": 1}, "tags.a"),
    ],
)
def test_a_member_that_azure_does_not_know_or_types_otherwise_is_named(path: str, value: object, target: str) -> None:
    with pytest.raises(BadRequest) as refused:
        check_container_group(changed(path, value))
    assert refused.value.target == target
    assert target in refused.value.message


@pytest.mark.parametrize("value", [None, [], "text", 1])
def test_a_body_that_is_no_object_is_refused(value: object) -> None:
    with pytest.raises(BadRequest, match="The body must be an object"):
        check_container_group(value)


def test_values_of_enumerations_are_case_insensitive_and_null_is_absent() -> None:
    check_container_group(changed("properties.osType", "linux"))
    check_container_group(changed("properties.priority", None))
