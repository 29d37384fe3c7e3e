"""Commit statuses: what a host is told of a run, in order, never for ever."""

from dataclasses import replace
from typing import TYPE_CHECKING

import httpx
import pytest

from shared.errors import Unavailable
from shared.runs.finish import Ending, finish
from shared.runs.model import Run, Status
from shared.triggers.git.events import HostKind
from shared.triggers.git.rest.model import HostApi
from shared.triggers.git.rest.opening import open_api
from shared.triggers.git.statuses import StatusTeller, concerns
from tests.shared.triggers.git.rest.hosts import TOKEN, Double
from tests.shared.triggers.git.yard import commit, push

if TYPE_CHECKING:
    from tests.shared.triggers.git.yard import Yard

pytestmark = pytest.mark.slow


class House:
    """A yard, a double of GitHub, and what tells it."""

    def __init__(self, yard: "Yard") -> None:
        self.yard, self.double = yard, Double(HostKind.GITHUB)
        yard.put()
        yard.hear(push(0, 1))
        self.teller = StatusTeller(yard.shop, self.open)

    def open(self, kind: HostKind, address: str, token: str) -> HostApi:
        return open_api(self.double.client, kind, address, token)

    @property
    def run(self) -> Run:
        (run,) = self.yard.runs
        return run

    def tell(self) -> None:
        self.teller.tell(self.yard.partition, self.run.id)

    def move(self, status: Status) -> None:
        run = self.run
        self.yard.shop.store.change(run.registry, run.id, lambda one: one.moved(status, self.yard.now[0]))

    @property
    def told(self) -> list[str]:
        return [body["state"] for _, body in self.double.statuses]


@pytest.fixture
def house(yard: "Yard") -> House:
    return House(yard)


def test_queued_running_and_the_outcome_are_told_with_a_link(house: House) -> None:
    house.tell()
    house.move(Status.RUNNING)
    house.tell()
    run = house.run
    finish(house.yard.shop, run.registry, run.id, Ending(Status.FAILED, "failed during run, err: exit status 1"))
    house.tell()
    assert house.told == ["pending", "pending", "failure"]
    sha, last = house.double.statuses[-1]
    assert sha == commit(1)
    assert last["context"] == f"slipway/{house.yard.registry.name}/vessel"
    assert run.id in last["target_url"]
    assert "exit status 1" in last["description"]
    assert TOKEN not in str(house.double.statuses)


def test_a_run_that_moves_on_while_it_is_told_is_told_again(house: House) -> None:
    double, turns = house.double, [Status.RUNNING, Status.SUCCEEDED]
    answer = double.answer

    def slow(request: httpx.Request) -> httpx.Response:
        if turns:
            house.move(turns.pop(0))
        return answer(request)

    double.answer = slow  # type: ignore[method-assign] # the run moves on meanwhile
    house.tell()
    assert house.told == ["pending", "pending", "success"]


def test_what_may_pass_is_raised_for_another_try(house: House) -> None:
    house.double.fault = 502
    with pytest.raises(Unavailable):
        house.tell()
    house.double.fault = None
    house.tell()
    assert house.told == ["pending"]


def test_a_refusal_is_recorded_once(house: House) -> None:
    house.double.lacks = True
    house.tell()
    house.move(Status.RUNNING)
    house.tell()
    refused = [one for one in house.yard.decisions() if "lacks repo:status" in one.reason]
    assert len(refused) == 1
    assert refused[0].run_id is None, "it is not why the run exists"


def test_a_plain_git_server_is_not_told_and_nothing_is_recorded(house: House) -> None:
    plain = httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(404, text="not here")))
    teller = StatusTeller(house.yard.shop, lambda kind, address, token: open_api(plain, kind, address, token))
    before = house.yard.decisions()
    teller.tell(house.yard.partition, house.run.id)
    assert house.yard.decisions() == before


def test_without_a_token_nobody_is_told(house: House) -> None:
    house.yard.put(step={"contextAccessToken": None}, token=None)
    house.tell()
    assert house.double.asked == []
    house.yard.delete()
    house.tell()
    assert house.double.asked == []


def test_where_the_link_leads_is_a_setting(house: House) -> None:
    settings = house.yard.shop.settings.model_copy(update={"run_url": "https://ci.example/{registry}/{run}"})
    house.teller = StatusTeller(replace(house.yard.shop, settings=settings), house.open)
    house.tell()
    name, run = house.yard.registry.name, house.run.id
    assert house.double.statuses[0][1]["target_url"] == f"https://ci.example/{name}/{run}"


def test_only_runs_of_commits_are_told(house: House) -> None:
    assert concerns(house.run)
    assert not concerns(house.run.model_copy(update={"task": None}))
