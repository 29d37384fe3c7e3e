"""Merging environments, the comma rule included."""

import pytest

from shared.language.environment import merge, split
from shared.language.errors import TaskInvalid


@pytest.mark.parametrize(
    ("common", "own", "merged"),
    [
        (["A=1", "B=2"], ["C=3", "A=own"], ("C=3", "A=own", "B=2")),
        (["A=1,B=2"], ["C=a,b"], ("C=a,b", "A=1", "B=2")),
        ([], ["broken"], ("broken",)),
        (["A=1", "A=2"], [], ("A=1",)),
        (["A=x=y"], [], ("A=x=y",)),
        ([], ["A=1", "A=2"], ("A=1", "A=2")),
    ],
)
def test_merge(common: list[str], own: list[str], merged: tuple[str, ...]) -> None:
    assert merge(split(common), own) == merged


@pytest.mark.parametrize(
    ("common", "own", "problem"),
    [
        (["A=1,2"], [], "cannot parse task environment variable 2 correctly"),
        (["A=1"], ["B"], "cannot parse step environment variable B correctly"),
    ],
)
def test_an_item_needs_an_equals_sign(common: list[str], own: list[str], problem: str) -> None:
    with pytest.raises(TaskInvalid) as caught:
        merge(split(common), own)
    assert caught.value.message == f"failed to merge task and step environment variables: {problem}"
