"""Patterns match as RE2 matches them, in linear time."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.language.errors import TaskTooLarge
from shared.language.gotemplate.meter import Meter
from shared.language.gotemplate.regex import Regex


def found(pattern: str, text: str) -> list[str]:
    return [text[match[0] or 0 : match[1] or 0] for match in Regex(pattern, Meter()).matches(text)]


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("a+", "aabaaa", ["aa", "aaa"]),
        ("a+?", "aab", ["a", "a"]),
        ("a|ab", "ab", ["a"]),
        ("(?:ab|a)c?", "abcac", ["abc", "ac"]),
        ("[^a-c]+", "abxyc", ["xy"]),
        (r"[\]\-x]", "a]-x", ["]", "-", "x"]),
        (r"\bfoo\b", "foo food foo", ["foo", "foo"]),
        (r"\d{2,3}", "1 12 1234", ["12", "123"]),
        (r"x{0}y", "xy", ["y"]),
        (r"(?i)MaIn", "main MAIN", ["main", "MAIN"]),
        (r"(?m)^b$", "a\nb", ["b"]),
        (r"(?s).+", "a\nb", ["a\nb"]),
        (r".+", "a\nb", ["a", "b"]),
        (r"\Aa\z", "a", ["a"]),
        (r"[[:alpha:]]+", "ab1", ["ab"]),
        (r"\p{Lu}", "aBC", ["B", "C"]),
        (r"\x41\x{42}\n", "AB\n", ["AB\n"]),
        (r"\Qa.b\E", "a.b axb", ["a.b"]),
        (r"(?U)a+", "aa", ["a", "a"]),
        ("", "ab", ["", "", ""]),
        ("(a*)*", "aa", ["aa"]),
    ],
)
def test_matches(pattern: str, text: str, expected: list[str]) -> None:
    assert found(pattern, text) == expected


@pytest.mark.parametrize(
    ("pattern", "template", "expected"),
    [
        ("a(x*)b", "${1}W", "-W-xxW-"),
        ("a(x*)b", "$1W", "---"),
        ("a(?P<n>x*)b", "<${n}>", "-<>-<xx>-"),
        ("a(x*)b", "$$", "-$-$-"),
    ],
)
def test_replacement_expands_groups(pattern: str, template: str, expected: str) -> None:
    assert Regex(pattern, Meter()).replace("-ab-axxb-", template) == expected


@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        ("a**", "invalid nested repetition operator: `a**`"),
        ("*a", "missing argument to repetition operator: `*`"),
        ("(a", "missing closing ): `(a`"),
        ("a)", "unexpected ): `a)`"),
        ("[a", "missing closing ]: `[a`"),
        ("a{1001}", "invalid repeat count: `{1001}`"),
        ("(?=a)", "invalid or unsupported Perl syntax: `(?=`"),
        ("\\", "trailing backslash at end of expression: ``"),
        (r"\y", r"invalid escape sequence: `\y`"),
        ("[b-a]", "invalid character class range: `b-a`"),
    ],
)
def test_bad_patterns(pattern: str, problem: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f"error parsing regexp: {problem}")):
        Regex(pattern, Meter())


def test_a_hostile_pattern_costs_linear_time() -> None:
    assert found("(a|a|aa)+$", "a" * 200 + "b") == []
    with pytest.raises(TaskTooLarge):
        found("(a|a|aa)+$", "a" * 200_000 + "b")


@given(st.text("ab()|*+?.[]^-", max_size=8), st.text("abc", max_size=8))
def test_agrees_with_python_where_both_understand_the_pattern(pattern: str, text: str) -> None:
    try:
        expected = re.search(pattern, text)
        ours = Regex(pattern, Meter()).match(text)
    except (ValueError, re.PatternError, FutureWarning):
        return
    if re.search(r"[*+?][+]|\[\[|\[\^?\]|--|\^", pattern) or _repeats_nothing(pattern):
        return
    assert (ours[0:2] if ours else None) == (expected.span() if expected else None)


def _repeats_nothing(pattern: str) -> bool:
    """Python and RE2 differ on repeating an expression that can match the empty text."""
    return bool(re.search(r"\)[*+?]", pattern))
