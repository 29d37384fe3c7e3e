"""A certificate authority for one checkout and the one leaf that all local services share."""

import datetime as dt
import ipaddress
import os
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from devstack import files
from devstack.errors import StackError

AUTHORITY_LIFE = dt.timedelta(days=3650)
LEAF_LIFE = dt.timedelta(days=397)
RENEW_BEFORE = dt.timedelta(days=30)
BACKDATE = dt.timedelta(hours=1)
"""Certificates start in the past, so that a container whose clock lags accepts them."""

DNS_NAMES = ("localhost", "*.slipway.test", "localreg.slipway.test")
ADDRESSES = ("127.0.0.1", "10.99.0.1")


@dataclass(frozen=True)
class Certificate:
    """A certificate with its private key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    def is_fresh(self, now: dt.datetime) -> bool:
        """Whether it holds for longer than the renewal margin."""
        return self.certificate.not_valid_after_utc - now > RENEW_BEFORE

    def certificate_pem(self) -> bytes:
        """Write the certificate in PEM."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def key_pem(self) -> bytes:
        """Write the unencrypted private key in PEM."""
        return self.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )


@dataclass(frozen=True)
class TlsFiles:
    """Where the certificates of a stack lie."""

    directory: Path

    @property
    def authority(self) -> Path:
        """The CA certificate alone: what others have to trust."""
        return self.directory / "ca.pem"

    @property
    def authority_key(self) -> Path:
        """The CA's private key."""
        return self.directory / "ca.key"

    @property
    def leaf(self) -> Path:
        """The servers' certificate."""
        return self.directory / "server.pem"

    @property
    def leaf_key(self) -> Path:
        """The servers' private key."""
        return self.directory / "server.key"

    @property
    def bundle(self) -> Path:
        """The machine's own CAs and ours."""
        return self.directory / "bundle.pem"


def make_authority(now: dt.datetime) -> Certificate:
    """Make a CA that may sign leaves only."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("Slipway local stack CA")
    builder = (
        _builder(name, name, key.public_key(), now, AUTHORITY_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    return Certificate(builder.sign(key, hashes.SHA256()), key)


def make_leaf(authority: Certificate, now: dt.datetime, names: Sequence[str] = DNS_NAMES) -> Certificate:
    """Make the servers' certificate for every local name, or for others."""
    key = ec.generate_private_key(ec.SECP256R1())
    alternatives: list[x509.GeneralName] = [x509.DNSName(name) for name in names]
    alternatives += [x509.IPAddress(ipaddress.ip_address(address)) for address in ADDRESSES]
    issuer = authority.certificate
    builder = (
        _builder(_name("localhost"), issuer.subject, key.public_key(), now, LEAF_LIFE)
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()), critical=False)
    )
    return Certificate(builder.sign(authority.key, hashes.SHA256()), key)


def ensure(directory: Path, now: dt.datetime) -> TlsFiles:
    """Make or renew what is missing or near its end. A new CA makes a new leaf."""
    tls = TlsFiles(directory)
    authority = _load(tls.authority, tls.authority_key)
    if authority is None or not authority.is_fresh(now):
        authority = make_authority(now)
        _store(authority, tls.authority, tls.authority_key)
    leaf = _load(tls.leaf, tls.leaf_key)
    if leaf is None or not leaf.is_fresh(now) or not _signed_by(leaf, authority):
        _store(make_leaf(authority, now), tls.leaf, tls.leaf_key)
    files.write_if_changed(tls.bundle, system_authorities() + "\n" + tls.authority.read_text())
    return tls


def issue(authority: TlsFiles, directory: Path, names: Sequence[str], now: dt.datetime) -> TlsFiles:
    """Make a leaf for other names in a directory of its own, signed by a CA that is there already.

    The CA's key stays where it is. Raises `StackError` when there is no such CA.
    """
    signer = _load(authority.authority, authority.authority_key)
    if signer is None:
        raise StackError(f"There is no certificate authority in {authority.directory}.")
    tls = TlsFiles(directory)
    _store(make_leaf(signer, now, names), tls.leaf, tls.leaf_key)
    files.write(tls.authority, authority.authority.read_bytes())
    files.write(tls.bundle, authority.bundle.read_bytes())
    return tls


def system_authorities() -> str:
    """Read the PEM text of the CAs that this machine trusts; raises `StackError` when there is none."""
    defaults = ssl.get_default_verify_paths()
    candidates = (
        os.environ.get("SSL_CERT_FILE"),
        defaults.cafile,
        "/etc/ssl/certs/ca-certificates.crt",
        "/etc/pki/tls/certs/ca-bundle.crt",
    )
    for candidate in candidates:
        if candidate and Path(candidate).is_file():
            return Path(candidate).read_text(encoding="utf-8", errors="replace")
    raise StackError("This machine has no CA bundle: install the package ca-certificates.")


def _signed_by(leaf: Certificate, authority: Certificate) -> bool:
    try:
        leaf.certificate.verify_directly_issued_by(authority.certificate)
    except Exception:  # noqa: BLE001 - any doubt about the old leaf is answered by a new one
        return False
    return True


def _load(certificate: Path, key: Path) -> Certificate | None:
    try:
        private = serialization.load_pem_private_key(key.read_bytes(), password=None)
        public = x509.load_pem_x509_certificate(certificate.read_bytes())
    except (OSError, ValueError):
        return None
    if not isinstance(private, ec.EllipticCurvePrivateKey) or private.public_key() != public.public_key():
        return None
    return Certificate(public, private)


def _store(made: Certificate, certificate: Path, key: Path) -> None:
    files.write_secret(key, made.key_pem())
    files.write(certificate, made.certificate_pem())


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public_key: ec.EllipticCurvePublicKey,
    now: dt.datetime,
    life: dt.timedelta,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATE)
        .not_valid_after(now + life)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
