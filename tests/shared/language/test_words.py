"""Command text splits as a shell splits it."""

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.language.errors import TaskInvalid
from shared.language.words import split


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a  b\n\tc", ("a", "b", "c")),
        ("--build-arg 'A=b c' .", ("--build-arg", "A=b c", ".")),
        ('-f "My Dir/D" .', ("-f", "My Dir/D", ".")),
        ("a\\ b c\\\nd", ("a b", "cd")),
        (r'"a\"b\c"', (r'a"b\c',)),
        ("''", ("",)),
        ("x$(date '+%Y %m') y", ("x$(date '+%Y %m')", "y")),
        ('"${A B}"', ("${A B}",)),
        ("`git log` .", ("`git log`", ".")),
        ("a'b'\"c\"d", ("abcd",)),
        ("it\\'s", ("it's",)),
        ("$HOME $", ("$HOME", "$")),
        ("\\\n", ()),
    ],
)
def test_split(text: str, expected: tuple[str, ...]) -> None:
    assert split(text) == expected


@pytest.mark.parametrize("text", ["'a", 'a "b', "$(a", "`a", "${a", '"$(a"'])
def test_what_is_opened_must_be_closed(text: str) -> None:
    with pytest.raises(TaskInvalid, match="no closing"):
        split(text)


@given(st.text("ab '\"\\\n#", max_size=12))
def test_agrees_with_shlex_on_plain_quoting(text: str) -> None:
    if "\\\n" in text:
        return
    try:
        expected = tuple(shlex.split(text))
    except ValueError:
        return
    assert split(text) == expected
