"""Hooks on a real Azurite."""

import pytest

from shared.access.keys import Keys
from shared.errors import NotFound, SlipwayError
from shared.triggers.git.events import HostKind
from shared.triggers.git.hooks import HookStore
from tests.shared.triggers.git.conftest import REGISTRY, Office

pytestmark = pytest.mark.slow


def test_a_hook_has_a_random_id_and_a_secret_of_its_own(office: Office) -> None:
    one, other = office.hook(), office.hook(HostKind.GITLAB)
    assert office.hooks.find(one.id) == one
    assert (one.registry, one.host, other.host) == (REGISTRY, HostKind.GITHUB, HostKind.GITLAB)
    assert len({one.id, other.id, *one.secrets, *other.secrets}) == 4
    assert len(one.secrets[0]) >= 43


def test_the_secret_is_sealed_in_its_row_and_never_printed(office: Office) -> None:
    hook = office.hook()
    row = office.hook_table.get(hook.id, "hook")
    assert hook.secrets[0] not in str(row)
    assert hook.secrets[0] not in repr(hook)
    with pytest.raises(SlipwayError, match="does not open"):
        HookStore(office.hook_table, Keys(b"x" * 32)).find(hook.id)


def test_two_secrets_hold_while_one_is_being_replaced(office: Office) -> None:
    first = office.hook()
    rotated = office.hooks.rotate(first.id)
    assert (rotated.secrets[0], len(rotated.secrets)) == (first.secrets[0], 2)
    again = office.hooks.rotate(first.id)
    assert (again.secrets[0], len(again.secrets)) == (rotated.secrets[1], 2)
    assert office.hooks.settle(first.id).secrets == again.secrets[1:]
    assert office.hooks.find(first.id) == office.hooks.settle(first.id)


@pytest.mark.parametrize("identifier", ["0" * 32, "", "../x", "A" * 32, "a b", "x" * 5000, "0" * 31 + "\n"])
def test_what_is_no_hook_is_none(office: Office, identifier: str) -> None:
    assert office.hooks.find(identifier) is None
    with pytest.raises(NotFound):
        office.hooks.rotate(identifier)


def test_a_deleted_hook_is_gone(office: Office) -> None:
    hook = office.hook()
    office.hooks.delete(hook.id)
    office.hooks.delete(hook.id)
    assert office.hooks.find(hook.id) is None


def test_a_known_hook_is_read_again_after_five_seconds(office: Office) -> None:
    hook = office.hook()
    assert office.desk.hooks.find(hook.id) == hook
    office.hooks.delete(hook.id)
    assert office.desk.hooks.find(hook.id) == hook
    office.later(seconds=6)
    assert office.desk.hooks.find(hook.id) is None
