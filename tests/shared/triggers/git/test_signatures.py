"""Who sent it: nobody without the secret, whatever is altered."""

import base64
import hashlib
import hmac
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.triggers.git.events import HostKind
from shared.triggers.git.hosts import git_host
from tests.shared.triggers.git.payloads import SAMPLES, SECRET, Request, basic

_SIGNING = [request for request in SAMPLES if request.host not in {HostKind.AZURE_DEVOPS, HostKind.GITLAB}]
_BODY = b'{"object_kind":"push"}'


def name(request: Request) -> str:
    return f"{request.host}-{len(request.body)}"


def verify(request: Request, *secrets: str, body: bytes | None = None) -> bool:
    return bool(git_host(request.host).verify(request.headers, request.body if body is None else body, secrets))


def with_a_bit_altered(text: str) -> Iterator[str]:
    for place, letter in enumerate(text):
        for bit in range(7):
            yield f"{text[:place]}{chr(ord(letter) ^ (1 << bit))}{text[place + 1 :]}"


def test_the_vector_of_githubs_documentation() -> None:
    signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    verification = git_host(HostKind.GITHUB).verify(
        {"X-Hub-Signature-256": signature}, b"Hello, World!", ["It's a Secret to Everybody"]
    )
    assert verification


@pytest.mark.parametrize("request_", SAMPLES, ids=name)
def test_the_secret_holds_and_no_other(request_: Request) -> None:
    assert verify(request_, SECRET)
    assert not verify(request_, "another secret")
    assert not verify(request_, SECRET.upper())


@pytest.mark.parametrize("request_", SAMPLES, ids=name)
def test_both_secrets_hold_during_a_rotation(request_: Request) -> None:
    host = git_host(request_.host)
    assert host.verify(request_.headers, request_.body, ["newer", SECRET]).secret == 1
    assert host.verify(request_.headers, request_.body, [SECRET, "newer"]).secret == 0


@pytest.mark.parametrize("request_", SAMPLES, ids=name)
def test_without_a_secret_or_without_a_proof_nothing_holds(request_: Request) -> None:
    assert not verify(request_)
    assert not verify(request_, "")
    host = git_host(request_.host)
    assert not host.verify({}, request_.body, [SECRET])
    assert not host.verify({}, request_.body, [""])
    bare = {"X-Gitlab-Token": "", "Authorization": "Basic Og==", "X-Hub-Signature": "", "X-Hub-Signature-256": ""}
    assert not host.verify(bare, request_.body, ["", SECRET])


@pytest.mark.parametrize("request_", _SIGNING, ids=name)
def test_every_altered_byte_is_refused(request_: Request) -> None:
    for place in range(len(request_.body)):
        altered = bytearray(request_.body)
        altered[place] ^= 1
        assert not verify(request_, SECRET, body=bytes(altered)), place
    assert not verify(request_, SECRET, body=request_.body + b"\n")
    assert not verify(request_, SECRET, body=request_.body[:-1])


@pytest.mark.parametrize("request_", _SIGNING, ids=name)
def test_every_altered_bit_of_a_signature_is_refused(request_: Request) -> None:
    header = next(key for key in request_.headers if "Signature" in key)
    signature = request_.headers[header]
    for altered in with_a_bit_altered(signature):
        assert not git_host(request_.host).verify({header: altered}, request_.body, [SECRET]), altered
    for place in range(len(signature)):
        assert not git_host(request_.host).verify({header: signature[:place]}, request_.body, [SECRET])


@given(request=st.sampled_from(_SIGNING), place=st.integers(0), byte=st.integers(0, 255))
def test_any_altered_byte_of_a_body_is_refused(request: Request, place: int, byte: int) -> None:
    altered = bytearray(request.body)
    altered[place % len(altered)] = byte
    assert verify(request, SECRET, body=bytes(altered)) is (altered == request.body)


