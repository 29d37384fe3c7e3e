"""Two at the same time: whoever comes first decides, nobody fails, and nothing is held for ever."""

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from shared.access.builder_tokens import Bearer
from shared.access.callers import Caller
from shared.arm.names import parse_registry_id
from shared.errors import NotFound, SlipwayError
from shared.grant import Outcome, Registration
from shared.runs.agent_pools import PoolKeeper
from shared.runs.cancel import cancel
from shared.runs.claim import Gone, heartbeat, look_for_work, report
from shared.runs.holding import Superseded
from shared.runs.machines import TokenKeeper, depart, register
from shared.runs.model import Run, Status
from shared.runs.reconcile import reconcile

if TYPE_CHECKING:
    from tests.shared.runs.conftest import Hands

pytestmark = pytest.mark.slow
TIMES = 2
POOL = "mypool"


def at_once(*calls: Callable[[], object]) -> list[BaseException]:
    """Make calls at the same moment; answer what they raised that is not one of our answers."""
    gate, faults = threading.Barrier(len(calls)), list[BaseException]()

    def run(call: Callable[[], object]) -> None:
        gate.wait()
        try:
            call()
        except (Gone, Superseded, NotFound):
            pass
        except BaseException as fault:  # noqa: BLE001 - a thread's fault is shown by the test
            faults.append(fault)

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return faults


def settled(hands: "Hands", run: Run) -> Run:
    """Let time pass and the reconciler look, then answer the run."""
    for _ in range(3):
        hands.later(seconds=30)
        reconcile(hands.shop, hands.partition)
    return hands.get(run)


def held(hands: "Hands") -> list[str]:
    """Answer what is still kept for runs: places, slots."""
    return [row.key for row in hands.shop.storage.runs.query(hands.partition, "a", "q")]


@pytest.mark.parametrize("number", range(TIMES))
def test_two_reports_of_one_epoch_end_the_run_once(hands: "Hands", number: int) -> None:
    run = hands.submit(f"k{number}")
    grant = hands.claim(run)
    bearer = hands.bearer(grant)
    told = [hands.report(grant, outcome, error=outcome.value) for outcome in (Outcome.SUCCEEDED, Outcome.FAILED)]
    assert at_once(*(lambda one=one: report(hands.shop, bearer, one) for one in told * 2)) == []
    done = settled(hands, run)
    assert done.status in {Status.SUCCEEDED, Status.FAILED}
    assert done.error == done.status.value
    assert hands.log(run).count("Run ID:") == 1
    assert hands.complete(run)
    assert held(hands) == []


@pytest.mark.parametrize("number", range(TIMES))
def test_a_claim_beside_a_cancel_executes_nothing_in_the_end(hands: "Hands", number: int) -> None:
    run = hands.submit(f"k{number}")
    group = Bearer(hands.partition, run.group or hands.get(run).group or "")
    assert (
        at_once(
            lambda: look_for_work(hands.shop, group),
            lambda: cancel(hands.shop, hands.partition, run.id),
            lambda: look_for_work(hands.shop, group),
        )
        == []
    )
    assert settled(hands, run).status is Status.CANCELED
    with pytest.raises(Superseded):
        heartbeat(hands.shop, Bearer(hands.partition, group.group, run.id, hands.get(run).epoch))
    with pytest.raises(Gone):
        look_for_work(hands.shop, group)
    assert (held(hands), hands.groups.names()) == ([], [])


@pytest.mark.parametrize("end", ["revoke", "depart", "delete"])
@pytest.mark.parametrize("number", range(TIMES))
def test_a_machine_that_goes_while_it_claims_takes_no_run_with_it(hands: "Hands", end: str, number: int) -> None:
    keeper = PoolKeeper(hands.shop, parse_registry_id(hands.registry.id), "here", Caller("me", "User", frozenset()))
    keeper.put(POOL, {"properties": {"count": 0}})
    tokens = TokenKeeper(keeper, POOL)
    token, text = tokens.issue()
    run = hands.submit(f"k{number}", agentPoolName=POOL)
    told = Registration(machine="rack", platforms=("linux/amd64",))
    group = Bearer(hands.partition, register(hands.shop, hands.partition, POOL, f"Bearer {text}", told).group)
    ends: dict[str, Callable[[], object]] = {
        "revoke": lambda: tokens.revoke(token.id),
        "depart": lambda: depart(hands.shop, group),
        "delete": lambda: keeper.delete(POOL),
    }
    assert at_once(lambda: look_for_work(hands.shop, group), ends[end]) == []
    found = settled(hands, run)
    if not found.is_terminal and found.status is Status.RUNNING:
        heartbeat(hands.shop, Bearer(hands.partition, found.group or "", run.id, found.epoch))
        assert end == "delete"
    else:
        assert found.status in {Status.QUEUED, Status.ERROR}
        with suppress(SlipwayError):
            cancel(hands.shop, hands.partition, run.id)
        settled(hands, run)
        assert held(hands) == []
