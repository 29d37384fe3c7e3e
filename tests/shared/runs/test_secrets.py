"""Secrets go to the builder that executes the task now, and to nobody else."""

import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from shared.errors import Forbidden, InvalidRequest
from shared.grant import SecretReference, SecretsRequest
from shared.runs.claim import Gone
from shared.runs.holding import Superseded
from shared.runs.model import Status
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
    told = read_secrets(replace(hands.shop, vault=vaults), hands.bearer(grant), request(*NAMES))
    assert told.values == {name: f"{name} by own" for name in NAMES}
    assert vaults.most <= AT_ONCE


def test_one_that_is_missing_says_so(hands: Hands) -> None:
    grant = hands.claim(hands.submit("one", **TASK))
    with pytest.raises(InvalidRequest, match="no secret missing"):
        read_secrets(replace(hands.shop, vault=Vaults()), hands.bearer(grant), request("a", "missing"))


def test_a_vault_that_does_not_answer_in_time(hands: Hands) -> None:
    grant = hands.claim(hands.submit("one", **TASK))
    vaults = Vaults()
    vaults.gate.clear()
    try:
        with pytest.raises(InvalidRequest, match="timeout in fetching secrets"):
            read_secrets(replace(hands.shop, vault=vaults), hands.bearer(grant), request("a"), seconds=0.05)
    finally:
        vaults.gate.set()


def test_a_docker_build_has_none(hands: Hands) -> None:
    grant = hands.claim(hands.submit("one"))
    with pytest.raises(Forbidden, match="executes no task"):
        read_secrets(replace(hands.shop, vault=Vaults()), hands.bearer(grant), request("a"))


def test_a_builder_that_was_given_up_gets_none(hands: Hands) -> None:
    run = hands.submit("one", **TASK)
    stale = hands.bearer(hands.claim(run))
    hands.claim(run)
    with pytest.raises(Superseded):
        read_secrets(replace(hands.shop, vault=Vaults()), stale, request("a"))


VAULT_LOGIN = {
    "userName": {"type": "VaultSecret", "value": "https://v/secrets/user"},
    "password": {"type": "Vaultsecret", "value": "https://v/secrets/password"},
    "identity": "[system]",
}


def with_login(login: Mapping[str, object]) -> dict[str, object]:
    return {"credentials": {"customRegistries": {"other.example": login}}}


def test_a_login_is_read_from_its_vault_when_the_run_is_claimed(hands: Hands) -> None:
    known = replace(hands, shop=replace(hands.shop, vault=Vaults()))
    (login,) = known.claim(known.submit("one", **with_login(VAULT_LOGIN))).logins
    assert (login.username, login.password) == ("https://v/secrets/user by own", "https://v/secrets/password by own")


def test_a_login_that_cannot_be_read_ends_the_run_with_the_reason(hands: Hands) -> None:
    known = replace(hands, shop=replace(hands.shop, vault=Vaults()))
    missing = VAULT_LOGIN | {"password": {"type": "Vaultsecret", "value": "https://v/secrets/missing"}}
    run = known.submit("one", **with_login(missing))
    with pytest.raises(Gone):
        known.claim(run)
    assert known.get(run).status is Status.ERROR
    assert "no login could be had: the login of other.example: The key vault has no secret" in known.log(run)


def test_without_a_vault_such_a_login_is_refused_and_others_hold(hands: Hands) -> None:
    plain = {"userName": {"value": "u"}, "password": {"value": "p"}}
    (login,) = hands.claim(hands.submit("one", **with_login(plain))).logins
    assert (login.username, login.password) == ("u", "p")
    with pytest.raises(Gone):
        hands.claim(hands.submit("two", **with_login(VAULT_LOGIN)))
