"""App settings: `local.settings.json`, `%SETTING%` in bindings, storage connections."""

import json
import re
from collections.abc import Mapping
from pathlib import Path

from devstack.functions_host.errors import SettingsError

_REFERENCE = re.compile(r"%([^%]+)%")


def read_local_settings(path: Path) -> dict[str, str]:
    """Return the `Values` of a local.settings.json; raises SettingsError. No value appears in a message."""
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise SettingsError(f"{path} is not JSON.") from error
    if not isinstance(content, dict):
        raise SettingsError(f"{path} must hold a JSON object.")
    if content.get("IsEncrypted"):
        raise SettingsError(f"{path} is encrypted; run `func settings decrypt` first.")
    values = content.get("Values", {})
    if not isinstance(values, dict):
        raise SettingsError(f"{path}: 'Values' must be an object of strings.")
    wrong = [name for name, value in values.items() if not isinstance(value, str)]
    if wrong:
        raise SettingsError(f"{path}: the value of '{wrong[0]}' must be a string.")
    return values


def expand(text: str, settings: Mapping[str, str]) -> str:
    """Replace every `%NAME%` by that setting's value; raises SettingsError when there is none."""

    def value_of(found: re.Match[str]) -> str:
        if found[1] in settings:
            return settings[found[1]]
        raise SettingsError(f"'%{found[1]}%' does not resolve to a value.")

    return _REFERENCE.sub(value_of, text)


def connection_string(name: str, settings: Mapping[str, str]) -> str:
    """Return the storage connection string that a binding's `connection` names; raises SettingsError.

    The platform tries the name with `AzureWebJobs` in front, then as it is; none means AzureWebJobsStorage.
    """
    name = name or "AzureWebJobsStorage"
    for candidate in (f"AzureWebJobs{name}", name):
        if settings.get(candidate):
            return settings[candidate]
    raise SettingsError(f"The connection '{name}' is no app setting; this host needs a connection string there.")


def is_disabled(function: str, settings: Mapping[str, str]) -> bool:
    """Tell whether `AzureWebJobs.<function>.Disabled` switches a function off."""
    value = settings.get(f"AzureWebJobs.{function}.Disabled", "")
    return value.strip().lower() in {"1", "true"}
