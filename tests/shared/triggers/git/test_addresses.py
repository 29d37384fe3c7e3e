"""Whether two addresses name the same repository."""

import pytest

from shared.triggers.git.addresses import is_of, repository_path
from shared.triggers.git.events import Repository


@pytest.mark.parametrize(
    ("address", "path"),
    [
        ("https://github.com/Yard/Boat.git", "yard/boat"),
        ("https://github.com/yard/boat/", "yard/boat"),
        ("https://token@github.com/yard/boat", "yard/boat"),
        ("git@github.com:yard/boat.git", "yard/boat"),
        ("ssh://git@git.example:7999/yard/boat.git", "yard/boat"),
        ("https://gitlab.example/group/sub/boat.git", "group/sub/boat"),
        ("https://dev.azure.com/harbour/yard/_git/boat", "yard/boat"),
        ("https://user@dev.azure.com/harbour/The%20Yard/_git/boat", "the yard/boat"),
        ("https://dev.azure.com/harbour/_git/boat", "boat/boat"),
        ("https://harbour.visualstudio.com/yard/_git/boat", "yard/boat"),
        ("https://harbour.visualstudio.com/DefaultCollection/yard/_git/boat", "yard/boat"),
        ("https://harbour.visualstudio.com/_git/boat", "boat/boat"),
        ("git@ssh.dev.azure.com:v3/harbour/yard/boat", "yard/boat"),
        ("https://azure.example/tfs/DefaultCollection/yard/_git/boat", "yard/boat"),
        ("https://[::1/boat", ""),
        ("", ""),
    ],
)
def test_the_path_of_an_address(address: str, path: str) -> None:
    assert repository_path(address) == path


def test_a_repository_is_known_by_any_of_its_names() -> None:
    boat = Repository(name="YARD/boat", clone_url="https://git.example/scm/yard/boat.git")
    assert is_of(boat, "https://git.example/scm/yard/boat.git")
    assert is_of(boat, "ssh://git@git.example:7999/yard/boat.git")
    assert not is_of(boat, "https://git.example/scm/yard/boat2.git")
    assert not is_of(boat, "https://git.example/boat")


def test_a_repository_that_is_not_told_is_the_hooks_own() -> None:
    assert is_of(Repository(), "https://git.example/yard/boat")
