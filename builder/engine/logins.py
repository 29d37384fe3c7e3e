"""Registry logins in the two forms that Docker reads: a configuration file and a request header."""

import contextlib
import json
import os
from base64 import b64decode, b64encode, urlsafe_b64encode
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from builder.contexts.tree import opened, read_text
from builder.faults import ContextRefused
from shared.grant import RegistryLogin
from shared.images.references import DOCKER_HUB

HOME_SETTINGS: Final = {"experimental": "enabled", "HttpHeaders": {"X-Meta-Source-Client": "azure/acr/tasks"}}
"""What ACR Tasks gives the docker clients of steps."""
_HUB_KEY: Final = "https://index.docker.io/v1/"
_FOLDER: Final = ".docker"
_FILE: Final = "config.json"
_FRESH: Final = ".config.json.new"
_CONFIG_LIMIT: Final = 1024**2


def write_config(directory: Path, logins: Iterable[RegistryLogin]) -> None:
    """Write `config.json`, readable by us alone, with exactly these logins.

    `registrytoken` is a bearer token that Docker and BuildKit send as it is.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = directory / "config.json"
    path.touch(mode=0o600)
    path.write_text(json.dumps({"auths": _auths(logins)}))


def merged_config(directory: Path, home: Path, logins: Iterable[RegistryLogin]) -> None:
    """Write `config.json` with the logins of the steps' home directory, with these added to them."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    settings = read_home(home)
    settings["auths"] = _merged(settings, logins)
    path = directory / "config.json"
    path.touch(mode=0o600)
    path.write_text(json.dumps(settings))


def update_home(home: Path, logins: Iterable[RegistryLogin]) -> None:
    """Put logins into `.docker/config.json` of the steps' home directory and leave what steps have written there.

    Steps own that directory: no link in it is followed. Raises ContextRefused when it holds something odd.
    """
    home.mkdir(parents=True, exist_ok=True)
    settings = HOME_SETTINGS | read_home(home)
    settings["auths"] = _merged(settings, logins)
    with opened(home, (_FOLDER,), create=True) as folder:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with contextlib.suppress(FileNotFoundError):
            os.unlink(_FRESH, dir_fd=folder)
        with os.fdopen(os.open(_FRESH, flags, 0o600, dir_fd=folder), "w") as stream:
            json.dump(settings, stream)
        os.rename(_FRESH, _FILE, src_dir_fd=folder, dst_dir_fd=folder)


def read_home(home: Path) -> dict[str, Any]:
    """Return what `.docker/config.json` of a home directory says; empty when it says nothing sensible."""
    try:
        settings = json.loads(read_text(home, f"{_FOLDER}/{_FILE}", _CONFIG_LIMIT) or "{}")
    except (ContextRefused, OSError, ValueError, RecursionError):
        return {}
    return settings if isinstance(settings, dict) else {}


def login_of(home: Path, registry: str) -> RegistryLogin | None:
    """Return the login that a step has left for a registry, if any."""
    entry = _known(read_home(home)).get(_key(registry))
    if not isinstance(entry, dict):
        return None
    if isinstance(token := entry.get("registrytoken"), str) and token:
        return RegistryLogin(registry=registry, token=token)
    try:
        user, _, password = b64decode(str(entry.get("auth", ""))).decode().partition(":")
    except ValueError:
        return None
    return RegistryLogin(registry=registry, username=user, password=password) if user else None


def _known(settings: dict[str, Any]) -> dict[str, Any]:
    auths = settings.get("auths")
    return auths if isinstance(auths, dict) else {}


def _merged(settings: dict[str, Any], logins: Iterable[RegistryLogin]) -> dict[str, Any]:
    """Lay logins over those of a home directory; what a step has logged in to by itself stays."""
    known = _known(settings)
    own = {key: entry for key, entry in known.items() if isinstance(entry, dict) and "registrytoken" not in entry}
    return known | _auths(logins) | own


def _auths(logins: Iterable[RegistryLogin]) -> dict[str, dict[str, str]]:
    return {_key(login.registry): _entry(login) for login in logins}


def header(login: RegistryLogin) -> str:
    """Return the value of `X-Registry-Auth` for one login."""
    fields = {"serveraddress": _key(login.registry)}
    if login.token:
        fields["registrytoken"] = login.token
    else:
        fields |= {"username": login.username or "", "password": login.password or ""}
    return urlsafe_b64encode(json.dumps(fields).encode()).decode()


def _entry(login: RegistryLogin) -> dict[str, str]:
    if login.token:
        return {"registrytoken": login.token}
    return {"auth": b64encode(f"{login.username}:{login.password}".encode()).decode()}


def _key(registry: str) -> str:
    return _HUB_KEY if registry == DOCKER_HUB else registry
