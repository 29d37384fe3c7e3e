"""Tokens in the URL of a live log: one run's log, read-only, for a limited time."""

from datetime import datetime, timedelta

import jwt

from shared.errors import Forbidden

_ALGORITHM, _AUDIENCE = "HS256", "slipway-log"


class LogTokens:
    """Signs and checks them. Thread-safe."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def sign(self, registry: str, run_id: str, now: datetime, life: timedelta, *, reader: str) -> str:
        """Answer a token for the log of one run; `reader` tells one stream from another."""
        claims = {"aud": _AUDIENCE, "registry": registry, "run": run_id, "reader": reader, "exp": now + life}
        return jwt.encode(claims, self._key, algorithm=_ALGORITHM)

    def check(self, token: str, registry: str, run_id: str) -> str:
        """Answer the reader that a token was signed for. Raises Forbidden unless it holds for this run."""
        try:
            claims = jwt.decode(
                token, self._key, algorithms=[_ALGORITHM], audience=_AUDIENCE, options={"require": ["exp", "aud"]}
            )
        except jwt.PyJWTError:
            raise Forbidden("The log's address is wrong or has expired.", code="AuthenticationFailed") from None
        if (claims["registry"], claims["run"]) != (registry, run_id):
            raise Forbidden("The log's address is for another run.", code="AuthenticationFailed")
        return str(claims["reader"])
