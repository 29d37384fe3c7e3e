"""Where the files of a stack lie."""

import os
from dataclasses import dataclass
from pathlib import Path

from devstack.tls.authority import TlsFiles

CHECKOUT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Layout:
    """The state directory of one stack and what is in it."""

    state: Path
    root: Path = CHECKOUT

    @property
    def tls(self) -> TlsFiles:
        """The certificates."""
        return TlsFiles(self.state / "tls")

    @property
    def keys(self) -> Path:
        """Private keys and secrets."""
        return self.state / "keys"

    @property
    def secrets(self) -> Path:
        """The random secrets of this stack."""
        return self.keys / "secrets.json"

    @property
    def app_key(self) -> Path:
        """The key that the functions app encrypts secrets with: 32 bytes in base64."""
        return self.keys / "slipway.key"

    @property
    def signing_key(self) -> Path:
        """The key that the functions app signs the provenance of images with."""
        return self.keys / "provenance.pem"

    @property
    def master_key(self) -> Path:
        """The key of the functions host's own doors."""
        return self.keys / "functions-master.key"

    @property
    def entra_key(self) -> Path:
        """The tenant's signing key."""
        return self.keys / "entra.pem"

    @property
    def registry_key(self) -> Path:
        """The token service's signing key."""
        return self.keys / "registry-tokens.pem"

    @property
    def registry_certificate(self) -> Path:
        """The certificate by which the registry knows the token service."""
        return self.keys / "registry-tokens.crt"

    @property
    def other_registry(self) -> Path:
        """The second registry's data."""
        return self.state / "other-registry"

    @property
    def registry_auth(self) -> Path:
        """The developer's registry login, in the form of Docker's `config.json`."""
        return self.keys / "registry-auth" / "config.json"

    @property
    def config(self) -> Path:
        """The generated configuration files; they hold secrets."""
        return self.state / "config"

    @property
    def logs(self) -> Path:
        """What the services print."""
        return self.state / "logs"

    @property
    def azurite(self) -> Path:
        """Azurite's data."""
        return self.state / "azurite"

    @property
    def registry(self) -> Path:
        """The registry's data."""
        return self.state / "registry"

    @property
    def container_groups(self) -> Path:
        """The container-group service's data."""
        return self.state / "container-groups"

    @property
    def vault(self) -> Path:
        """The key vault: one file for each secret."""
        return self.state / "vault"

    @property
    def az(self) -> Path:
        """Configuration directories of az, one for each principal."""
        return self.state / "az"

    @property
    def record(self) -> Path:
        """What runs now: written by the supervisor."""
        return self.state / "stack.json"

    @property
    def lock(self) -> Path:
        """Held by the supervisor of this stack while it lives."""
        return self.state / "stack.lock"

    @property
    def python(self) -> Path:
        """The interpreter of the checkout's environment."""
        return self.root / ".venv" / "bin" / "python"


def cache() -> Path:
    """Name the directory of things that are made once per machine."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "slipway"
