"""Secrets that lie in key vaults: which addresses may be asked, and how (Key Vault REST, API version 7.4).

The host of an address comes from a task file, so it counts only when it lies in the deployment's own cloud, and no
redirect is followed: the app's token for vaults goes to vaults alone.
"""

import re
from dataclasses import dataclass
from typing import Protocol, Self
from urllib.parse import urlsplit

import httpx
from azure.core.exceptions import AzureError

from shared.access.callers import trust
from shared.errors import InvalidRequest, Unavailable
from shared.identity import app_identity
from shared.settings import Settings

_API_VERSION = "7.4"
SECRETS, KEYS = "secrets", "keys"
"""The collections of a vault that are asked here."""
_WRONG = "invalid azure keyvault secret URL"
_DEFAULT_RESOURCE = "https://vault.azure.net"
_SEGMENTS = (2, 3)
_NAME = re.compile(r"[0-9a-z-]{1,127}")
_SECONDS = 20
_CLIENT_ID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


@dataclass(frozen=True)
class SecretAddress:
    """One secret or key of one vault; an empty `version` means the newest. `suffix` is the cloud's, as configured."""

    host: str
    name: str
    version: str
    suffix: str
    collection: str = SECRETS

    @classmethod
    def parse(cls, text: str, suffix: str, collection: str = SECRETS) -> Self:
        """Read `https://<vault>/secrets/<name>[/<version>]`, in any case, as ACR Tasks does.

        A suffix with a dot in front must end the host, any other must be the host itself. Raises InvalidRequest.
        """
        parts = urlsplit(text.strip().lower())
        if parts.scheme != "https":
            raise InvalidRequest(f"{_WRONG} scheme. Expected Https")
        segments = parts.path.strip("/").split("/")
        if len(segments) not in _SEGMENTS:
            raise InvalidRequest(f"{_WRONG}. Bad number of URL segments: {len(segments)}")
        if segments[0] != collection:
            raise InvalidRequest(f"{_WRONG}. Expected '{collection}' collection, but found: {segments[0][:100]}")
        if not all(_NAME.fullmatch(segment) for segment in segments[1:]):
            raise InvalidRequest(f"{_WRONG}. A name consists of letters, digits and dashes")
        if not _is_vault(parts.netloc, suffix):
            raise InvalidRequest(f"{_WRONG}. The host is not a key vault of this cloud ({suffix})")
        version = segments[2] if len(segments) == _SEGMENTS[1] else ""
        return cls(parts.netloc, segments[1], version, suffix, collection)

    @property
    def url(self) -> str:
        """What to ask."""
        path = "/".join(part for part in (self.collection, self.name, self.version) if part)
        return f"https://{self.host}/{path}"

    @property
    def resource(self) -> str:
        """The audience of a token for the vault."""
        return f"https://{self.suffix[1:]}" if self.suffix.startswith(".") else _DEFAULT_RESOURCE


def _is_vault(host: str, suffix: str) -> bool:
    if not suffix.startswith("."):
        return host == suffix
    label = host.removesuffix(suffix)
    return label != host and _NAME.fullmatch(label) is not None


class Vault(Protocol):
    """Reads secrets. Thread-safe; nothing is retried inside."""

    def read(self, address: str, client_id: str) -> str:
        """Answer the value of a secret, exactly.

        `client_id` picks a managed identity of the app; empty means the app's own. Raises InvalidRequest with a
        sentence for the author of the task, Unavailable when the vault does not answer.
        """
        ...


class NoVault:
    """There is none."""

    def read(self, address: str, client_id: str) -> str:
        """Refuse."""
        del address, client_id
        raise InvalidRequest("No key vault can be read here.")


class KeyVaults:
    """The vaults of the deployment's cloud."""

    def __init__(self, settings: Settings, client: httpx.Client | None = None) -> None:
        self._settings = settings
        self._client = client or httpx.Client(
            verify=trust(settings), timeout=_SECONDS, trust_env=False, follow_redirects=False
        )

    def read(self, address: str, client_id: str) -> str:
        """Ask the vault."""
        secret = SecretAddress.parse(address, self._settings.key_vault_suffix)
        headers = {"Authorization": f"Bearer {self._token(secret, client_id)}"}
        try:
            answer = self._client.get(secret.url, params={"api-version": _API_VERSION}, headers=headers)
        except httpx.HTTPError as error:
            raise Unavailable(f"The key vault {secret.host} does not answer ({type(error).__name__}).") from None
        if answer.status_code in {401, 403}:
            raise InvalidRequest(f"The key vault {secret.host} does not let this identity read {secret.name}.")
        if answer.status_code == httpx.codes.NOT_FOUND:
            raise InvalidRequest(f"The key vault {secret.host} has no secret {secret.name}.")
        if not answer.is_success:
            raise Unavailable(f"The key vault {secret.host} answers HTTP {answer.status_code}.")
        return _value(answer, secret)

    def _token(self, secret: SecretAddress, client_id: str) -> str:
        if client_id and not _CLIENT_ID.fullmatch(client_id):
            raise InvalidRequest("msi client ID is not a valid guid")
        try:
            return app_identity(self._settings, client_id or None).get_token(f"{secret.resource}/.default").token
        except AzureError:
            raise InvalidRequest(
                f"The app has no identity {client_id} to read {secret.name} with."
                if client_id
                else f"The app has no identity to read {secret.name} with."
            ) from None


def _value(answer: httpx.Response, secret: SecretAddress) -> str:
    try:
        value = answer.json()["value"]
    except (ValueError, KeyError, TypeError):
        value = None
    if not isinstance(value, str):
        raise Unavailable(f"The key vault {secret.host} answers what is not a secret.")
    return value
