"""Who sent it: the ways in which git hosts prove that they hold a hook's secret.

Every comparison takes the same time whatever is compared, and an empty secret proves nothing.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from shared.triggers.git.host import Verification

_SHA256_PREFIX = "sha256="
_SIGNING_TOKEN_PREFIX = "whsec_"  # noqa: S105 - marks a signing token, is none


def by_sha256(signature: str | None, body: bytes, secrets: Sequence[str]) -> Verification:
    """Judge an HMAC-SHA256 of the body in small hexadecimal digits, with or without `sha256=` before it."""
    if not signature:
        return Verification("there is no signature")
    given = signature.removeprefix(_SHA256_PREFIX)
    return _first_equal(given, secrets, lambda secret: hmac.new(_bytes(secret), body, hashlib.sha256).hexdigest())


def by_token(token: str | None, secrets: Sequence[str]) -> Verification:
    """Judge a token that is the secret itself."""
    if not token:
        return Verification("there is no token")
    return _first_equal(token, secrets, lambda secret: secret)


def by_basic(authorization: str | None, secrets: Sequence[str]) -> Verification:
    """Judge the password of basic authentication; the user name is not looked at."""
    scheme, _, encoded = (authorization or "").strip().partition(" ")
    if scheme.lower() != "basic":
        return Verification("there is no basic authentication")
    try:
        decoded = base64.b64decode(encoded, validate=True)
        _, colon, password = decoded.decode().partition(":")
    except (binascii.Error, ValueError):
        return Verification("the basic authentication is malformed")
    if not colon or base64.b64encode(decoded).decode() != encoded:
        return Verification("the basic authentication is malformed")
    return by_token(password, secrets)


def by_standard_webhook(
    identifier: str | None, timestamp: str | None, signatures: str, body: bytes, secrets: Sequence[str]
) -> Verification:
    """Judge the signatures of the Standard Webhooks specification: over id, time in Unix seconds, and body."""
    signed_at = _moment(timestamp)
    if not identifier or not timestamp or signed_at is None:
        return Verification("the signature lacks its id or its time")
    content = b".".join((_bytes(identifier), _bytes(timestamp), body))

    def sign(secret: str) -> str:
        return base64.b64encode(hmac.new(_signing_key(secret), content, hashlib.sha256).digest()).decode()

    answer = Verification("there is no signature of version 1")
    for signature in signatures.split()[:8]:
        version, _, given = signature.partition(",")
        if version == "v1":
            answer = _first_equal(given, secrets, sign)
        if answer:
            return Verification(secret=answer.secret, signed_at=signed_at)
    return answer


def _first_equal(given: str, secrets: Sequence[str], expected: Callable[[str], str]) -> Verification:
    equal = [bool(secret) and hmac.compare_digest(_bytes(expected(secret)), _bytes(given)) for secret in secrets]
    return Verification(secret=equal.index(True)) if any(equal) else Verification("it does not match the hook's secret")


def _signing_key(secret: str) -> bytes:
    if not secret.startswith(_SIGNING_TOKEN_PREFIX):
        return _bytes(secret)
    try:
        return base64.b64decode(secret.removeprefix(_SIGNING_TOKEN_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        return _bytes(secret)


def _moment(timestamp: str | None) -> datetime | None:
    try:
        return datetime.fromtimestamp(int(timestamp or ""), UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogateescape")
