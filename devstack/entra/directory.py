"""Who exists in the local tenant: the configuration of the Entra look-alike."""

import hmac
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Principal(_Model):
    """One application and its service principal."""

    name: str
    client_id: str
    object_id: str
    secret: str = Field(repr=False)
    roles: tuple[str, ...] = ()
    """App roles, copied into the `roles` claim."""

    def holds(self, secret: str) -> bool:
        """Compare a presented secret in constant time."""
        return hmac.compare_digest(self.secret.encode(), secret.encode())


class ManagedIdentity(_Model):
    """An identity of the functions app; `header` is what proves the caller to be the app."""

    client_id: str
    object_id: str
    header: str = Field(repr=False)


class Directory(_Model):
    """One tenant. `authority` is the public origin, without a slash at its end."""

    tenant_id: str
    authority: str
    principals: tuple[Principal, ...] = ()
    identity: ManagedIdentity
    """The app's own."""
    attached: tuple[ManagedIdentity, ...] = ()
    """Others that the app has, for tasks."""

    def identity_of(self, client_id: str) -> ManagedIdentity | None:
        """Find the identity that a request names, the app's own where it names none."""
        every = (self.identity, *self.attached)
        return next((one for one in every if one.client_id == client_id), None) if client_id else self.identity

    def principal(self, client_id: str) -> Principal | None:
        """Find a principal by its client id, in any case."""
        wanted = client_id.lower()
        return next((one for one in self.principals if one.client_id.lower() == wanted), None)

    @property
    def issuer(self) -> str:
        """The `iss` of every token."""
        return f"{self.authority}/{self.tenant_id}/v2.0"

    @property
    def jwks_url(self) -> str:
        """Where the keys are published."""
        return f"{self.authority}/{self.tenant_id}/discovery/v2.0/keys"


class EntraConfig(_Model):
    """The whole configuration of the service: the tenant and where to listen."""

    directory: Directory
    port: int
    identity_port: int
    certificate: Path
    key: Path
    signing_key: Path
