import socket

import pytest

from devstack.errors import StackError
from devstack.stack import ports
from devstack.stack.ports import Ports


def test_the_default_ports_are_the_documented_ones() -> None:
    assert Ports().by_purpose() == {
        "functions host": 7443, "Entra": 7444, "managed identity": 7445, "container groups": 7446,
        "registry token service": 7447, "key vault": 7448,
        "Azurite blob": 7450, "Azurite queue": 7451, "Azurite table": 7452,
        "registry": 7455, "second registry": 7449,
    }  # fmt: skip


def test_two_bases_twenty_apart_share_no_port() -> None:
    assert not set(Ports(7440).by_purpose().values()) & set(Ports(7460).by_purpose().values())


@pytest.mark.parametrize("base", [0, 1023, 65521, -1])
def test_a_base_outside_the_range_is_refused(base: int) -> None:
    with pytest.raises(StackError, match="port base"):
        Ports(base)


def test_a_port_in_use_is_named_with_its_purpose() -> None:
    with socket.socket() as taken:
        taken.bind((ports.LOOPBACK, 0))
        taken.listen()
        mine = Ports(taken.getsockname()[1] - Ports().registry + Ports().base)

        with pytest.raises(StackError, match=rf"{mine.registry} \(registry\).* in use by another program"):
            ports.require_free(mine)
        assert ports.free_base(mine.base, step=1) != mine.base


def test_free_ports_are_no_complaint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "is_free", lambda _: True)

    ports.require_free(Ports())

    assert ports.free_base(8000) == 8000


def test_several_ports_in_use_are_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "is_free", lambda port: port not in {7443, 7444})

    with pytest.raises(StackError, match=r"^Ports 7444 \(Entra\), 7443 \(functions host\) are in use"):
        ports.require_free(Ports())
