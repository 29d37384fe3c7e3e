"""Tokens of agent pools: whoever holds one may let a machine serve the pool. Pure.

A token is `{id}.{secret}`. The pool keeps the SHA-256 of the secret, which is 256 random bits, so that a table tells
nobody how to get in. A **mark**, `{id}.{generation}`, is what a registered machine is known by: it counts no more once
the token is rotated or revoked.
"""

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel, ConfigDict

from shared.arm.wire import ArmTime, Wire

MOST = 10
"""Tokens that a pool has at most."""


class PoolToken(BaseModel):
    """A token as the pool keeps it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    hash: str
    created: datetime
    created_by: str
    generation: int = 1

    @property
    def mark(self) -> str:
        """What machines that registered with it are known by."""
        return f"{self.id}.{self.generation}"

    @classmethod
    def issue(cls, by: str, now: datetime) -> tuple[Self, str]:
        """Make a token and answer it with its text, which nobody can read later."""
        secret = secrets.token_urlsafe(32)
        made = cls(id=secrets.token_hex(6), hash=_hash(secret), created=now, created_by=by)
        return made, f"{made.id}.{secret}"

    def rotated(self, by: str, now: datetime) -> tuple[Self, str]:
        """Answer the same token with another secret, and its text."""
        secret = secrets.token_urlsafe(32)
        known = {"hash": _hash(secret), "created": now, "created_by": by, "generation": self.generation + 1}
        return self.model_copy(update=known), f"{self.id}.{secret}"


class TokenAnswer(Wire):
    """A token as its pool shows it; `token` only in the answer that issues or rotates it."""

    id: str
    created: ArmTime
    created_by: str
    token: str | None = None


def token_answer(token: PoolToken, text: str | None = None) -> dict[str, Any]:
    """Answer the JSON of a token."""
    return TokenAnswer(id=token.id, created=token.created, created_by=token.created_by, token=text).json_object()


def matching(tokens: Sequence[PoolToken], text: str) -> PoolToken | None:
    """Answer the token that a text is, or None. Takes as long for any secret."""
    identifier, _, secret = text.partition(".")
    found = _hash(secret)
    return next((one for one in tokens if one.id == identifier and hmac.compare_digest(one.hash, found)), None)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
