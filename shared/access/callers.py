"""Callers of the ARM surface: Entra tokens checked in full, and the roles that settings give them.

Source: Microsoft identity platform access tokens (v1 issuer `https://sts.windows.net/{tid}/`, v2 issuer
`{authority}/{tid}/v2.0`); RFC 8725 for what must be checked.
"""

import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import jwt

from shared.errors import Forbidden, Unauthenticated, Unavailable
from shared.settings import Role, Settings

_LEEWAY_SECONDS = 60
_JWKS_SECONDS = 3600
_ORDER = (Role.READER, Role.RUNNER, Role.CONTRIBUTOR)


@dataclass(frozen=True)
class Caller:
    """An authenticated principal. `principals` are the ids by which a role may name it."""

    name: str
    kind: str
    principals: frozenset[str]


class Callers:
    """Turns `Authorization` headers into callers and holds them to their roles. Thread-safe."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        tenant = settings.tenant_id
        self._issuers = [f"https://sts.windows.net/{tenant}/", f"{settings.authority}/{tenant}/v2.0"]
        self._keys = jwt.PyJWKClient(
            f"{settings.authority}/{tenant}/discovery/v2.0/keys",
            lifespan=_JWKS_SECONDS,
            timeout=10,
            ssl_context=trust(settings),
        )

    @property
    def challenge(self) -> str:
        """The `WWW-Authenticate` value that tells a client where to get a token."""
        where = f"{self._settings.authority}/{self._settings.tenant_id}"
        return (
            f'Bearer authorization_uri="{where}", error="invalid_token",'
            ' error_description="The access token is missing or invalid."'
        )

    def authenticate(self, authorization: str | None) -> Caller:
        """Answer who sent the header. Raises Unauthenticated, or Unavailable when Entra's keys cannot be read."""
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise Unauthenticated("The request has no bearer token.", code="AuthenticationFailed")
        return _caller(self._claims(token.strip()))

    def require(self, caller: Caller, registry: str, role: Role) -> None:
        """Raise Forbidden unless `caller` holds `role`, or one that includes it, in the registry (a storage key)."""
        if not self.holds(caller, registry, role):
            raise Forbidden(
                f"The client '{caller.name}' does not have the role '{role}' in the registry '{registry}'."
                " Add it to the setting SLIPWAY_ACCESS."
            )

    def holds(self, caller: Caller, registry: str, role: Role) -> bool:
        """Whether `caller` holds `role`, or one that includes it, in the registry."""
        held = (
            assignment.role
            for assignment in self._settings.access
            if assignment.registry.lower() in {"*", registry} and assignment.principal.lower() in caller.principals
        )
        return any(_ORDER.index(one) >= _ORDER.index(role) for one in held)

    def _claims(self, token: str) -> Mapping[str, Any]:
        try:
            key = self._keys.get_signing_key_from_jwt(token)
            return jwt.decode(
                token,
                key,
                algorithms=["RS256"],
                audience=list(self._audiences()),
                issuer=self._issuers,
                leeway=_LEEWAY_SECONDS,
                options={"require": ["exp", "iss", "aud", "tid", "oid"]},
            )
        except (jwt.PyJWKClientConnectionError, jwt.PyJWKSetError, ValueError):
            raise Unavailable("The signing keys of the identity provider cannot be read.") from None
        except jwt.ExpiredSignatureError:
            raise Unauthenticated("The access token has expired.", code="ExpiredAuthenticationToken") from None
        except jwt.PyJWTError as error:
            raise Unauthenticated(f"The access token is invalid: {_reason(error)}.") from None

    def _audiences(self) -> Iterable[str]:
        for audience in self._settings.audiences:
            yield audience
            yield audience.rstrip("/")


def trust(settings: Settings) -> ssl.SSLContext:
    """Answer a TLS context that trusts the public authorities and the ones of the settings."""
    context = ssl.create_default_context()
    if settings.ca_bundle is not None:
        context.load_verify_locations(settings.ca_bundle)
    return context


def _caller(claims: Mapping[str, Any]) -> Caller:
    ids = [claims.get(name) for name in ("oid", "appid", "azp")]
    groups = claims.get("groups")
    ids += groups if isinstance(groups, list) else []
    principals = frozenset(str(one).lower() for one in ids if one)
    user = claims.get("upn") or claims.get("preferred_username") or claims.get("unique_name")
    name = user or claims.get("app_displayname") or claims.get("appid") or claims.get("azp") or claims["oid"]
    return Caller(str(name)[:256], "User" if user else "Application", principals)


def _reason(error: jwt.PyJWTError) -> str:
    reasons: Mapping[type[jwt.PyJWTError], str] = {
        jwt.InvalidAudienceError: "it is meant for another audience",
        jwt.InvalidIssuerError: "it comes from another issuer",
        jwt.InvalidSignatureError: "its signature does not hold",
        jwt.ImmatureSignatureError: "it is not valid yet",
        jwt.MissingRequiredClaimError: "a required claim is missing",
    }
    return reasons.get(type(error), "it cannot be read")
