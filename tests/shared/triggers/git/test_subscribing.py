"""Hooks at git hosts follow tasks: one for a repository, gone with the last task, whatever fails in between."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from shared.errors import InvalidRequest
from shared.tasks.model import TaskSpec
from shared.triggers.git.events import HostKind
from shared.triggers.git.hooks import Hook
from shared.triggers.git.rest.model import HostApi, Refused
from shared.triggers.git.rest.opening import open_api
from shared.triggers.git.subscribing import Subscriber
from shared.triggers.git.watching import follow
from tests.shared.triggers.git.rest.hosts import TOKEN, Double, secret_of

if TYPE_CHECKING:
    from tests.shared.triggers.git.yard import Yard

pytestmark = pytest.mark.slow


class House:
    """A yard whose tasks have their hooks made at a double of GitHub."""

    def __init__(self, yard: "Yard") -> None:
        self.yard, self.double = yard, Double(HostKind.GITHUB)
        self.subscriber = Subscriber(yard.watching, self.open)

    def open(self, kind: HostKind, address: str, token: str) -> HostApi:
        return open_api(self.double.client, kind, address, token)

    def put(self, name: str = "vessel", **trigger: Any) -> None:
        """Make a task as the door does."""
        self.yard.put(name, check=lambda spec: self.subscriber.prepare(self.yard.partition, name, spec), **trigger)

    def delete(self, name: str = "vessel") -> None:
        self.yard.delete(name)
        self.subscriber.clear()

    @property
    def hook(self) -> Hook:
        (made,) = self.double.hooks.values()
        found = self.yard.watching.hooks.find(made["config"]["url"].rpartition("/")[2])
        assert found is not None
        return found


@pytest.fixture
def house(yard: "Yard") -> House:
    return House(yard)


def test_two_tasks_share_one_hook_and_the_last_takes_it_away(house: House) -> None:
    house.put("first")
    house.put("second")
    hook = house.hook
    assert (hook.remote, hook.token) == ("1", TOKEN)
    assert secret_of(HostKind.GITHUB, house.double.hooks["1"]) == hook.secrets[-1]
    house.delete("first")
    assert len(house.double.hooks) == 1
    house.delete("second")
    assert house.double.hooks == {}
    assert list(house.yard.watching.hooks.retired()) == []


def test_the_token_lies_sealed(house: House) -> None:
    house.put()
    row = house.yard.shop.storage.hooks.get(house.hook.id, "hook")
    assert TOKEN not in str(row.values)


def test_a_task_that_moves_to_another_repository_leaves_no_hook(house: House) -> None:
    house.put()
    house.put(status="Disabled", url="https://git.example/yard/raft.git")
    house.subscriber.clear()
    assert house.double.hooks == {}


def test_a_refusal_refuses_the_task_and_leaves_nothing(house: House) -> None:
    house.double.lacks = True
    with pytest.raises(Refused, match=r"the token lacks admin:repo_hook.*Without a token"):
        house.put()
    assert house.yard.shop.tasks.find(house.yard.partition, "vessel") is None
    assert list(house.yard.watching.watches.of_registry(house.yard.partition)) == []


@pytest.mark.parametrize("fault", [503, httpx.ConnectError("away")])
def test_a_host_that_is_away_leaves_the_task_and_is_asked_again(house: House, fault: int | Exception) -> None:
    house.double.fault = fault
    house.put()
    assert house.double.hooks == {}
    (told,) = house.yard.decisions()
    assert "Its branches are looked at" in told.reason
    house.double.fault = None
    house.subscriber.sweep([house.yard.partition])
    assert house.hook.remote == "1"


def test_a_plain_git_server_is_looked_at(house: House) -> None:
    plain = httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(404, text="not here")))
    house.subscriber = Subscriber(
        house.yard.watching, lambda kind, address, token: open_api(plain, kind, address, token)
    )
    house.put()
    assert house.yard.shop.tasks.find(house.yard.partition, "vessel") is not None
    (told,) = house.yard.decisions()
    assert "does not answer as GitHub's API does" in told.reason


def test_a_crash_between_host_and_table_makes_no_second_hook(house: House) -> None:
    house.put()
    hook = house.hook
    house.yard.watching.hooks.known_as(hook.id, "", "")
    house.subscriber.sweep([house.yard.partition])
    assert house.hook.remote == "1"
    assert len(house.double.hooks) == 1


def test_a_hook_that_cannot_be_removed_now_is_removed_later_and_takes_nothing_meanwhile(house: House) -> None:
    house.put()
    hook = house.hook
    house.double.fault = 500
    house.delete()
    assert len(house.double.hooks) == 1
    assert house.yard.watching.hooks.find(hook.id) is None
    house.double.fault = None
    house.subscriber.clear()
    assert house.double.hooks == {}


def test_after_a_week_nobody_asks_any_more(house: House) -> None:
    house.put()
    house.double.fault = 500
    house.delete()
    house.yard.now[0] += timedelta(days=8)
    house.subscriber.clear()
    assert list(house.yard.watching.hooks.retired()) == []


def test_a_hook_of_a_task_that_was_never_stored_is_swept(house: House) -> None:
    spec = TaskSpec.model_validate(body_of(house))
    house.subscriber.prepare(house.yard.partition, "ghost", spec)
    assert len(house.double.hooks) == 1
    follow(house.yard.watching, house.yard.partition, "ghost")
    house.subscriber.sweep([house.yard.partition])
    assert house.double.hooks == {}


def test_a_new_secret_is_given_to_the_host(house: House) -> None:
    house.put()
    before = house.hook
    changed = house.subscriber.rotate(before)
    assert changed.secrets != before.secrets
    assert secret_of(HostKind.GITHUB, house.double.hooks["1"]) == changed.secrets[-1]
    house.double.fault = 503
    with pytest.raises(Exception, match="answered 503"):
        house.subscriber.rotate(changed)
    assert len(house.hook.secrets) == 2


def test_another_token_is_kept_for_what_comes(house: House) -> None:
    house.put()
    hook = house.hook
    house.yard.watching.hooks.known_as(hook.id, hook.remote, "an-older-token")
    house.put()
    assert house.hook.token == TOKEN
    assert len(house.double.hooks) == 1


def test_failed_deliveries_are_sent_once_more_by_the_sweep(house: House) -> None:
    house.put()
    now = house.yard.now[0].isoformat()
    house.double.deliveries = [{"id": 8, "guid": "g", "status_code": 502, "delivered_at": now}]
    house.subscriber.sweep([house.yard.partition])
    assert house.double.sent == ["8"]


def test_switched_off_nothing_is_asked(house: House) -> None:
    settings = house.yard.shop.settings.model_copy(update={"git_hooks": False})
    room = replace(house.yard.watching, shop=replace(house.yard.shop, settings=settings))
    house.subscriber = Subscriber(room, house.open)
    house.put()
    assert house.double.asked == []


def test_a_host_may_be_named_by_configuration(house: House) -> None:
    settings = house.yard.shop.settings.model_copy(update={"git_hosts": {"git.example": "Gitea"}})
    room = replace(house.yard.watching, shop=replace(house.yard.shop, settings=settings))
    house.double, house.subscriber = Double(HostKind.GITEA), Subscriber(room, house.open)
    house.put()
    assert next(iter(house.double.asked)) == "GET /api/v1/repos/yard/boat/hooks"


def test_a_task_that_is_wrong_makes_no_hook(house: House) -> None:
    with pytest.raises(InvalidRequest):
        house.put(step={"imageNames": ["///"]})
    assert house.double.asked == []


def body_of(house: House) -> Mapping[str, Any]:
    """Return a task as it is stored, its secrets included."""
    house.yard.put("model")
    full = house.yard.shop.tasks.read(house.yard.partition, "model").full
    house.yard.delete("model")
    return full.model_dump(by_alias=True)
