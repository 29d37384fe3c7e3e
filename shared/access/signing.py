"""The key by which the deployment signs what it says of images: ECDSA on P-256 with SHA-256, the key that cosign uses.

In Azure it lies in a key vault and never leaves it (Key Vault REST 7.4, `keys/{name}/sign`); where there is none, in a
file. A key is known by the SHA-256 of its public half, so that a new one may take an old one's place.
"""

import base64
import binascii
import hashlib
import threading
from dataclasses import dataclass
from typing import Any, Protocol, cast

import httpx
from azure.core.exceptions import AzureError
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from shared.access.callers import trust
from shared.access.vaults import KEYS, SecretAddress
from shared.errors import InvalidRequest, Unavailable
from shared.identity import app_identity
from shared.settings import Settings, SettingsError

_API_VERSION = "7.4"
_SECONDS = 20
_HALF = 32
"""Bytes of each of the two numbers of a signature."""


@dataclass(frozen=True)
class PublicKey:
    """The half that anybody may have."""

    key: ec.EllipticCurvePublicKey

    @property
    def pem(self) -> str:
        """The key as PEM text."""
        return self.key.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        ).decode()

    @property
    def id(self) -> str:
        """The SHA-256 of the key's DER form, in hex."""
        form = self.key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        return hashlib.sha256(form).hexdigest()


class Signer(Protocol):
    """Signs in the name of the deployment. Thread-safe."""

    def public_key(self) -> PublicKey:
        """Answer the key to check with. Raises Unavailable."""
        ...

    def sign(self, message: bytes) -> bytes:
        """Answer the signature of a message, as DER. Raises Unavailable."""
        ...


class FileSigner:
    """A key in a file."""

    def __init__(self, private: ec.EllipticCurvePrivateKey) -> None:
        self._private = private

    def public_key(self) -> PublicKey:
        """Answer the key's public half."""
        return PublicKey(self._private.public_key())

    def sign(self, message: bytes) -> bytes:
        """Sign with the key."""
        return self._private.sign(message, ec.ECDSA(hashes.SHA256()))


class VaultSigner:
    """A key in a key vault, which signs by the app's identity."""

    def __init__(self, settings: Settings, address: SecretAddress, client: httpx.Client | None = None) -> None:
        self._settings = settings
        self._address = address
        self._client = client or httpx.Client(
            verify=trust(settings), timeout=_SECONDS, trust_env=False, follow_redirects=False
        )
        self._lock = threading.Lock()
        self._known: tuple[str, PublicKey] | None = None

    def public_key(self) -> PublicKey:
        """Ask the vault once."""
        return self._current()[1]

    def sign(self, message: bytes) -> bytes:
        """Have the vault sign the digest of the message, with the version of the key that is known here."""
        version, _ = self._current()
        digest = base64.urlsafe_b64encode(hashlib.sha256(message).digest()).rstrip(b"=").decode()
        told = self._call("POST", f"{version}/sign", {"alg": "ES256", "value": digest})
        signature = _bytes(told, "value")
        if len(signature) != 2 * _HALF:
            raise Unavailable(f"The key vault {self._address.host} answers what is no signature.")
        return encode_dss_signature(int.from_bytes(signature[:_HALF], "big"), int.from_bytes(signature[_HALF:], "big"))

    def _current(self) -> tuple[str, PublicKey]:
        with self._lock:
            if self._known is None:
                key = self._call("GET", self._address.url, None).get("key")
                self._known = _vault_key(key, self._address)
            return self._known

    def _call(self, method: str, url: str, body: dict[str, str] | None) -> dict[str, Any]:
        host = self._address.host
        try:
            token = app_identity(self._settings).get_token(f"{self._address.resource}/.default").token
            answer = self._client.request(
                method,
                url,
                params={"api-version": _API_VERSION},
                headers={"Authorization": f"Bearer {token}"},
                json=body,
            )
        except (AzureError, httpx.HTTPError) as error:
            raise Unavailable(f"The key vault {host} cannot be asked to sign ({type(error).__name__}).") from None
        if not answer.is_success:
            raise Unavailable(f"The key vault {host} does not sign: HTTP {answer.status_code}.")
        try:
            told = answer.json()
        except ValueError:
            told = None
        if not isinstance(told, dict):
            raise Unavailable(f"The key vault {host} answers what cannot be read.")
        return cast("dict[str, Any]", told)


def open_signer(settings: Settings) -> Signer | None:
    """Open the deployment's signing key; None where there is none. Raises SettingsError for one that does not fit."""
    if settings.signing_key:
        try:
            return VaultSigner(settings, SecretAddress.parse(settings.signing_key, settings.key_vault_suffix, KEYS))
        except InvalidRequest as error:
            raise SettingsError(f"SLIPWAY_SIGNING_KEY: {error.message}") from None
    if settings.signing_key_file is None:
        return None
    try:
        key = serialization.load_pem_private_key(settings.signing_key_file.read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        raise SettingsError(f"SLIPWAY_SIGNING_KEY_FILE: cannot be read ({type(error).__name__})") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name != "secp256r1":
        raise SettingsError("SLIPWAY_SIGNING_KEY_FILE: must hold a private key on the curve P-256, as PEM")
    return FileSigner(key)


def _vault_key(key: object, address: SecretAddress) -> tuple[str, PublicKey]:
    """Read a JSON web key; answer its own address, which names the version, and the key."""
    told = cast("dict[str, Any]", key) if isinstance(key, dict) else {}
    if told.get("crv") != "P-256" or not str(told.get("kid", "")).startswith(f"https://{address.host}/{KEYS}/"):
        raise Unavailable(f"The key {address.name} of the key vault {address.host} is not one on the curve P-256.")
    x, y = (int.from_bytes(_bytes(told, name), "big") for name in ("x", "y"))
    try:
        public = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    except ValueError:
        raise Unavailable(f"The key {address.name} of the key vault {address.host} is none.") from None
    return str(told["kid"]), PublicKey(public)


def _bytes(told: dict[str, Any], name: str) -> bytes:
    try:
        text = told[name].encode()
        return base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4))
    except (KeyError, AttributeError, binascii.Error):
        raise Unavailable(f"The key vault does not tell the key's {name}.") from None


def read_public_key(pem: bytes) -> PublicKey:
    """Read PEM text. Raises InvalidRequest where it is no public key on P-256."""
    try:
        key = serialization.load_pem_public_key(pem)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name != "secp256r1":
        raise InvalidRequest("This is no public key on the curve P-256 as PEM text.")
    return PublicKey(key)
