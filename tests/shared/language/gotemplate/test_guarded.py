"""What somebody else chose is compared as it is, and inserted through the escape wherever it was carried."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.language.errors import TaskTooLarge, TemplateError
from shared.language.gotemplate import guard, render
from shared.language.gotemplate.guarded import insert, unguard
from shared.language.gotemplate.values import Map
from shared.language.values import shell_word

NAME = "a(b);id"
WORDS = st.sampled_from(
    [
        *("quote", "upper", "lower", "title", "trim", "nospace", "b64enc", "b64dec", "toJson", "sha256sum", "squote"),
        *("substr 1 4", "substr 3 7", "trunc 3", "trunc 2", "replace `(` `-`", "replace `-` `;`", "trimPrefix `a`"),
        *("printf `%q`", "printf `%s;`", "printf `%x`", "cat `$`", "splitList `(` | last", "splitList `(` | join `,`"),
        *("regexFind `;.*`", "regexReplaceAll `[a-z]` `-`", "list | toString", "dict `k` | toJson", "default `x`"),
        *("abbrev 5", "repeat 2", "indent 1", "swapcase", "snakecase", "initials", "trimAll `ab`", "b32enc", "b32dec"),
    ]
)


def data() -> Map:
    return {"B": guard(NAME), "M": {NAME: "found", "main": "other"}}


def shown(source: str) -> str:
    return render(source, data(), name="t", escape=shell_word)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{{if eq .B `a(b);id`}}same{{end}}", "same"),
        ("{{ne .B `a(b);id`}} {{eq .B `x` `a(b);id`}} {{lt .B `a(c`}}", "false true true"),
        ("{{hasPrefix `a(` .B}} {{contains `;` .B}} {{regexMatch `^a[(]b` .B}} {{len .B}}", "true true true 7"),
        ("{{index .M .B}} {{has .B (list `x` `a(b);id`)}}", "found true"),
        ("{{.B}}", r"a\(b\)\;id"),
        ("{{quote .B}} {{printf `--tag '%s'` .B}}", "\"a\\(b\\)\\;id\" --tag 'a\\(b\\)\\;id'"),
        ("{{.B | replace `(` `-` | replace `)` `-` | replace `;` `-`}}", "a-b--id"),
        ("{{regexReplaceAll `[^a-z]` .B `-`}}", "a-b--id"),
        ("{{range splitList `(` .B}}[{{.}}]{{end}}", r"[a][b\)\;id]"),
        ("{{upper .B}}", r"A\(B\)\;ID"),
        ("{{b64enc .B}} {{b64enc .B | b64dec}}", r"YShiKTtpZA== a\(b\)\;id"),
        ("{{$d := dict `a` 1}}{{$_ := set $d `k` .B}}{{$d.k}}", r"a\(b\)\;id"),
        ("{{with .B}}{{.}}{{end}}{{$x := .B}}{{$x}}", r"a\(b\)\;ida\(b\)\;id"),
        ("{{define `t`}}{{.}}{{end}}{{template `t` .B}}", r"a\(b\)\;id"),
        ("{{substr 4 7 .B}}", r"\;id"),
    ],
)
def test_what_is_computed_follows_the_name_and_what_is_inserted_is_escaped(source: str, expected: str) -> None:
    assert shown(source) == expected


@given(st.text("λΛ☃;(a", max_size=8), st.lists(WORDS, max_size=4))
def test_no_chain_of_functions_loses_sight_of_a_letter(name: str, words: list[str]) -> None:
    """With an escape that leaves nothing, no letter that only the name can have brought remains."""
    source = "{{" + " | ".join((".B", *words)) + "}}"
    try:
        text = render(source, {"B": guard(name)}, name="t", escape=lambda _: "")
    except (TemplateError, TaskTooLarge):
        return
    assert not set("λΛ☃(") & set(text)


@pytest.mark.parametrize("source", ["{{range .B}}{{end}}", "{{fail .B}}"])
def test_errors_show_the_name_as_it_is(source: str) -> None:
    with pytest.raises(TemplateError, match=re.escape(NAME)):
        shown(source)


def test_a_value_that_doubles_is_paid_for() -> None:
    doubled = "{{$a := list .B}}" + "{{$a = list $a $a}}" * 60
    with pytest.raises(TaskTooLarge):
        shown(doubled + "{{len $a}}")


@given(st.text(max_size=20))
def test_marks_come_and_go(name: str) -> None:
    basic = "".join(letter if letter.isprintable() or ord(letter) <= 0xFFFD else "?" for letter in name)
    assert unguard(guard(name)) == basic
    assert insert(guard(name), str) == basic
