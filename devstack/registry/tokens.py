"""Access tokens for the registry (Docker token specification) and ACR's refresh tokens."""

import base64
import datetime as dt
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

from devstack import files
from devstack.registry.access import Scope
from devstack.signing import SigningKey

ACCESS_LIFE_SECONDS = 3600
REFRESH_LIFE_SECONDS = 3 * 3600
CLOCK_SKEW_SECONDS = 60
CERTIFICATE_LIFE = dt.timedelta(days=3650)


@dataclass(frozen=True)
class Mint:
    """Makes and reads the tokens of one registry."""

    issuer: str
    service: str
    key: SigningKey
    certificate: x509.Certificate

    def access(self, account: str, scopes: Sequence[Scope], now: int | None = None) -> str:
        """Sign an access token. The header carries the certificate: docker-registry 2.8 finds its key by `x5c`."""
        claims = self._claims(account, ACCESS_LIFE_SECONDS, now) | {
            "aud": self.service,
            "access": [scope.claim() for scope in scopes],
        }
        der = self.certificate.public_bytes(serialization.Encoding.DER)
        return self.key.sign(claims, {"x5c": [base64.b64encode(der).decode()]})

    def refresh(self, account: str) -> str:
        """Sign a refresh token: it names an account, and what that may do is looked up when it is used."""
        claims = self._claims(account, REFRESH_LIFE_SECONDS, None)
        return self.key.sign(claims | {"aud": self._refresh_audience, "grant_type": "refresh_token"})

    def account_of(self, refresh_token: str) -> str | None:
        """Name the account of a refresh token of ours that still holds."""
        try:
            claims = self.key.verify(refresh_token, audience=self._refresh_audience, issuer=self.issuer)
        except jwt.InvalidTokenError:
            return None
        return str(claims["sub"])

    @property
    def _refresh_audience(self) -> str:
        # Not the registry's: a refresh token must never pass for an access token.
        return f"{self.service}/oauth2"

    def _claims(self, account: str, life: int, now: int | None) -> dict[str, object]:
        issued = int(time.time()) if now is None else now
        return {
            "iss": self.issuer,
            "sub": account,
            "iat": issued,
            "nbf": issued - CLOCK_SKEW_SECONDS,
            "exp": issued + life,
            "jti": secrets.token_urlsafe(16),
        }


def signing_certificate(key: SigningKey, path: Path, now: dt.datetime) -> x509.Certificate:
    """Read or make the self-signed certificate of a signing key: the registry's `rootcertbundle`."""
    try:
        existing = x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError):
        existing = None
    if existing and existing.public_key() == key.private.public_key() and existing.not_valid_after_utc > now:
        return existing
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Slipway local registry tokens")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + CERTIFICATE_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key.private, hashes.SHA256())
    )
    files.write(path, made.public_bytes(serialization.Encoding.PEM))
    return made
