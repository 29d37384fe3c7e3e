"""Globs cover the whole name or nothing."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.triggers.git.patterns import matches


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        ("main", "main", True),
        ("main", "Main", False),
        ("main", "main2", False),
        ("main", "domain", False),
        ("release/*", "release/1", True),
        ("release/*", "release/1/2", False),
        ("release/**", "release/1/2", True),
        ("release/**", "release", False),
        ("**", "a/b/c", True),
        ("*", "a/b", False),
        ("v?.*", "v1.2.3", True),
        ("v?.*", "v/.2", False),
        ("**/*.py", "a.py", True),
        ("**/*.py", "a/b/c.py", True),
        ("**/*.py", "a/b/c.pyc", False),
        ("src/**/test", "src/test", True),
        ("src/**/test", "src/a/b/test", True),
        ("src/**/test", "src/atest", False),
        ("a**/b", "ax/y/b", True),
        ("a**/b", "ab", False),
        (".", "x", False),
        ("[ab]", "a", False),
        ("[ab]", "[ab]", True),
        ("", "", True),
        ("", "a", False),
        ("*", "", True),
    ],
)
def test_what_a_glob_covers(pattern: str, name: str, expected: bool) -> None:  # noqa: FBT001 - the answer expected
    assert matches(pattern, name) is expected


def as_expression(pattern: str) -> str:
    """Write the same rules as a regular expression, for short names only: it backtracks."""
    parts = re.split(r"((?:(?<=/)|^)\*\*/|\*\*|\*|\?)", pattern)
    meaning = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return "".join(meaning.get(part, re.escape(part)) for part in parts)


@given(st.text("ab/*?", max_size=7), st.text("ab/", max_size=7))
def test_globs_mean_what_the_expression_means(pattern: str, name: str) -> None:
    assert matches(pattern, name) is bool(re.fullmatch(as_expression(pattern), name, re.DOTALL))


def test_no_pattern_makes_a_name_expensive() -> None:
    assert not matches("**a" * 200, "a" * 199 + "b" * 800)
