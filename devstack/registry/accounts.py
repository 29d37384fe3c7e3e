"""The accounts of the registry's token service: its configuration."""

import hmac
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from devstack.registry.access import Right


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class User(_Model):
    """A user with a password, for the developer's own tools."""

    name: str
    password: str = Field(repr=False)
    right: Right

    def holds(self, password: str) -> bool:
        """Compare a presented password in constant time."""
        return hmac.compare_digest(self.password.encode(), password.encode())


class Member(_Model):
    """An Entra principal that may exchange its token, by object id."""

    object_id: str
    right: Right


class TokenServiceConfig(_Model):
    """The whole configuration of the token service."""

    services: tuple[str, ...] = Field(min_length=1)
    """Login servers: the `service` of a request and the `aud` of a token. The first is meant where none is named."""
    issuer: str
    """The `iss` that the registry expects."""
    users: tuple[User, ...] = ()
    members: tuple[Member, ...] = ()
    entra_issuer: str
    entra_jwks_url: str
    entra_audiences: tuple[str, ...]
    authorities: Path
    """The CA bundle that the Entra endpoint is checked against."""
    port: int
    certificate: Path
    key: Path
    signing_key: Path
    signing_certificate: Path

    def user(self, name: str, password: str) -> User | None:
        """Find the user that name and password prove."""
        return next((user for user in self.users if user.name == name and user.holds(password)), None)

    def right_of(self, account: str) -> Right | None:
        """Look up what an account of a refresh token (user name or object id) may do now."""
        rights = {user.name: user.right for user in self.users} | {one.object_id: one.right for one in self.members}
        return rights.get(account)
