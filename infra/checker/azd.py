"""azure.yaml and the hooks: what they name exists, what hooks read is an output of the deployment."""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import yaml

from infra.checker.bicep import File, Kind
from infra.checker.findings import Finding, Tree

_COMMANDS = ("provision", "infracreate", "infradelete", "down", "up", "package", "publish", "deploy", "restore")
_EVENTS = frozenset(f"{when}{command}" for when in ("pre", "post") for command in _COMMANDS)
_HOOK = frozenset(
    {"shell", "run", "continueOnError", "interactive", "windows", "posix", "secrets", "kind", "dir", "config"}
)
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
"""What azure.yaml may say. Source: the published schema of azure.yaml, version 1.0."""

_VARIABLE = re.compile(r"\$\{?((?:SLIPWAY|AZURE)_[A-Z_]+)")
_AZDS_OWN = frozenset(
    {"AZURE_ENV_NAME", "AZURE_LOCATION", "AZURE_SUBSCRIPTION_ID", "AZURE_PRINCIPAL_ID", "AZURE_PRINCIPAL_TYPE"}
)
_TAG = "azd-service-name"
_GROUP = "Microsoft.Resources/resourceGroups"


def check_azd(tree: Tree, main: File) -> Iterator[Finding]:
    """Check azure.yaml and every hook that it names."""
    path = tree.root / "azure.yaml"
    told = yaml.safe_load(path.read_text())
    name = tree.name(path)
    yield from _form(name, told)
    yield from _substituted(tree)
    yield from _infra(tree, name, told)
    for service, what in told["services"].items():
        if not (tree.root / what["project"] / "host.json").exists():
            yield Finding(name, 1, f"the service {service} has no functions app in {what['project']}")
        if f"'{_TAG}': '{service}'" not in (tree.infra / "modules" / "app.bicep").read_text():
            yield Finding(name, 1, f"no resource of the deployment has the tag {_TAG}: {service}")
    outputs = {one.name for one in main.of(Kind.OUTPUT)}
    if len(list(main.resources(_GROUP))) > 1 and "AZURE_RESOURCE_GROUP" not in outputs:
        yield Finding(main.path, 1, "of several resource groups azd takes that of the output AZURE_RESOURCE_GROUP")
    for event, hook in told.get("hooks", {}).items():
        yield from _hook(tree, name, event, tree.root / hook["run"], outputs)


def _form(name: str, told: Mapping[str, object]) -> Iterator[Finding]:
    """Hold what the file says against the published schema."""
    if not _NAME.fullmatch(str(told["name"])):
        yield Finding(name, 1, f"the name {told['name']} is not of lower-case letters, digits and hyphens")
    hooks = told.get("hooks", {})
    for event, hook in hooks.items() if isinstance(hooks, dict) else ():
        if event not in _EVENTS:
            yield Finding(name, 1, f"azd knows no event {event}")
        yield from (Finding(name, 1, f"the hook {event} has no {key}") for key in hook.keys() - _HOOK)


def _substituted(tree: Tree) -> Iterator[Finding]:
    """Check that the parameters file reads variables that azd sets by itself."""
    path = tree.infra / "main.parameters.json"
    for number, line in enumerate(path.read_text().splitlines(), 1):
        for variable in re.findall(r"\$\{(\w+)", line):
            if variable not in _AZDS_OWN:
                yield Finding(tree.name(path), number, f"azd does not set {variable}")


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
