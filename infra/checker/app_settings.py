"""The settings that the deployment gives the app are those that the app reads, and the app starts with them."""

import ast
from collections.abc import Iterator, Mapping
from functools import cache

from infra.checker.bicep import Expression, Fields, File, Property, Text, walk
from infra.checker.findings import Finding, Tree
from shared.settings import Settings, SettingsError, read_settings

PLATFORM = {
    "AzureWebJobsStorage__credential": "the host's triggers use a managed identity, not a key",
    "AzureWebJobsDisableHomepage": "the host answers / itself otherwise",
    "APPLICATIONINSIGHTS_AUTHENTICATION_STRING": "the identity that host and app send telemetry with",
    "PYTHON_THREADPOOL_THREAD_COUNT": "how many requests the Python worker answers at the same time",
}
"""Settings that the Functions platform reads, and why the deployment sets them."""

_REFUSED_NAMES = """
AzureWebJobsDashboard AzureWebJobsStorage ENABLE_ORYX_BUILD FUNCTIONS_EXTENSION_VERSION FUNCTIONS_WORKER_RUNTIME
FUNCTIONS_WORKER_RUNTIME_VERSION FUNCTIONS_MAX_HTTP_CONCURRENCY FUNCTIONS_WORKER_PROCESS_COUNT
FUNCTIONS_WORKER_DYNAMIC_CONCURRENCY_ENABLED SCM_DO_BUILD_DURING_DEPLOYMENT WEBSITE_CONTENTAZUREFILECONNECTIONSTRING
WEBSITE_CONTENTOVERVNET WEBSITE_CONTENTSHARE WEBSITE_DNS_SERVER WEBSITE_MAX_DYNAMIC_APPLICATION_SCALE_OUT
WEBSITE_NODE_DEFAULT_VERSION WEBSITE_RUN_FROM_PACKAGE WEBSITE_SKIP_CONTENTSHARE_VALIDATION WEBSITE_TIME_ZONE
WEBSITE_VNET_ROUTE_ALL
"""
REFUSED = frozenset(_REFUSED_NAMES.split())
"""Settings that Flex Consumption refuses (AzureWebJobsStorage would be a key). Source: its documentation."""

_CONFIG = "Microsoft.Web/sites/config"
_GROUP = "/subscriptions/0/resourceGroups/builders"
_COMPUTED = {
    "SLIPWAY_PUBLIC_URL": "https://app.example",
    "SLIPWAY_AUTHORITY": "https://login.example/",
    "SLIPWAY_RESOURCE_MANAGER": "https://management.example/",
    "SLIPWAY_RESOURCE_MANAGER_AUDIENCE": "https://management.example/",
    "SLIPWAY_REGISTRIES": "[]",
    "SLIPWAY_ACCESS": "[]",
    "SLIPWAY_BUILDER_RESOURCE_GROUP": _GROUP,
    "SLIPWAY_BUILDER_SUBNET": f"{_GROUP}/providers/Microsoft.Network/virtualNetworks/network/subnets/builders",
    "SLIPWAY_KEY_VAULT_SUFFIX": ".vault.example",
    "SLIPWAY_REGISTRY_SUFFIX": ".registry.example",
    "APPLICATIONINSIGHTS_CONNECTION_STRING": "InstrumentationKey=00000000-0000-0000-0000-000000000000",
}
"""Stand-ins for what only a deployment knows; `computed` does for any other."""

_READING = ("environ", "getenv", "connection=")
"""Only what holds one of these is parsed."""

_FOR_THE_APP_IN_AZURE = frozenset(
    field.alias or name
    for name, field in Settings.model_fields.items()
    if field.is_required() or name in {"blob_service", "queue_service", "table_service", "identity_client_id", "key"}
)


def check_settings(tree: Tree, files: Mapping[str, File]) -> Iterator[Finding]:
    """Check the names in both directions, then let the app read what the deployment gives."""
    given = {one.key: (file.path, one) for file, one in _given(files) if one.key}
    known = {field.alias for field in Settings.model_fields.values()} | PLATFORM.keys()
    for name, (path, one) in given.items():
        if name in REFUSED:
            yield Finding(path, one.line, f"Flex Consumption does not take the setting {name}")
        elif name not in known:
            yield Finding(path, one.line, f"nobody reads the setting {name}")
    where = next((path for path, _ in given.values()), "infra/modules/app.bicep")
    for name in sorted(_FOR_THE_APP_IN_AZURE - given.keys()):
        yield Finding(where, 1, f"the app needs the setting {name}")
    for name, path, line in _read_past_the_settings(tree):
        if name not in known:
            yield Finding(path, line, f"{name} is read from the environment and is no setting of shared/settings.py")
    yield from _refused_by_the_app(where, {name: one.value for name, (_, one) in given.items()})


def _given(files: Mapping[str, File]) -> Iterator[tuple[File, Property]]:
    for file in files.values():
        for resource in file.resources(_CONFIG):
            properties = resource.body.get("properties") if resource.body else None
            for part in walk(properties):
                if isinstance(part, Fields):
                    yield from ((file, one) for one in part.properties)


def _refused_by_the_app(where: str, given: Mapping[str, Expression]) -> Iterator[Finding]:
    values = {
        name: value.value if isinstance(value, Text) and value.value is not None else _COMPUTED.get(name, "computed")
        for name, value in given.items()
    }
    try:
        read_settings(values)
    except SettingsError as error:
        for line in str(error).splitlines():
            if not line.endswith("Field required"):
                yield Finding(where, 1, f"the app does not start: {line}")


def _read_past_the_settings(tree: Tree) -> Iterator[tuple[str, str, int]]:
    """Find variables that the app's code reads by name from the environment, or names in a binding's connection."""
    rooms = [path for room in ("functions", "shared") for path in (tree.root / room).rglob("*.py")]
    for path in sorted([tree.root / "function_app.py", *rooms]):
        text = path.read_text()
        if any(word in text for word in _READING):
            yield from ((name, tree.name(path), line) for name, line in _read_in(text))


@cache
def _read_in(text: str) -> tuple[tuple[str, int], ...]:
    """Answer the names that a module reads, and the lines."""
    nodes = ast.walk(ast.parse(text))
    return tuple((name, getattr(node, "lineno", 1)) for node in nodes for name in _variables(node))


def _variables(node: ast.AST) -> Iterator[str]:
    arguments: list[ast.expr] = []
    match node:
        case ast.Call(func=ast.Attribute(attr="getenv"), args=args):
            arguments = args[:1]
        case ast.Call(func=ast.Attribute(attr="get", value=ast.Attribute(attr="environ")), args=args):
            arguments = args[:1]
        case ast.Subscript(value=ast.Attribute(attr="environ"), slice=one):
            arguments = [one]
        case ast.keyword(arg="connection", value=one):
            arguments = [one]
    for argument in arguments:
        if isinstance(argument, ast.Constant) and argument.value != "AzureWebJobsStorage":
            yield str(argument.value)
