"""azure.yaml and the hooks: what they name exists, what hooks read is an output of the deployment."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import yaml

from infra.checker.bicep import File, Kind
from infra.checker.findings import Finding, Tree

_VARIABLE = re.compile(r"\$\{?((?:SLIPWAY|AZURE)_[A-Z_]+)")
_AZDS_OWN = frozenset({"AZURE_ENV_NAME", "AZURE_LOCATION", "AZURE_SUBSCRIPTION_ID", "AZURE_PRINCIPAL_ID"})
_TAG = "azd-service-name"


def check_azd(tree: Tree, main: File) -> Iterator[Finding]:
    """Check azure.yaml and every hook that it names."""
    path = tree.root / "azure.yaml"
    told = yaml.safe_load(path.read_text())
    name = tree.name(path)
    yield from _infra(tree, name, told)
    for service, what in told["services"].items():
        if not (tree.root / what["project"] / "host.json").exists():
            yield Finding(name, 1, f"the service {service} has no functions app in {what['project']}")
        if f"'{_TAG}': '{service}'" not in (tree.infra / "modules" / "app.bicep").read_text():
            yield Finding(name, 1, f"no resource of the deployment has the tag {_TAG}: {service}")
    outputs = {one.name for one in main.of(Kind.OUTPUT)}
    for event, hook in told.get("hooks", {}).items():
        yield from _hook(tree, name, event, tree.root / hook["run"], outputs)


def _infra(tree: Tree, name: str, told: dict[str, dict[str, str]]) -> Iterator[Finding]:
    place = told.get("infra", {"path": "infra", "module": "main"})
    if not (tree.root / place["path"] / f"{place['module']}.bicep").exists():
        yield Finding(name, 1, f"there is no {place['path']}/{place['module']}.bicep")


def _hook(tree: Tree, name: str, event: str, path: Path, outputs: set[str]) -> Iterator[Finding]:
    if not path.exists():
        yield Finding(name, 1, f"the hook {event} runs {path.name}, which is not there")
        return
    if not os.access(path, os.X_OK):
        yield Finding(tree.name(path), 1, "the hook cannot be executed")
    for number, line in enumerate(path.read_text().splitlines(), 1):
        for variable in _VARIABLE.findall(line):
            if variable not in outputs | _AZDS_OWN:
                yield Finding(tree.name(path), number, f"main.bicep has no output {variable}")
