"""Template functions give what those of Sprig 2.22 give."""

from datetime import UTC, datetime
from zoneinfo import available_timezones

import pytest

from shared.language.errors import TemplateError
from shared.language.gotemplate import render

NOW = datetime(2026, 3, 4, 15, 6, 7, tzinfo=UTC)


def value_of(expression: str) -> str:
    return render(f"{{{{{expression}}}}}", {}, name="t", clock=lambda: NOW)


TEXT = [
    ('abbrev 8 "Hello World"', "Hello..."),
    ('abbrevboth 5 10 "1234 5678 9123"', "...5678..."),
    ('trunc 5 "hello world"', "hello"),
    ('trim "  a "', "a"),
    ('trimAll "$" "$5$"', "5"),
    ('trimSuffix "-" "a-"', "a"),
    ('trimPrefix "v" "v1.2"', "1.2"),
    ('upper "aß"', "Aß"),
    ('title "hello world"', "Hello World"),
    ('untitle "Hello World"', "hello world"),
    ('substr 0 5 "hello world"', "hello"),
    ('substr 3 -1 "hello"', "lo"),
    ('nospace " a b "', "ab"),
    ('initials "First Try"', "FT"),
    ('swapcase "aB"', "Ab"),
    ('snakecase "FirstName"', "first_name"),
    ('snakecase "HTTP20xOK"', "http_20x_ok"),
    ('camelcase "http_server"', "HttpServer"),
    ('kebabcase "FirstName"', "first-name"),
    ('wrap 5 "abc def gh"', "abc\ndef\ngh"),
    ('wrapWith 3 "|" "abcdef"', "abc|def"),
    ('contains "a" "cat"', "true"),
    ('hasPrefix "c" "cat"', "true"),
    ('hasSuffix "c" "cat"', "false"),
    ('quote "a" 1 nil', '"a" "1"'),
    ('squote "a"', "'a'"),
    ('cat "a" nil 1', "a 1"),
    ('indent 2 "a\\nb"', "  a\n  b"),
    ('nindent 1 "a"', "\n a"),
    ('replace "a" "b" "banana"', "bbnbnb"),
    ('plural "one" "many" 2', "many"),
    ('repeat 3 "x"', "xxx"),
    ('sha1sum "x"', "11f6ad8ec52a2984abaafd7c3b516503785c2072"),
    ('adler32sum "x"', "7929977"),
    ('b64enc "hi"', "aGk="),
    ("b64enc nil", ""),
    ("b64enc 5", "PGludCBWYWx1ZT4="),
    ('b64dec "aGk="', "hi"),
    ('b64dec "?"', "illegal base64 data at input byte 0"),
    ('b32enc "hi"', "NBUQ===="),
    ('split "," "a,b"', "map[_0:a _1:b]"),
    ('(split "," "a,b")._1', "b"),
    ('splitn "," 2 "a,b,c"', "map[_0:a _1:b,c]"),
    ('splitList "," "a,b"', "[a b]"),
    ('join "-" (list 1 nil "b")', "1-b"),
    ('sortAlpha (list "b" "a")', "[a b]"),
    ("toStrings (list 1 true nil)", "[1 true]"),
    ('base "/a/b.txt"', "b.txt"),
    ('dir "/a/b.txt"', "/a"),
    ('clean "/a/../b"', "/b"),
    ('ext "b.tar.gz"', ".gz"),
    ('isAbs "/a"', "true"),
]
COLLECTIONS = [
    ('dict "a" 1 "b"', "map[a:1 b:]"),
    ('hasKey (dict "a" 1) "a"', "true"),
    ('pluck "a" (dict "a" 1) (dict "b" 2)', "[1]"),
    ('keys (dict "b" 1 "a" 2)', "[a b]"),
    ('values (dict "b" 1 "a" 2)', "[2 1]"),
    ('pick (dict "a" 1 "b" 2) "a"', "map[a:1]"),
    ('omit (dict "a" 1 "b" 2) "a"', "map[b:2]"),
    ('merge (dict "a" 1) (dict "a" 2 "b" 3)', "map[a:1 b:3]"),
    ('mergeOverwrite (dict "a" 1) (dict "a" 2 "b" 3)', "map[a:2 b:3]"),
    ('unset (dict "a" 1) "a"', "map[]"),
    ("append (list 1) 2", "[1 2]"),
    ("prepend (list 1) 2", "[2 1]"),
    ("concat (list 1) (list 2)", "[1 2]"),
    ("first (list 1 2)", "1"),
    ("last (list 1 2)", "2"),
    ("rest (list 1 2 3)", "[2 3]"),
    ("initial (list 1 2 3)", "[1 2]"),
    ("reverse (list 1 2)", "[2 1]"),
    ("uniq (list 1 1 2)", "[1 2]"),
    ("without (list 1 2 3) 2", "[1 3]"),
    ("has 2 (list 1 2)", "true"),
    ("slice (list 1 2 3) 1 2", "[2]"),
    ("compact (list 1 0 `` 2)", "[1 2]"),
    ("deepEqual (list 1) (list 1)", "true"),
    ("deepCopy (list 1)", "[1]"),
]
NUMBERS = [
    ("add 1 2 3", "6"),
    ("sub 5 8", "-3"),
    ("mul 2 3 4", "24"),
    ("div 7 -2", "-3"),
    ("mod -7 2", "-1"),
    ("add1 `5`", "6"),
    ("max 1 5 3", "5"),
    ("min 1 5 3", "1"),
    ("ceil 1.2", "2"),
    ("floor -1.2", "-2"),
    ("round 123.555555 3", "123.556"),
    ("int `0x1F`", "31"),
    ("int 3.9", "3"),
    ("int `abc`", "0"),
    ("atoi `12a`", "0"),
    ("float64 `1.5`", "1.5"),
    ("toDecimal `777`", "511"),
    ("until 3", "[0 1 2]"),
    ("untilStep 0 10 3", "[0 3 6 9]"),
    ("mul 9223372036854775807 2", "-2"),
]
GENERAL = [
    ('default "d" ""', "d"),
    ('default "d" "x"', "x"),
    ("empty (list)", "true"),
    ("coalesce 0 `` 3", "3"),
    ("ternary 1 2 false", "2"),
    ("typeOf (list)", "[]interface {}"),
    ("kindOf 1.5", "float64"),
    ("kindIs `map` (dict)", "true"),
    ("typeIs `string` `x`", "true"),
    ("toJson (dict `a` `<`)", '{"a":"\\u003c"}'),
    ("toPrettyJson (list 1)", "[\n  1\n]"),
    ("regexMatch `^a+$` `aaa`", "true"),
    ("regexFind `[a-z]+` `12ab`", "ab"),
    ("regexFindAll `[0-9]` `1a2b3` 2", "[1 2]"),
    ("regexReplaceAll `[^a-z]` `a/b` `-`", "a-b"),
    ("regexReplaceAllLiteral `a` `banana` `$1`", "b$1n$1n$1"),
    ("regexSplit `z+` `pizza` -1", "[pi a]"),
    ("(urlParse `https://u@h.io:80/p?q=1#f`).host", "h.io:80"),
    ("urlJoin (dict `scheme` `http` `host` `h` `path` `/p`)", "http://h/p"),
    ("(semver `v1.2.3-rc.1`).Prerelease", "rc.1"),
    ("semver `1.2`", "1.2.0"),
    ("semverCompare `^1.2.0` `1.4.5`", "true"),
    ("semverCompare `~1.2.0` `1.3.0`", "false"),
    ("semverCompare `>=1.0, <2` `1.9.9`", "true"),
    ("semverCompare `1.x || 3.x` `3.1.0`", "true"),
    ("semverCompare `1.2 - 1.4` `1.5.0`", "false"),
    ("len (randAlphaNum 12)", "12"),
    ("len uuidv4", "36"),
    ("len (shuffle `abc`)", "3"),
]
DATES = [
    ("now | date `2006-01-02 15:04:05`", "2026-03-04 15:06:07"),
    ("now | date `Mon Jan _2 3:04PM 06`", "Wed Mar  4 3:06PM 26"),
    ("date `20060102` 0", "19700101"),
    ("htmlDate now", "2026-03-04"),
    ("dateInZone `15:04 -0700` now `UTC`", "15:06 +0000"),
    ("date `15:04` (dateModify `-1h30m` now)", "13:36"),
    ("unixEpoch now", "1772636767"),
    ("ago (toDate `2006-01-02` `2026-03-04`)", "15h6m7s"),
    ("now", "2026-03-04 15:06:07 +0000 UTC"),
    ("date `2006-01-02T15:04:05Z07:00` now", "2026-03-04T15:06:07Z"),
]


