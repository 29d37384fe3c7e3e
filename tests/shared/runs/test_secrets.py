"""Secrets go to the builder that executes the task now, and to nobody else."""

import threading
from typing import Any

import pytest

from shared.errors import Forbidden, InvalidRequest
from shared.grant import SecretReference, SecretsRequest
from shared.runs.claim import Superseded
from shared.runs.secrets import AT_ONCE, read_secrets

type Hands = Any  # the class lives in conftest.py, which test modules cannot import

pytestmark = pytest.mark.slow
TASK = {"type": "EncodedTaskRunRequest", "encodedTaskContent": "c3RlcHM6IFtd"}
NAMES = ("a", "b", "c", "d", "e", "f", "g")


class Vaults:
    """Knows every secret but `missing`; notes how many are read at once."""

    def __init__(self) -> None:
        self.most = 0
        self._now = 0
        self._lock = threading.Lock()
        self.gate = threading.Event()
        self.gate.set()

    def read(self, address: str, client_id: str) -> str:
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
        self.gate.wait()
        with self._lock:
            self._now -= 1
        if "missing" in address:
            raise InvalidRequest("The key vault has no secret missing.")
        return f"{address} by {client_id or 'own'}"


def request(*names: str) -> SecretsRequest:
    return SecretsRequest(secrets=tuple(SecretReference(id=name, keyvault=name) for name in names))


def test_values_by_id(hands: Hands) -> None:
    run = hands.submit("one", **TASK)
    grant = hands.claim(run)
    vaults = Vaults()
    told = read_secrets(hands.shop, vaults, hands.bearer(grant), request(*NAMES))
    assert told.values == {name: f"{name} by own" for name in NAMES}
    assert vaults.most <= AT_ONCE


def test_one_that_is_missing_says_so(hands: Hands) -> None:
    grant = hands.claim(hands.submit("one", **TASK))
    with pytest.raises(InvalidRequest, match="no secret missing"):
        read_secrets(hands.shop, Vaults(), hands.bearer(grant), request("a", "missing"))


def test_a_vault_that_does_not_answer_in_time(hands: Hands) -> None:
    grant = hands.claim(hands.submit("one", **TASK))
    vaults = Vaults()
    vaults.gate.clear()
    try:
        with pytest.raises(InvalidRequest, match="timeout in fetching secrets"):
            read_secrets(hands.shop, vaults, hands.bearer(grant), request("a"), seconds=0.05)
    finally:
        vaults.gate.set()


def test_a_docker_build_has_none(hands: Hands) -> None:
    grant = hands.claim(hands.submit("one"))
    with pytest.raises(Forbidden, match="executes no task"):
        read_secrets(hands.shop, Vaults(), hands.bearer(grant), request("a"))


def test_a_builder_that_was_given_up_gets_none(hands: Hands) -> None:
    run = hands.submit("one", **TASK)
    stale = hands.bearer(hands.claim(run))
    hands.claim(run)
    with pytest.raises(Superseded):
        read_secrets(hands.shop, Vaults(), stale, request("a"))
