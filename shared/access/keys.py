"""The deployment's own key: what is sealed with it and what is derived from it.

Envelope encryption: every secret document has a data key of its own, wrapped by the deployment's key.
The wrapped form names its version, so that a Key Vault key can take the place of the local one.
"""

import base64
import binascii
import json
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from shared.errors import SlipwayError
from shared.settings import Settings, SettingsError

_KEY_BYTES = 32
_NONCE_BYTES = 12


class Keys:
    """The deployment's key in use. Thread-safe."""

    def __init__(self, master: bytes) -> None:
        self._wrapping = _derive(master, b"slipway sealed documents")
        self.token_key = _derive(master, b"slipway builder tokens")

    def seal(self, document: bytes, name: str) -> bytes:
        """Encrypt a document so that it opens only under the same `name`."""
        data_key, nonce = AESGCM.generate_key(256), os.urandom(_NONCE_BYTES)
        sealed = AESGCM(data_key).encrypt(nonce, document, name.encode())
        wrapped = aes_key_wrap(self._wrapping, data_key)
        parts = {"wrapped": wrapped, "nonce": nonce, "sealed": sealed}
        return json.dumps({"version": 1} | {k: base64.b64encode(v).decode() for k, v in parts.items()}).encode()

    def open(self, envelope: bytes, name: str) -> bytes:
        """Decrypt what `seal` made. Raises SlipwayError when it was made for another name or by another key."""
        try:
            parts = json.loads(envelope)
            wrapped, nonce, sealed = (base64.b64decode(parts[part]) for part in ("wrapped", "nonce", "sealed"))
            data_key = aes_key_unwrap(self._wrapping, wrapped)
            return AESGCM(data_key).decrypt(nonce, sealed, name.encode())
        except (InvalidTag, InvalidUnwrap, ValueError, KeyError, TypeError):
            raise SlipwayError(f"The sealed document {name} does not open with this deployment's key.") from None


def read_keys(settings: Settings) -> Keys:
    """Read the deployment's key. Raises SettingsError when it is missing or not 32 bytes in base64."""
    source = "SLIPWAY_KEY" if settings.key is not None else "SLIPWAY_KEY_FILE"
    try:
        master = base64.b64decode(_key_text(settings).strip(), validate=True)
    except OSError as error:
        raise SettingsError(f"{source}: {settings.key_file} cannot be read ({error.strerror})") from None
    except (binascii.Error, ValueError):
        master = b""
    if len(master) != _KEY_BYTES:
        raise SettingsError(f"{source}: must hold {_KEY_BYTES} random bytes in base64")
    return Keys(master)


def _key_text(settings: Settings) -> str:
    if settings.key is not None:
        return settings.key
    return settings.key_file.read_text() if settings.key_file else ""


def _derive(master: bytes, purpose: bytes) -> bytes:
    return HKDF(hashes.SHA256(), _KEY_BYTES, salt=None, info=purpose).derive(master)