@pytest.mark.parametrize("request_", _SIGNING, ids=name)
def test_sha1_is_not_enough(request_: Request) -> None:
    weak = hmac.new(SECRET.encode(), request_.body, hashlib.sha1).hexdigest()
    headers = {"X-Hub-Signature": f"sha1={weak}", "X-Gitea-Signature": weak}
    assert not git_host(request_.host).verify(headers, request_.body, [SECRET])


@given(proof=st.text(max_size=80), body=st.binary(max_size=64), secret=st.text(max_size=20))
def test_no_proof_whatever_it_is_raises(proof: str, body: bytes, secret: str) -> None:
    names = ("Authorization", "X-Gitlab-Token", "X-Hub-Signature", "X-Hub-Signature-256", "X-Gitea-Signature")
    standard = {"webhook-id": proof, "webhook-timestamp": proof, "webhook-signature": f"v1,{proof} {proof}"}
    for kind in HostKind:
        for headers in ({**dict.fromkeys(names, proof)}, standard, {"Authorization": f"Basic {proof}"}):
            verification = git_host(kind).verify(headers, body, [secret])
            assert not verification or proof.strip() in {secret, ""} or "\0" in proof or proof.strip() == secret.strip()


def standard_headers(secret: bytes, body: bytes = _BODY, moment: str = "1790000000") -> dict[str, str]:
    content = b".".join((b"id-1", moment.encode(), body))
    signature = base64.b64encode(hmac.new(secret, content, hashlib.sha256).digest()).decode()
    return {"webhook-id": "id-1", "webhook-timestamp": moment, "webhook-signature": f"v2,zz v1,{signature}"}


def test_gitlab_signs_id_time_and_body() -> None:
    gitlab, key = git_host(HostKind.GITLAB), b"k" * 32
    secret = "whsec_" + base64.b64encode(key).decode()
    headers = standard_headers(key)
    verification = gitlab.verify(headers, _BODY, ["other", secret])
    assert verification.secret == 1
    assert verification.signed_at is not None
    assert verification.signed_at.timestamp() == 1790000000
    for altered in ({"webhook-id": "id-2"}, {"webhook-timestamp": "1790000001"}, {"webhook-signature": "v1,x"}):
        assert not gitlab.verify(headers | altered, _BODY, [secret])
    for name in ("webhook-id", "webhook-timestamp"):
        for altered_text in with_a_bit_altered(headers[name]):
            assert not gitlab.verify(headers | {name: altered_text}, _BODY, [secret]), altered_text
    signature = headers["webhook-signature"].partition(" ")[2]
    for altered_text in with_a_bit_altered(signature):
        assert not gitlab.verify(headers | {"webhook-signature": altered_text}, _BODY, [secret]), altered_text
    for place in range(len(_BODY)):
        assert not gitlab.verify(headers, _BODY[:place] + b"\xff" + _BODY[place + 1 :], [secret])
    assert not gitlab.verify(headers, _BODY + b" ", [secret])
    assert not gitlab.verify(headers | {"webhook-id": ""}, _BODY, [secret])


def test_a_wrong_signature_is_not_made_good_by_a_token() -> None:
    headers = {"webhook-signature": "v1,x", "webhook-id": "1", "webhook-timestamp": "1", "X-Gitlab-Token": SECRET}
    assert not git_host(HostKind.GITLAB).verify(headers, _BODY, [SECRET])


def test_basic_authentication_is_read_strictly() -> None:
    azure = git_host(HostKind.AZURE_DEVOPS)
    authorization = basic("a:b")
    assert azure.verify({"authorization": authorization}, b"", ["a:b"])
    for altered in with_a_bit_altered(authorization[-4:]):
        assert not azure.verify({"authorization": authorization[:-4] + altered}, b"", ["a:b"]), altered
    for authorization in ("Basic", "Basic !!!", "Bearer x", base64.b64encode(b"x").decode(), "Basic eA=="):
        assert not azure.verify({"authorization": authorization}, b"", ["x", ""])
