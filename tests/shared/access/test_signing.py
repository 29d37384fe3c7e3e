"""Signing keys, in a file and in a vault; the vault is a double that checks what Key Vault's REST would."""

import base64
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from azure.core.credentials import AccessToken
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa, utils

from shared.access.signing import Signer, VaultSigner, open_signer, read_public_key
from shared.access.vaults import KEYS, SecretAddress
from shared.errors import InvalidRequest, Unavailable
from shared.settings import Settings, SettingsError

ADDRESS = "https://mine.vault.azure.net/keys/signing"
PRIVATE = ec.generate_private_key(ec.SECP256R1())


def settings(**values: Any) -> Settings:
    return Settings.model_construct(**{"key_vault_suffix": ".vault.azure.net", **values})


def checks(signer: Signer, message: bytes) -> None:
    """Fails unless the signature is of the message by the key."""
    signer.public_key().key.verify(signer.sign(message), message, ec.ECDSA(hashes.SHA256()))


def pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def test_a_key_in_a_file_signs(tmp_path: Path) -> None:
    file = tmp_path / "key.pem"
    file.write_bytes(pem(PRIVATE))
    signer = open_signer(settings(signing_key_file=file))
    assert signer is not None
    checks(signer, b"a message")
    assert read_public_key(signer.public_key().pem.encode()) == signer.public_key()


def test_without_a_key_nothing_signs() -> None:
    assert open_signer(settings()) is None


@pytest.mark.parametrize(
    "content",
    [b"", b"rubbish", pem(ec.generate_private_key(ec.SECP384R1())), pem(rsa.generate_private_key(65537, 2048))],
    ids=["empty", "rubbish", "P-384", "RSA"],
)
def test_a_file_with_another_key_is_a_wrong_setting(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "key.pem"
    file.write_bytes(content)
    with pytest.raises(SettingsError, match="SLIPWAY_SIGNING_KEY_FILE"):
        open_signer(settings(signing_key_file=file))


@pytest.mark.parametrize("address", ["https://evil.example/keys/k", "https://mine.vault.azure.net/secrets/k", "k"])
def test_another_address_is_a_wrong_setting(address: str) -> None:
    with pytest.raises(SettingsError, match="SLIPWAY_SIGNING_KEY: "):
        open_signer(settings(signing_key=address))


class Vault:
    """Key Vault's `keys`, version 7.4: one key with one version."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.signs = True

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(f"{request.method} {request.url.path}")
        assert request.url.params["api-version"] == "7.4"
        assert request.headers["authorization"] == "Bearer app-token"
        if request.method == "GET":
            return httpx.Response(200, json={"key": self.key(), "attributes": {"enabled": True}})
        body = json.loads(request.content)
        assert body["alg"] == "ES256"
        digest = base64.urlsafe_b64decode(body["value"] + "=" * (-len(body["value"]) % 4))
        if not self.signs:
            return httpx.Response(403, json={"error": {"code": "Forbidden"}})
        der = PRIVATE.sign(digest, ec.ECDSA(utils.Prehashed(hashes.SHA256())))
        raw = b"".join(number.to_bytes(32, "big") for number in utils.decode_dss_signature(der))
        return httpx.Response(200, json={"kid": f"{ADDRESS}/v1", "value": _text(raw)})

    def key(self) -> dict[str, object]:
        numbers = PRIVATE.public_key().public_numbers()
        x, y = (_text(number.to_bytes(32, "big")) for number in (numbers.x, numbers.y))
        return {"kid": f"{ADDRESS}/v1", "kty": "EC", "crv": "P-256", "x": x, "y": y, "key_ops": ["sign", "verify"]}


def _text(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


class App:
    def get_token(self, scope: str) -> AccessToken:
        assert scope == "https://vault.azure.net/.default"
        return AccessToken("app-token", 2**31)


@pytest.fixture
def vault(monkeypatch: pytest.MonkeyPatch) -> Vault:
    monkeypatch.setattr("shared.access.signing.app_identity", lambda _settings: App())
    return Vault()


def signer_of(vault: Any) -> VaultSigner:
    address = SecretAddress.parse(ADDRESS, ".vault.azure.net", KEYS)
    return VaultSigner(settings(), address, httpx.Client(transport=httpx.MockTransport(vault)))


def test_a_vault_signs_by_the_version_that_is_known(vault: Vault) -> None:
    signer = signer_of(vault)
    checks(signer, b"one")
    checks(signer, b"two")
    assert vault.asked == ["GET /keys/signing", *["POST /keys/signing/v1/sign"] * 2]


def test_a_refusal_is_passing(vault: Vault) -> None:
    vault.signs = False
    with pytest.raises(Unavailable, match="HTTP 403"):
        signer_of(vault).sign(b"one")


@pytest.mark.parametrize(
    "change",
    [{"crv": "P-384"}, {"x": "!"}, {"x": 1}, {"kid": "https://evil.example/keys/signing/v1"}, {"y": "AAAA"}],
)
def test_an_odd_key_is_not_used(vault: Vault, change: dict[str, object]) -> None:
    def odd(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"key": vault.key() | change}) if request.method == "GET" else vault(request)

    with pytest.raises(Unavailable):
        signer_of(odd).sign(b"one")
    assert vault.asked == []


def test_what_is_no_public_key_is_refused() -> None:
    with pytest.raises(InvalidRequest):
        read_public_key(b"rubbish")
