"""Hooks to be set up by hand: one for each repository and host, gone with the last task, on a real Azurite."""

from typing import TYPE_CHECKING

import pytest

from shared.errors import InvalidRequest, NotFound
from shared.triggers.git.events import HostKind
from shared.triggers.git.hooking import hook_to_paste
from shared.triggers.git.watching import sweep_watches

if TYPE_CHECKING:
    from tests.shared.triggers.git.yard import Yard

pytestmark = pytest.mark.slow


def test_two_tasks_share_the_hook_of_their_repository_and_the_last_takes_it_away(yard: "Yard") -> None:
    yard.put("first")
    yard.put("second", url="https://GIT.example/Yard/Boat")
    told = hook_to_paste(yard.watching, yard.partition, "first", "default")
    assert hook_to_paste(yard.watching, yard.partition, "second", "DEFAULT") == told
    identifier = told.url.removeprefix("https://slipway.example/hooks/")
    hook = yard.watching.hooks.find(identifier)
    assert hook is not None
    assert (hook.registry, hook.host, hook.secrets) == (yard.partition, HostKind.GITHUB, (told.secret,))
    yard.delete("first")
    assert yard.watching.hooks.find(identifier) is not None
    yard.put("second", url="https://git.example/yard/raft.git")
    assert yard.watching.hooks.find(identifier) is None
    assert hook_to_paste(yard.watching, yard.partition, "second", "default").url != told.url


def test_the_kind_of_host_can_be_named(yard: "Yard") -> None:
    yard.put()
    github = hook_to_paste(yard.watching, yard.partition, "vessel", "default").json_object()
    assert (github["sourceControlType"], github["contentType"]) == ("Github", "application/json")
    assert "username" not in github
    azure = hook_to_paste(yard.watching, yard.partition, "vessel", "default", "visualstudioteamservice")
    assert azure.username
    assert azure.url != github["url"]
    with pytest.raises(InvalidRequest, match="must be one of Github"):
        hook_to_paste(yard.watching, yard.partition, "vessel", "default", "cvs")


def test_what_is_not_there_has_no_hook(yard: "Yard") -> None:
    yard.put()
    with pytest.raises(NotFound):
        hook_to_paste(yard.watching, yard.partition, "absent", "default")
    with pytest.raises(InvalidRequest, match="no source trigger 'other'"):
        hook_to_paste(yard.watching, yard.partition, "vessel", "other")


def test_a_sweep_makes_good_what_a_crash_left_out(yard: "Yard") -> None:
    yard.put("first")
    told = hook_to_paste(yard.watching, yard.partition, "first", "default")
    yard.shop.tasks.delete(yard.partition, "first")
    sweep_watches(yard.watching, [yard.partition])
    assert yard.watching.hooks.find(told.url.rpartition("/")[2]) is None
    assert list(yard.watching.watches.of_registry(yard.partition)) == []
