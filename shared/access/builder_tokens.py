"""Tokens of builders: one for a container group, one for each run that it claims.

A group's token lets it ask for work; a run's token lets it act for one epoch of one run. Both are JWTs
signed with a key that is derived from the deployment's own.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

import jwt

from shared.errors import Unauthenticated

_ALGORITHM = "HS256"


class TokenUse(StrEnum):
    """What a builder's token is for; one never stands in for the other."""

    GROUP = "slipway-group"
    RUN = "slipway-run"


@dataclass(frozen=True)
class Bearer:
    """What a valid token says of its bearer. `run_id` and `epoch` are empty in a group's token."""

    registry: str
    group: str
    run_id: str = ""
    epoch: int = 0


class BuilderTokens:
    """Signs and checks builders' tokens. Thread-safe."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def sign(self, use: TokenUse, bearer: Bearer, now: datetime, life: timedelta) -> str:
        """Answer a token for `bearer` that ends `life` after `now`."""
        claims = {
            "aud": use.value,
            "registry": bearer.registry,
            "group": bearer.group,
            "run": bearer.run_id,
            "epoch": bearer.epoch,
            "iat": now,
            "exp": now + life,
        }
        return jwt.encode(claims, self._key, algorithm=_ALGORITHM)

    def check(self, use: TokenUse, authorization: str | None) -> Bearer:
        """Answer the bearer of an `Authorization` header. Raises Unauthenticated."""
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer":
            raise Unauthenticated("The builder sent no token.")
        try:
            claims = jwt.decode(
                token.strip(),
                self._key,
                algorithms=[_ALGORITHM],
                audience=use.value,
                # A clock that is behind the one that signed must not send a builder away for good.
                options={"require": ["exp", "aud"], "verify_iat": False},
            )
        except jwt.PyJWTError:
            raise Unauthenticated("The builder's token is invalid or has expired.") from None
        return Bearer(claims["registry"], claims["group"], claims["run"], claims["epoch"])
