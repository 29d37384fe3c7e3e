"""Statements under a signature: DSSE envelopes around in-toto statements. Pure but for the signer.

Sources: the DSSE protocol, version 1.0.2 (what is signed is the payload with its type and both lengths), and in-toto's
Statement, version 1.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from shared.access.signing import PublicKey, Signer
from shared.errors import InvalidRequest

ENVELOPE_TYPE: Final = "application/vnd.dsse.envelope.v1+json"
STATEMENT_TYPE: Final = "application/vnd.in-toto+json"
_MOST_SIGNATURES: Final = 8
"""That are tried: whoever may push may attach an envelope of thousands."""
_STATEMENT: Final = "https://in-toto.io/Statement/v1"


@dataclass(frozen=True)
class Statement:
    """What is said, `predicate`, of the image of a digest; `predicate_type` says how to read it."""

    image: str
    digest: str
    predicate_type: str
    predicate: Mapping[str, Any]

    @property
    def payload(self) -> bytes:
        """The statement as JSON."""
        algorithm, _, encoded = self.digest.partition(":")
        return json.dumps(
            {
                "_type": _STATEMENT,
                "subject": [{"name": self.image, "digest": {algorithm: encoded}}],
                "predicateType": self.predicate_type,
                "predicate": self.predicate,
            }
        ).encode()


def signed(statement: Statement, signer: Signer) -> bytes:
    """Answer the envelope of a statement. Raises Unavailable when the key cannot be used."""
    payload = statement.payload
    signature = signer.sign(_signed_part(STATEMENT_TYPE, payload))
    envelope = {
        "payloadType": STATEMENT_TYPE,
        "payload": base64.b64encode(payload).decode(),
        "signatures": [{"keyid": signer.public_key().id, "sig": base64.b64encode(signature).decode()}],
    }
    return json.dumps(envelope).encode()


def opened(envelope: bytes, key: PublicKey) -> Statement:
    """Answer the statement of an envelope that `key` has signed. Raises InvalidRequest for anything else."""
    try:
        told = json.loads(envelope)
        kind, payload = str(told["payloadType"]), base64.b64decode(told["payload"], validate=True)
        signatures = [base64.b64decode(one["sig"], validate=True) for one in told["signatures"][:_MOST_SIGNATURES]]
    except (ValueError, KeyError, TypeError, RecursionError, binascii.Error):
        raise InvalidRequest("This is no envelope of a signed statement.") from None
    if kind != STATEMENT_TYPE:
        raise InvalidRequest("The envelope holds no in-toto statement.")
    if not any(_fits(signature, _signed_part(kind, payload), key) for signature in signatures):
        raise InvalidRequest("The statement was not signed by this key, or was changed afterwards.")
    return _statement(payload)


def _signed_part(kind: str, payload: bytes) -> bytes:
    return b" ".join((b"DSSEv1", str(len(kind)).encode(), kind.encode(), str(len(payload)).encode(), payload))


def _fits(signature: bytes, message: bytes, key: PublicKey) -> bool:
    try:
        key.key.verify(signature, message, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def _statement(payload: bytes) -> Statement:
    try:
        told = cast("dict[str, Any]", json.loads(payload))
        (subject,) = told["subject"]
        ((algorithm, encoded),) = subject["digest"].items()
        kind, name, predicate_type = (str(text) for text in (told["_type"], subject["name"], told["predicateType"]))
        predicate = told["predicate"]
    except (ValueError, KeyError, TypeError, AttributeError):
        kind, name, algorithm, encoded, predicate_type, predicate = "", "", "", "", "", None
    if kind != _STATEMENT or not isinstance(predicate, dict):
        raise InvalidRequest("The signed text is no in-toto statement of one image.")
    return Statement(name, f"{algorithm}:{encoded}", predicate_type, predicate)
