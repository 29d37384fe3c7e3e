"""Machines that serve an agent pool execute run after run, are lost, drain and are sent away."""

import signal
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.system.machines import Yard, opened

if TYPE_CHECKING:
    from tests.system.conftest import Stack

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def yard(stack: "Stack", tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yard]:
    """Answer a pool and a host for its machines."""
    with opened(stack, tmp_path_factory.mktemp("machines")) as made:
        yield made


def test_machines_serve_a_pool(yard: Yard) -> None:
    """One executes run after run; one that is killed is found, one drains on SIGTERM, a revoked one is sent away."""
    (_, lasting), (identifier, token) = yard.issue(), yard.issue()
    assert token not in yard.call("GET", "/tokens").text
    assert yard.call("POST", "/tokens", principal="runner").status_code == 403
    first = yard.machine(lasting)
    quick = [yard.queue() for _ in range(2)]
    assert [yard.ended(run)["status"] for run in quick] == ["Succeeded", "Succeeded"]
    killed = yard.queue(60)
    yard.wait_for(killed, lambda text: "-at-work" in text)
    assert all(run in yard.host.log(first) for run in (*quick, killed))
    yard.signal(first, signal.SIGKILL)

    second = yard.machine(token)
    drained = yard.queue(4)
    yard.wait_for(drained, lambda text: "-at-work" in text)
    yard.signal(second, signal.SIGTERM)
    waits = yard.queue(30)
    assert yard.ended(drained)["status"] == "Succeeded"
    code, said = yard.host.ended(second)
    assert (code, waits in said) == (0, False), said
    assert token not in said

    third = yard.machine(token)
    yard.wait_for(waits, lambda text: "-at-work" in text)
    assert yard.call("DELETE", f"/tokens/{identifier}").status_code == 204
    assert yard.ended(waits)["status"] == "Error"
    assert yard.host.ended(third)[0] == 0
    refused = yard.machine(token)
    assert yard.host.ended(refused)[0] == 2
    assert yard.ended(killed)["status"] == "Error"
    assert "the builder was lost" in str(yard.run(killed))
    assert [yard.log(run).count("Run ID:") for run in (killed, drained, waits)] == [1, 1, 1]
    assert [yard.leftovers(machine) for machine in yard.started] == [[]] * 4
