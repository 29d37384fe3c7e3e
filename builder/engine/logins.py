"""Registry logins in the two forms that Docker reads: a configuration file and a request header."""

import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from shared.grant import RegistryLogin
from shared.images.references import DOCKER_HUB

_HUB_KEY: Final = "https://index.docker.io/v1/"


def write_config(directory: Path, logins: Iterable[RegistryLogin]) -> None:
    """Write `config.json`, readable by us alone, with exactly these logins.

    `registrytoken` is a bearer token that Docker and BuildKit send as it is.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    auths = {_key(login.registry): _entry(login) for login in logins}
    path = directory / "config.json"
    path.touch(mode=0o600)
    path.write_text(json.dumps({"auths": auths}))


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