@pytest.mark.parametrize(("expression", "expected"), [*TEXT, *COLLECTIONS, *NUMBERS, *GENERAL, *DATES])
def test_functions(expression: str, expected: str) -> None:
    assert value_of(expression) == expected


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("first 5", "Cannot find first on type int"),
        ('slice "abc" 1', "list should be type of slice or array but string"),
        ("slice (list 1) 5", "slice index out of bounds"),
        ("semver `x`", "Invalid Semantic Version"),
        ("regexFind `(` `x`", "error parsing regexp: missing closing )"),
        ("repeat -1 `x`", "strings: negative Repeat count"),
        ("trunc -1 `x`", "slice bounds out of range"),
    ],
)
def test_refusals(expression: str, problem: str) -> None:
    with pytest.raises(TemplateError) as caught:
        value_of(expression)
    assert problem in caught.value.message


@pytest.mark.skipif("Asia/Tokyo" not in available_timezones(), reason="no time zone data on this machine")
def test_time_zones() -> None:
    assert value_of("dateInZone `15:04 -0700` now `Asia/Tokyo`") == "00:06 +0900"


def test_a_changed_map_is_seen_by_later_actions() -> None:
    source = '{{$m := dict "a" 1}}{{$_ := set $m "b" 2}}{{$m}}'
    assert render(source, {}, name="t") == "map[a:1 b:2]"
