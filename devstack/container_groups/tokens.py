"""Check the callers' Azure Resource Manager tokens (RS256, keys from the issuer's JWKS)."""

import asyncio
import ssl
from dataclasses import dataclass

import jwt

from devstack.container_groups.config import Config
from devstack.container_groups.errors import Unauthenticated, Unavailable

_LEEWAY_SECONDS = 60


@dataclass(frozen=True)
class TokenCheck:
    """Checks bearer tokens against one issuer."""

    issuer: str
    audiences: tuple[str, ...]
    keys: jwt.PyJWKClient

    async def check(self, authorization: str | None) -> None:
        """Raise `Unauthenticated` unless the header carries a token that holds, `Unavailable` without keys."""
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            message = "Authentication failed. The 'Authorization' header is missing."
            raise Unauthenticated(message, code="AuthenticationFailed")
        try:
            await asyncio.to_thread(self._decode, token)
        except jwt.PyJWKClientConnectionError:
            raise Unavailable("The keys of the token issuer cannot be read.") from None
        except jwt.PyJWTError as error:
            reason = type(error).__name__
            raise Unauthenticated(f"The access token does not hold ({reason}).") from None

    def _decode(self, token: str) -> None:
        key = self.keys.get_signing_key_from_jwt(token)
        jwt.decode(
            token,
            key,
            algorithms=["RS256"],
            issuer=self.issuer,
            audience=list(self.audiences),
            leeway=_LEEWAY_SECONDS,
            options={"require": ["exp", "iss", "aud"]},
        )


def token_check(config: Config) -> TokenCheck | None:
    """Return the check that the configuration asks for, if it does."""
    if config.token_issuer is None or config.jwks_url is None:
        return None
    context = ssl.create_default_context(cafile=str(config.ca) if config.ca else None)
    keys = jwt.PyJWKClient(config.jwks_url, ssl_context=context, timeout=5)
    return TokenCheck(config.token_issuer, config.token_audiences, keys)
