"""Loads an app: its settings, `host.json` and functions, every one checked before anything is served."""

import hashlib
import os
import platform
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from devstack.functions_host import worker
from devstack.functions_host.app_settings import read_local_settings
from devstack.functions_host.errors import FunctionsInError
from devstack.functions_host.host_json import HostJson, read_host_json
from devstack.functions_host.invoker import log
from devstack.functions_host.routing import RouteTable
from devstack.functions_host.triggers import CannotLoad, Function, HttpTrigger, read_function

_HOST_ID_SETTING = "AzureFunctionsWebHost__hostid"


@dataclass(frozen=True, slots=True)
class App:
    """A loaded app."""

    host_json: HostJson
    functions: Mapping[str, Function]
    """By name; disabled ones are listed but never run."""

    def enabled(self) -> list[Function]:
        """Return the functions that are switched on."""
        return [function for function in self.functions.values() if not function.disabled]


def apply_settings(root: Path, settings: Path | None, *, port: int) -> None:
    """Put the app's settings into the environment; what is already there wins, as with `func start`.

    Without a path it is `local.settings.json` in the root, if there is one. Raises SettingsError.
    """
    beside_app = root / "local.settings.json"
    path = beside_app if settings is None and beside_app.exists() else settings
    values = {} if path is None else read_local_settings(path)
    platform_values = {
        "AZURE_FUNCTIONS_ENVIRONMENT": "Development",
        "FUNCTIONS_WORKER_RUNTIME": "python",
        "WEBSITE_HOSTNAME": f"localhost:{port}",
    }
    for name, value in {**platform_values, **values}.items():
        os.environ.setdefault(name, value)


async def load(root: Path) -> App:
    """Index the app at `root` and check every function; raises HostError with all that is wrong."""
    host_json = read_host_json(root)
    problems: list[tuple[str, str]] = []
    functions: dict[str, Function] = {}
    for found in await worker.index_functions(root):
        if found.retry_options is not None:
            log.warning("the retry policy of %s is not applied by this host", found.name)
        try:
            functions[found.name] = read_function(
                found.name,
                found.function_id,
                found.raw_bindings,
                settings=os.environ,
                route_prefix=host_json.extensions.http.route_prefix,
            )
        except CannotLoad as error:
            problems.append((found.name, str(error)))
    problems += route_table(functions.values()).conflicts()
    if problems:
        raise FunctionsInError(problems)
    return App(host_json, functions)


def route_table(functions: Iterable[Function]) -> RouteTable:
    """Return the routes of all HTTP functions that are switched on."""
    return RouteTable.of(
        function.trigger.route
        for function in functions
        if isinstance(function.trigger, HttpTrigger) and not function.disabled
    )


def host_id(root: Path) -> str:
    """Return the name under which hosts of the same app share locks; at most 32 characters."""
    configured = os.environ.get(_HOST_ID_SETTING)
    if configured:
        return configured.lower()
    machine = re.sub(r"[^a-z0-9]", "", platform.node().lower())[:20]
    return f"{machine}-{hashlib.sha256(str(root).encode()).hexdigest()[:10]}"
