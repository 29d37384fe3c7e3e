"""The tokens of the local tenant: which audience a scope means, and what a token claims."""

import secrets
from dataclasses import dataclass

from devstack.entra.directory import Directory

DEFAULT_SCOPE = "/.default"
LIFE_SECONDS = 24 * 3600
CLOCK_SKEW_SECONDS = 300
"""Entra starts a token's validity five minutes in the past."""


@dataclass(frozen=True)
class Subject:
    """Whom a token speaks of."""

    client_id: str
    object_id: str
    roles: tuple[str, ...] = ()


def audience_of(scope: str) -> str | None:
    """Name the resource of a `.default` scope, or None when there is no such scope.

    Exactly one `/.default` is cut off, so `https://host//.default` means the resource `https://host/`:
    the documented way to ask for a resource whose identifier ends in a slash.
    """
    for part in scope.split():
        if part.endswith(DEFAULT_SCOPE) and len(part) > len(DEFAULT_SCOPE):
            return part.removesuffix(DEFAULT_SCOPE)
    return None


def claims(directory: Directory, subject: Subject, audience: str, now: int) -> dict[str, object]:
    """Write the claims of an app-only access token. `now` is in seconds since 1970."""
    made: dict[str, object] = {
        "aud": audience,
        "iss": directory.issuer,
        "iat": now,
        "nbf": now - CLOCK_SKEW_SECONDS,
        "exp": now + LIFE_SECONDS,
        "appid": subject.client_id,
        "appidacr": "1",
        "azp": subject.client_id,
        "azpacr": "1",
        "idtyp": "app",
        "oid": subject.object_id,
        "sub": subject.object_id,
        "tid": directory.tenant_id,
        "uti": secrets.token_urlsafe(16),
        "ver": "2.0",
    }
    if subject.roles:
        made["roles"] = list(subject.roles)
    return made
