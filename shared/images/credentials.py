"""How registries ask for a login, and the requests that turn a credential into a token. No network here.

Three dialects: Basic; a Bearer challenge answered at its realm (Docker's token specification, by GET, or by
POST with a refresh token); Azure's exchange of an Entra token for a refresh token in front of it.
"""

import base64
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlencode, urlsplit, urlunsplit

from shared.grant import RegistryLogin

CLIENT_ID: Final = "slipway"
TOKEN_USER: Final = "00000000-0000-0000-0000-000000000000"  # noqa: S105 - a user, and no secret
"""The user by which Azure Container Registry takes a token for a password."""
_DEFAULT_LIFETIME: Final = 60
"""Seconds that a token holds where the registry does not tell (Docker's token specification)."""
_MAX_LIFETIME: Final = 24 * 3600
_PART: Final = re.compile(r'([A-Za-z][A-Za-z0-9_-]*)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*)))?')


@dataclass(frozen=True, slots=True)
class Basic:
    """A name and a password."""

    username: str
    password: str = field(repr=False)

    @property
    def header(self) -> str:
        """The value of an Authorization header."""
        return "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode()


@dataclass(frozen=True, slots=True)
class Bearer:
    """A token that the registry itself accepts."""

    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """A token that the registry's token service accepts, also called identity token."""

    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class EntraToken:
    """An Entra access token for Azure. It goes to the registry's own host and to `hosts` only, whoever asks."""

    token: str = field(repr=False)
    hosts: frozenset[str] = frozenset()


type Credential = Basic | Bearer | RefreshToken | EntraToken


def credential_of(login: RegistryLogin) -> Credential | None:
    """Return what a grant's login is worth; None for one without token and password."""
    if login.token:
        return Bearer(login.token)
    if login.username is not None and login.password is not None:
        return Basic(login.username, login.password)
    return None


@dataclass(frozen=True, slots=True)
class Challenge:
    """One way in that a 401 offers; `scheme` in lower case."""

    scheme: str
    parameters: Mapping[str, str]

    @property
    def realm(self) -> str:
        """Where to ask for a token."""
        return self.parameters.get("realm", "")


@dataclass(frozen=True, slots=True)
class Token:
    """An access token and the seconds that it holds."""

    value: str = field(repr=False)
    lifetime: int = _DEFAULT_LIFETIME


def read_challenges(header: str) -> tuple[Challenge, ...]:
    """Read a WWW-Authenticate header with one challenge or several."""
    found: list[tuple[str, dict[str, str]]] = []
    for part in _PART.finditer(header):
        name, quoted, plain = part.groups()
        if quoted is None and plain is None:
            found.append((name.lower(), {}))
        elif found:
            value = plain if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
            found[-1][1][name.lower()] = value
    return tuple(Challenge(scheme, parameters) for scheme, parameters in found)


def token_url(challenge: Challenge, scopes: Sequence[str]) -> str:
    """Return the address of a GET for a token with the scopes."""
    parts = urlsplit(challenge.realm)
    asked = [("service", service)] if (service := challenge.parameters.get("service")) else []
    asked += [("scope", scope) for scope in scopes]
    query = "&".join(part for part in (parts.query, urlencode(asked)) if part)
    return urlunsplit((parts.scheme, parts.netloc, parts.path, query, ""))


def refresh_form(challenge: Challenge, scopes: Sequence[str], token: str) -> dict[str, str]:
    """Return the form of a POST to the realm that buys an access token with a refresh token."""
    return {
        "grant_type": "refresh_token",
        "service": challenge.parameters.get("service", ""),
        "scope": " ".join(scopes),
        "client_id": CLIENT_ID,
        "refresh_token": token,
    }


def exchange_url(challenge: Challenge) -> str:
    """Return where Azure exchanges an Entra token: beside the realm, at `exchange` instead of `token`."""
    parts = urlsplit(challenge.realm)
    return urlunsplit((parts.scheme, parts.netloc, parts.path.removesuffix("/token") + "/exchange", "", ""))


def exchange_form(challenge: Challenge, token: str) -> dict[str, str]:
    """Return the form of Azure's exchange of an Entra token for a refresh token."""
    return {
        "grant_type": "access_token",
        "service": challenge.parameters.get("service", ""),
        "access_token": token,
    }


def read_token(body: bytes, *names: str, default: int = _DEFAULT_LIFETIME) -> Token | None:
    """Return the token that an answer holds under the first of `names` that it has; None for any other answer.

    `default` is how many seconds it holds where the answer does not tell.
    """
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(answer, dict):
        return None
    value = next((answer[name] for name in names if isinstance(answer.get(name), str) and answer[name]), None)
    lifetime = answer.get("expires_in")
    if not isinstance(lifetime, int | float) or not 0 < lifetime <= _MAX_LIFETIME:
        lifetime = default
    return Token(value, int(lifetime)) if value else None
