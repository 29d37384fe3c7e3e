"""The manifests for Kubernetes are what its published models say, and what a machine of an agent pool needs."""

import dataclasses
import re
import types
import typing
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from lightkube.models import apps_v1, batch_v1, core_v1

from shared.arm.reading import DEFAULT_TIMEOUT

ROOT = Path(__file__).resolve().parents[3]
SAMPLES = ROOT / "samples" / "agent-pool"
MODELS: dict[str, type] = {
    "namespace.yaml": core_v1.Namespace,
    "deployment.yaml": apps_v1.Deployment,
    "job.yaml": batch_v1.Job,
}
MACHINES = ["deployment.yaml", "job.yaml"]
REPORT_SECONDS = 300

type Tree = typing.Any


def manifest(name: str) -> Tree:
    return yaml.safe_load((SAMPLES / name).read_text())


def faults(kind: object, value: object, path: str = "") -> Iterator[str]:
    """Hold a value against a published type."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        plain = [one for one in arguments if one is not type(None)]
        if not any(not list(faults(one, value, path)) for one in plain):
            yield from faults(plain[0], value, path)
    elif origin is list:
        for index, one in enumerate(value if isinstance(value, list) else [value]):
            yield from faults(arguments[0], one, f"{path}[{index}]")
    elif origin is dict:
        for key, one in value.items() if isinstance(value, dict) else [("", value)]:
            yield from faults(arguments[1], one, f"{path}.{key}")
    elif isinstance(kind, type) and dataclasses.is_dataclass(kind):
        yield from model_faults(kind, value, path)
    elif isinstance(kind, type) and (not isinstance(value, kind) or (kind is int and isinstance(value, bool))):
        yield f"{path}: {value!r} is no {kind.__name__}"


def model_faults(model: type, value: object, path: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{path}: {value!r} is no {model.__name__}"
        return
    hints = typing.get_type_hints(model)
    fields = {one.name: one for one in dataclasses.fields(model)}
    for key, one in value.items():
        if key in fields:
            yield from faults(hints[key], one, f"{path}.{key}")
        else:
            yield f"{path}: {model.__name__} has no {key}"
    for name, field in fields.items():
        if field.default is field.default_factory is dataclasses.MISSING and name not in value:
            yield f"{path}: {model.__name__} needs {name}"


@pytest.mark.parametrize("name", MODELS)
def test_a_manifest_is_what_the_published_model_says(name: str) -> None:
    assert list(faults(MODELS[name], manifest(name))) == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("replicas: 2", "replicas: '2'", ".spec.replicas: '2' is no int"),
        ("emptyDir:", "emptydir:", "has no emptydir"),
        ("automountServiceAccountToken: false", "automountServiceAccountToken: 'no'", "is no bool"),
        ("  selector:\n    matchLabels: {app: slipway-pool}\n", "", "DeploymentSpec needs selector"),
    ],
)
def test_a_planted_fault_is_found(old: str, new: str, said: str) -> None:
    text = (SAMPLES / "deployment.yaml").read_text()
    assert old in text

    found = list(faults(apps_v1.Deployment, yaml.safe_load(text.replace(old, new, 1))))

    assert any(said in one for one in found), found


@pytest.mark.parametrize("name", MACHINES)
def test_a_machine_has_time_to_end_its_run(name: str) -> None:
    grace = manifest(name)["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]

    assert grace == DEFAULT_TIMEOUT + REPORT_SECONDS
    assert re.findall(r"--stop-timeout (\d+)", (ROOT / "docs" / "agent-pools.md").read_text()) == [str(grace)]


@pytest.mark.parametrize("name", MACHINES)
def test_the_namespace_lets_a_privileged_pod_in_and_the_token_is_a_file(name: str) -> None:
    told, pod = manifest("namespace.yaml")["metadata"], manifest(name)["spec"]["template"]["spec"]
    (builder,) = pod["containers"]
    (secret,) = [one for one in pod["volumes"] if "secret" in one]

    assert manifest(name)["metadata"]["namespace"] == told["name"]
    assert told["labels"]["pod-security.kubernetes.io/enforce"] == "privileged"
    assert builder["securityContext"] == {"privileged": True}
    assert secret["secret"]["defaultMode"] == 0o400
    assert not [one for one in builder["env"] if "secretKeyRef" in str(one) or one["name"] == "SLIPWAY_POOL_TOKEN"]


def test_both_manifests_start_the_same_machine() -> None:
    pods = [manifest(name)["spec"]["template"]["spec"] for name in MACHINES]
    for pod, reuse in zip(pods, ["builds", "never"], strict=True):
        pod.pop("restartPolicy", None)
        assert pod["containers"][0]["env"].pop()["value"] == reuse

    assert pods[0] == pods[1]


def test_a_job_ends_at_once_where_the_settings_do_not_hold() -> None:
    rules = manifest("job.yaml")["spec"]["podFailurePolicy"]["rules"]

    assert {"action": "FailJob", "onExitCodes": {"containerName": "builder", "operator": "In", "values": [2]}} in rules
