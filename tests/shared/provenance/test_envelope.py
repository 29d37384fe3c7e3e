"""Signed statements: what one key has signed opens with that key, unchanged or not at all."""

import base64
import json
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from shared.access.signing import FileSigner, PublicKey
from shared.errors import InvalidRequest
from shared.provenance.envelope import STATEMENT_TYPE, Statement, opened, signed

STATEMENT = Statement("registry.example/app", f"sha256:{'1' * 64}", "https://example/p", {"made": "ö"})
SIGNER = FileSigner(ec.generate_private_key(ec.SECP256R1()))


def key() -> PublicKey:
    return SIGNER.public_key()


def test_what_was_signed_is_read_back() -> None:
    assert opened(signed(STATEMENT, SIGNER), key()) == STATEMENT


def test_the_envelope_says_which_key_signed() -> None:
    assert json.loads(signed(STATEMENT, SIGNER))["signatures"][0]["keyid"] == key().id


def test_another_key_opens_nothing() -> None:
    other = FileSigner(ec.generate_private_key(ec.SECP256R1())).public_key()
    with pytest.raises(InvalidRequest, match="not signed by this key"):
        opened(signed(STATEMENT, SIGNER), other)


def test_no_byte_of_the_payload_can_be_changed() -> None:
    envelope = json.loads(signed(STATEMENT, SIGNER))
    payload = base64.b64decode(envelope["payload"])
    for place in range(len(payload)):
        changed = payload[:place] + bytes([payload[place] ^ 1]) + payload[place + 1 :]
        forged = envelope | {"payload": base64.b64encode(changed).decode()}
        with pytest.raises(InvalidRequest, match="not signed by this key"):
            opened(json.dumps(forged).encode(), key())


def test_a_signature_under_another_type_does_not_count() -> None:
    envelope = json.loads(signed(STATEMENT, SIGNER))
    with pytest.raises(InvalidRequest, match="holds no in-toto statement"):
        opened(json.dumps(envelope | {"payloadType": "application/json"}).encode(), key())


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"{}",
        b"\xff",
        b'{"payloadType": "x", "payload": "*", "signatures": []}',
        b'{"payloadType": "x", "payload": "", "signatures": [{}]}',
        json.dumps({"payloadType": STATEMENT_TYPE, "payload": "e30=", "signatures": []}).encode(),
        json.dumps({"payloadType": STATEMENT_TYPE, "payload": "e30=", "signatures": [{"sig": "e30="}]}).encode(),
    ],
)
def test_rubbish_is_refused(text: bytes) -> None:
    with pytest.raises(InvalidRequest):
        opened(text, key())


@pytest.mark.parametrize(
    "change", [{"subject": []}, {"_type": "other"}, {"predicate": []}, {"subject": [{"name": "x"}]}]
)
def test_a_signed_text_that_is_no_statement_is_refused(change: dict[str, object]) -> None:
    class Odd(Statement):
        @property
        def payload(self) -> bytes:
            return json.dumps(json.loads(super().payload) | change).encode()

    odd = Odd(STATEMENT.image, STATEMENT.digest, STATEMENT.predicate_type, STATEMENT.predicate)
    with pytest.raises(InvalidRequest, match="no in-toto statement of one image"):
        opened(signed(odd, SIGNER), key())


def test_openssl_agrees(tmp_path: Path) -> None:
    """What docs/provenance.md tells a reader to do without any of our code."""
    envelope = json.loads(signed(STATEMENT, SIGNER))
    payload = base64.b64decode(envelope["payload"])
    kind = envelope["payloadType"]
    (tmp_path / "said").write_bytes(f"DSSEv1 {len(kind)} {kind} {len(payload)} ".encode() + payload)
    (tmp_path / "signature").write_bytes(base64.b64decode(envelope["signatures"][0]["sig"]))
    (tmp_path / "key.pem").write_text(key().pem)
    said = subprocess.run(
        ["openssl", "dgst", "-sha256", "-verify", "key.pem", "-signature", "signature", "said"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (said.returncode, said.stdout) == (0, "Verified OK\n")
