"""RS256 keys that survive a restart, and the tokens they sign."""

import base64
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from devstack import files

KEY_BITS = 2048


@dataclass(frozen=True)
class SigningKey:
    """A private RSA key and its public name."""

    private: rsa.RSAPrivateKey

    @property
    def id(self) -> str:
        """The key's RFC 7638 thumbprint, used as `kid`."""
        public = self._public_jwk()
        text = json.dumps({name: public[name] for name in ("e", "kty", "n")}, separators=(",", ":"))
        return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()

    def jwk(self) -> dict[str, str]:
        """Write the public half as one entry of a JWKS document."""
        public = self._public_jwk()
        return {
            "kty": "RSA",
            "use": "sig",
            "alg": "RS256",
            "kid": self.id,
            "x5t": self.id,
            "n": public["n"],
            "e": public["e"],
        }

    def sign(self, claims: dict[str, object], headers: dict[str, object] | None = None) -> str:
        """Sign claims as a compact JWT."""
        return jwt.encode(claims, self.private, algorithm="RS256", headers={"kid": self.id} | (headers or {}))

    def verify(self, token: str, *, audience: str, issuer: str) -> dict[str, object]:
        """Give back the claims of a token that this key signed; raises `jwt.InvalidTokenError`."""
        claims: dict[str, object] = jwt.decode(
            token,
            self.private.public_key(),
            algorithms=["RS256"],
            audience=audience,
            issuer=issuer,
            options={"require": ["exp", "iss", "aud", "sub"]},
        )
        return claims

    def _public_jwk(self) -> dict[str, str]:
        algorithm = jwt.algorithms.RSAAlgorithm
        return dict(algorithm.to_jwk(self.private.public_key(), as_dict=True))


def new_key() -> SigningKey:
    """Make a fresh key."""
    return SigningKey(rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS))


def pem(key: SigningKey) -> bytes:
    """Write the private key as unencrypted PKCS#8."""
    return key.private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def load_or_create(path: Path) -> SigningKey:
    """Read the key at `path`, or make it there, readable by the owner alone."""
    if not path.exists():
        files.write_secret(path, pem(new_key()))
    private = serialization.load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(private, rsa.RSAPrivateKey):
        raise TypeError(f"{path} is not an RSA key")
    return SigningKey(private)


def new_ec_key() -> bytes:
    """Make a private key on P-256, as PEM."""
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
