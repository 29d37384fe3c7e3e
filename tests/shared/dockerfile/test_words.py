"""Quotes, escapes and variables."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.dockerfile.words import MAX_EXPANDED, ExpansionError, Lexer

VALUES = {"V": "value", "EMPTY": "", "PATH": "/usr/local/bin", "X": "x", "U_1": "under", "É": "accent", "SP": "a b"}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", ""),
        ("plain", "plain"),
        ("$V", "value"),
        ("${V}", "value"),
        ("a$V-b", "avalue-b"),
        ("$V$X", "valuex"),
        ("$VX", ""),
        ("${V}X", "valueX"),
        ("$U_1", "under"),
        ("$É", "accent"),
        ("$1", ""),
        ("$12a", "a"),
        ("$V.b", "value.b"),
        ("$", "$"),
        ("a$", "a$"),
        ("$$", ""),
        ("$@x", "x"),
        ("$(date)", "$(date)"),
        ("$UNSET", ""),
        ("${UNSET}", ""),
        (r"\$V", "$V"),
        (r"\\$V", r"\value"),
        (r"a\b", "ab"),
        ("a\\", "a"),
        ("'$V'", "$V"),
        (r"'a\b'", r"a\b"),
        ('"$V"', "value"),
        ('"${V}"', "value"),
        ('"a\'b"', "a'b"),
        (r'"a\"b"', 'a"b'),
        (r'"\$V"', "$V"),
        (r'"\\"', "\\"),
        (r'"\a"', r"\a"),
        ("a'b'\"c\"d", "abcd"),
        ("''", ""),
        ("a b", "a b"),
        ("<<", "<<"),
        ("a<b", "a<b"),
    ],
)
def test_expansion(text: str, wanted: str) -> None:
    assert Lexer().expand(text, VALUES) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("${V:-other}", "value"),
        ("${V-other}", "value"),
        ("${EMPTY:-other}", "other"),
        ("${EMPTY-other}", ""),
        ("${UNSET:-other}", "other"),
        ("${UNSET-other}", "other"),
        ("${UNSET:-}", ""),
        ("${UNSET:-$V}", "value"),
        ("${UNSET:-${V}}", "value"),
        ("${UNSET:-${ALSO:-deep}}", "deep"),
        ("${UNSET:-a b}", "a b"),
        ("${UNSET:-'a}b'}", "a}b"),
        ('${UNSET:-"a}b"}', "a}b"),
        (r"${UNSET:-a\}b}", "a}b"),
        ("${UNSET:-reg:5000/x}", "reg:5000/x"),
        ("${V:+other}", "other"),
        ("${V+other}", "other"),
        ("${EMPTY:+other}", ""),
        ("${EMPTY+other}", "other"),
        ("${UNSET:+other}", ""),
        ("${UNSET+other}", ""),
        ("${X:+-$V}", "-value"),
        ("${V:?why}", "value"),
        ("${V?why}", "value"),
        ("${EMPTY?why}", ""),
        ("${V#v}", "alue"),
        ("${V#x}", "value"),
        ("${V#*}", "value"),
        ("${V##*}", ""),
        ("${V#*l}", "ue"),
        ("${PATH#*/}", "usr/local/bin"),
        ("${PATH##*/}", "bin"),
        ("${PATH%/*}", "/usr/local"),
        ("${PATH%%/*}", ""),
        ("${PATH%%l*}", "/usr/"),
        ("${PATH%b?n}", "/usr/local/"),
        ("${PATH#/???/}", "local/bin"),
        ("${V%$X}", "value"),
        ("${V%e}", "valu"),
        ("${UNSET#a}", ""),
        ("${V/a/b}", "vblue"),
        ("${PATH/l/L}", "/usr/Local/bin"),
        ("${PATH//l/L}", "/usr/LocaL/bin"),
        (r"${PATH/\//:}", ":usr/local/bin"),
        (r"${PATH//\//:}", ":usr:local:bin"),
        ("${PATH//o*a/_}", "/usr/l_l/bin"),
        ("${V/a/}", "vlue"),
        ("${V//?/x}", "xxxxx"),
        ("${V/$X/y}", "value"),
        ("${V//*/new}", "new"),
        ("${UNSET/a/b}", ""),
        ("${V:#v}", "alue"),
        ("${V:%e}", "valu"),
    ],
)
def test_operators(text: str, wanted: str) -> None:
    assert Lexer().expand(text, VALUES) == wanted
    assert Lexer().expand(f'"{text}"', VALUES) == wanted


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("'open", "single quote is not closed"),
        ('"open', "double quote is not closed"),
        ('"$V', "double quote is not closed"),
        ('"open\\', "double quote is not closed"),
        ("${", "not followed by the name"),
        ("${}", "not followed by the name"),
        ("${:-x}", "not followed by the name"),
        ("${{x}}", "not followed by the name"),
        ("${V", "closing '}' is missing"),
        ("${V:", "closing '}' is missing"),
        ("${V:-", "closing '}' is missing"),
        ("${V:-x", "closing '}' is missing"),
        ("${V#x", "closing '}' is missing"),
        ("${V/a", "closing '/' is missing"),
        ("${V/a}", "closing '/' is missing"),
        ("${V/a/b", "closing '}' is missing"),
        ("${V:}", "an operator that Dockerfiles do not have"),
        ("${V^}", "an operator that Dockerfiles do not have"),
        ("${V:/a/b}", "an operator that Dockerfiles do not have"),
        ("${V:0:1}", "an operator that Dockerfiles do not have"),
        ("${UNSET?}", "UNSET: is not allowed to be unset"),
        ("${UNSET:?}", "UNSET: is not allowed to be unset"),
        ("${EMPTY:?}", "EMPTY: is not allowed to be empty"),
        ("${UNSET?set me}", "UNSET: set me"),
        ("${EMPTY:?set $X}", "EMPTY: set x"),
        (r"${V#\v}", "escapes nothing in a pattern"),
        (r"${V/\v/x}", "escapes nothing in a pattern"),
        ("${A:-" * 60 + "}" * 60, "nested too deeply"),
    ],
)
def test_what_cannot_be_read(text: str, why: str) -> None:
    with pytest.raises(ExpansionError, match=re.escape(why)):
        Lexer().expand(text, VALUES)


def test_the_other_escape_character() -> None:
    lexer = Lexer(escape="`")
    assert lexer.expand(r"C:\dir`$V", VALUES) == r"C:\dir$V"
    assert lexer.expand('"`"$V`""', VALUES) == '"value"'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        ("  ", []),
        ("a b  c", ["a", "b", "c"]),
        ("'a b' c", ["a b", "c"]),
        ('a" "b', ["a b"]),
        (r"a\ b c", ["a b", "c"]),
        ("$SP c", ["a", "b", "c"]),
        ("'$SP' c", ["$SP", "c"]),
        ('"$SP" c', ["a b", "c"]),
        ("'' a", ["a"]),
        ("a\tb\vc\u2003d\u00a0e", ["a", "b", "c", "d", "e"]),
        ("a\x1cb", ["a\x1cb"]),
        ("<< EOF", ["<< EOF"]),
        ("x<< EOF y", ["x<< EOF", "y"]),
        ("a < b", ["a", "<", "b"]),
    ],
)
def test_splitting(text: str, words: list[str]) -> None:
    assert Lexer().split(text, VALUES) == words


@pytest.mark.parametrize(
    "text",
    ["'a b'", '"a"', r"a\b", r"'a\b'", "$UNSET", "${UNSET}", "${UNSET:-x}", "${UNSET#x}", "${UNSET/a/b}", "$UNSET-$"],
)
def test_raw_text_stays_as_written(text: str) -> None:
    assert Lexer(raw_quotes=True, raw_escapes=True, keep_unset=True).expand(text, VALUES) == text


def test_growth_is_bounded() -> None:
    """Forty doublings of one letter would be a terabyte."""
    grown = "x"
    while len(grown) < MAX_EXPANDED:
        grown = Lexer().expand('"$A$A"', {"A": grown})
    with pytest.raises(ExpansionError, match=str(MAX_EXPANDED)):
        Lexer().expand('"$A$A"', {"A": grown})


_soup = st.text(alphabet="aV$_{}:-+?#%/'\"\\`* <1", max_size=40)


@given(_soup, st.booleans(), st.sampled_from("\\`"))
def test_any_text_is_words_or_an_error(text: str, raw: bool, escape: str) -> None:  # noqa: FBT001 - drawn by hypothesis
    lexer = Lexer(escape=escape, raw_quotes=raw, raw_escapes=raw, keep_unset=raw)
    try:
        expanded, words = lexer.expand(text, VALUES), lexer.split(text, VALUES)
    except ExpansionError:
        return
    assert len(expanded) <= MAX_EXPANDED + len(text) * 2
    assert all(words)


@given(st.text(alphabet="abc./:@-_1", max_size=30))
def test_a_plain_word_is_itself(text: str) -> None:
    assert Lexer().expand(text, VALUES) == text
    assert Lexer().expand(f"'{text}'", VALUES) == text
    assert Lexer().expand("${A}", {"A": text}) == text
