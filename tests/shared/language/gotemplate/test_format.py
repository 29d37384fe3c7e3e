"""Values print as Go's fmt prints them."""

import pytest

from shared.language.gotemplate.format import float_text, json_text, quote, sprintf, text_of
from shared.language.gotemplate.meter import Meter
from shared.language.gotemplate.values import Value


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (1.0, "1"),
        (0.1, "0.1"),
        (100000.0, "100000"),
        (1000000.0, "1e+06"),
        (123456789.0, "1.23456789e+08"),
        (0.0001, "0.0001"),
        (0.00001, "1e-05"),
        (1e21, "1e+21"),
        (-2.5, "-2.5"),
        (0.0, "0"),
        (-0.0, "-0"),
        (1e100, "1e+100"),
        (float("inf"), "+Inf"),
        (float("nan"), "NaN"),
    ],
)
def test_floats(number: float, expected: str) -> None:
    assert float_text(number) == expected


@pytest.mark.parametrize(
    ("layout", "values", "expected"),
    [
        ("%d|%5d|%-5d|%05d|%+d|% d", [1, 2, 3, 4, 5, 6], "1|    2|3    |00004|+5| 6"),
        ("%x %X %o %#x %b %c %U %q", [255, 255, 8, 255, 5, 65, 65, 65], "ff FF 10 0xff 101 A U+0041 'A'"),
        ("%s|%5s|%-5s|%.2s|%q|%x", ["a", "b", "c", "defg", 'h"', "hi"], 'a|    b|c    |de|"h\\""|6869'),
        ("%v %v %v %v", [True, 1.5, None, [1, "a", None]], "true 1.5 <nil> [1 a <nil>]"),
        (
            "%6.2f|%e|%g|%08.3f|%.3g",
            [3.14159, 1234.5, 0.5, 3.14159, 1234567.0],
            "  3.14|1.234500e+03|0.5|0003.142|1.23e+06",
        ),
        ("%t %T %T", [False, "s", 1], "false string int"),
        ("%%", [], "%"),
        ("%d", ["x"], "%!d(string=x)"),
        ("%s", [3], "%!s(int=3)"),
        ("%s", [None], "%!s(<nil>)"),
        ("%d %d", [1], "1 %!d(MISSING)"),
        ("%d", [1, 2, "z"], "1%!(EXTRA int=2, string=z)"),
        ("%", [], "%!(NOVERB)"),
        ("%*d|%-*d|", [4, 1, 4, 2], "   1|2   |"),
        ("%[2]d %[1]d", [1, 2], "2 1"),
        ("%9999999d", [1], "%!(BADWIDTH)1"),
        ("%d", [[1, 2]], "[1 2]"),
        ("%v", [{"b": 1, "a": [2]}], "map[a:[2] b:1]"),
    ],
)
def test_verbs(layout: str, values: list[Value], expected: str) -> None:
    assert sprintf(layout, values, Meter()) == expected


def test_quote_escapes_what_go_escapes() -> None:
    assert quote('a"\\\n\t\x01é\u200b') == '"a\\"\\\\\\n\\t\\x01é\\u200b"'


@pytest.mark.parametrize(
    ("value", "indent", "expected"),
    [
        ({"b": 1, "a": [True, None, "x"]}, "", '{"a":[true,null,"x"],"b":1}'),
        ([], "  ", "[]"),
        ({"a": [1]}, "  ", '{\n  "a": [\n    1\n  ]\n}'),
        ("<&>", "", '"\\u003c\\u0026\\u003e"'),
        ([1.0, 1e21, 1e20, 1e-7, 0.5], "", "[1,1e+21,100000000000000000000,1e-7,0.5]"),
    ],
)
def test_json(value: Value, indent: str, expected: str) -> None:
    assert json_text(value, Meter(), indent) == expected


def test_json_has_no_infinity() -> None:
    with pytest.raises(ValueError, match=r"json: unsupported value: \+Inf"):
        json_text([float("inf")], Meter())


def test_a_nested_list_is_printed_within_the_meter() -> None:
    assert text_of([[1], {"k": ["v"]}], Meter()) == "[[1] map[k:[v]]]"
