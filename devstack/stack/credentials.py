"""The random secrets of a stack and the principals of its tenant."""

import base64
import secrets
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from devstack import files
from devstack.entra.directory import ManagedIdentity, Principal
from devstack.signing import new_ec_key
from devstack.stack.layout import Layout
from devstack.stack.names import local_id

ROLES = {"owner": "contributor", "runner": "runner", "reader": "reader", "stranger": None}
"""The test principals and the role that each has in the app."""

IDENTITY = "app"
TASK_IDENTITY = "tasks"
APP_KEY_BYTES = 32
STORAGE_KEY_BYTES = 64
DEV_USER = "dev"


def _random() -> str:
    return secrets.token_urlsafe(32)


def _storage_key() -> str:
    return base64.b64encode(secrets.token_bytes(STORAGE_KEY_BYTES)).decode()


class Credentials(BaseModel):
    """All secrets of one stack but its keys. Made once, then kept: what they protect is kept too."""

    model_config = ConfigDict(frozen=True)

    storage_key: str = Field(default_factory=_storage_key, repr=False)
    identity_header: str = Field(default_factory=_random, repr=False)
    registry_password: str = Field(default_factory=_random, repr=False)
    registry_http_secret: str = Field(default_factory=_random, repr=False)
    events_token: str = Field(default_factory=_random, repr=False)
    clients: dict[str, str] = Field(default_factory=lambda: {name: _random() for name in ROLES}, repr=False)

    def principals(self) -> tuple[Principal, ...]:
        """List the principals of the tenant."""
        return tuple(
            Principal(name=name, client_id=client_id(name), object_id=object_id(name), secret=self.clients[name])
            for name in ROLES
        )

    def identity(self) -> ManagedIdentity:
        """Describe the functions app's own identity."""
        return self._managed(IDENTITY)

    def task_identity(self) -> ManagedIdentity:
        """Describe the identity that the app has for tasks: it may read the registries."""
        return self._managed(TASK_IDENTITY)

    def _managed(self, name: str) -> ManagedIdentity:
        return ManagedIdentity(client_id=client_id(name), object_id=object_id(name), header=self.identity_header)


def client_id(name: str) -> str:
    """Name a principal's application id."""
    return local_id(f"client/{name}")


def object_id(name: str) -> str:
    """Name a principal's object id."""
    return local_id(f"principal/{name}")


def load_or_create(layout: Layout) -> Credentials:
    """Read the secrets of a stack, or make them. The app's keys are made beside them."""
    if not layout.secrets.exists():
        files.write_secret(layout.secrets, Credentials().model_dump_json(indent=2))
    if not layout.app_key.exists():
        files.write_secret(layout.app_key, base64.b64encode(secrets.token_bytes(APP_KEY_BYTES)))
    if not layout.master_key.exists():
        files.write_secret(layout.master_key, _random())
    if not layout.signing_key.exists():
        files.write_secret(layout.signing_key, new_ec_key())
    return _read(layout.secrets)


def _read(path: Path) -> Credentials:
    known = Credentials.model_validate_json(path.read_text())
    if known.model_fields_set != set(Credentials.model_fields):
        files.write_secret(path, known.model_dump_json(indent=2))
    return known
