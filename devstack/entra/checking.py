"""Whether an access token is one of the tenant's, and whose."""

from collections.abc import Callable, Sequence

import jwt

type TokenCheck = Callable[[str], str | None]
"""Gives the object id of a valid Entra token, None for any other."""

_REQUIRED = ("exp", "iss", "aud", "oid")


def token_check(
    keys: jwt.PyJWKClient, issuer: str, audiences: Sequence[str], further: Sequence[str] = ()
) -> TokenCheck:
    """Make the check of tokens: signature, issuer, audience and times; `further` are claims that must be there."""

    def check(token: str) -> str | None:
        try:
            claims = jwt.decode(
                token,
                keys.get_signing_key_from_jwt(token).key,
                algorithms=["RS256"],
                audience=list(audiences),
                issuer=issuer,
                options={"require": [*_REQUIRED, *further]},
            )
        except jwt.PyJWTError:
            return None
        return str(claims["oid"])

    return check
