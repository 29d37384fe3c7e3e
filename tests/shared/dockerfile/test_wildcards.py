"""Shell patterns, against regular expressions that mean the same."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.dockerfile.wildcards import PatternError, Wildcard

_patterns = st.text(alphabet="ab*?", max_size=8)
_values = st.text(alphabet="ab", max_size=14)


def _regex(pattern: str, *, longest: bool) -> str:
    star = ".*" if longest else ".*?"
    return "".join(star if token == "*" else "." if token == "?" else re.escape(token) for token in pattern)


@given(_patterns, _values, st.booleans())
def test_prefixes(pattern: str, value: str, longest: bool) -> None:  # noqa: FBT001 - drawn by hypothesis
    found = re.match(_regex(pattern, longest=longest), value)
    wanted = value[found.end() :] if found else value
    assert Wildcard.parse(pattern).without_prefix(value, longest=longest) == wanted


@given(_patterns, _values, st.booleans())
def test_suffixes(pattern: str, value: str, longest: bool) -> None:  # noqa: FBT001 - drawn by hypothesis
    ends = [end for end in range(len(value) + 1) if re.fullmatch(_regex(pattern, longest=True), value[end:])]
    wanted = value[: min(ends) if longest else max(ends)] if ends else value
    assert Wildcard.parse(pattern).without_suffix(value, longest=longest) == wanted


@given(_patterns.filter(lambda pattern: pattern.strip("*")), _values)
def test_replacing(pattern: str, value: str) -> None:
    """Python and Go part over empty matches only."""
    regex = re.compile(_regex(pattern, longest=True))
    wildcard = Wildcard.parse(pattern)
    assert wildcard.replace(value, "<>", every=True) == regex.sub("<>", value)
    assert wildcard.replace(value, "<>", every=False) == regex.sub("<>", value, count=1)


@pytest.mark.parametrize(("pattern", "wanted"), [("", "-a-b-"), ("*", "-")])
def test_empty_matches_as_in_go(pattern: str, wanted: str) -> None:
    assert Wildcard.parse(pattern).replace("ab", "-", every=True) == wanted


@pytest.mark.parametrize(
    ("pattern", "value", "wanted"),
    [
        (r"\*", "*a", "a"),
        (r"\?", "?a", "a"),
        (r"\\", r"\a", "a"),
        (r"\}", "}a", "a"),
        (r"\/", "/a", "a"),
        (".", "ab", "ab"),
    ],
)
def test_literals(pattern: str, value: str, wanted: str) -> None:
    assert Wildcard.parse(pattern).without_prefix(value, longest=False) == wanted


@pytest.mark.parametrize("pattern", [r"\a", "a\\", r"\."])
def test_a_needless_escape_is_refused(pattern: str) -> None:
    with pytest.raises(PatternError, match="escapes nothing"):
        Wildcard.parse(pattern)


@pytest.mark.parametrize("longest", [True, False])
def test_a_hostile_pattern_is_quick(*, longest: bool) -> None:
    """A backtracking matcher would not end in a lifetime."""
    wildcard, value = Wildcard.parse("*a" * 500 + "b"), "a" * 20_000
    started = time.process_time()
    assert wildcard.without_prefix(value, longest=longest) == value
    assert wildcard.without_suffix(value, longest=longest) == value
    assert wildcard.replace(value, "x", every=True) == value
    assert time.process_time() - started < 2
