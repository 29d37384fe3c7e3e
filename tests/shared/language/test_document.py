"""YAML is read as yaml.v2 reads it."""

import pytest

from shared.language import document
from shared.language.document import Mapping, Node, Scalar, Sequence
from shared.language.errors import TaskTooLarge, YamlError


def plain(node: Node | None) -> object:
    match node:
        case Scalar():
            return node.text
        case Sequence():
            return [plain(item) for item in node.items]
        case Mapping():
            return [(plain(key), plain(value)) for key, value in document.entries(node)]
    return None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", None),
        ("# nothing\n", None),
        ("a: 1\n", [("a", "1")]),
        ("a: 1\n---\nb: 2\n", [("a", "1")]),
        ("a: 1\na: 2\n", [("a", "1"), ("a", "2")]),
        ("- 22:22\n- 0x10\n- yes\n", ["22:22", "0x10", "yes"]),
        ("a: &x [1]\nb: *x\n", [("a", ["1"]), ("b", ["1"])]),
        ("a: &x {p: 1}\nb: {<<: *x, q: 2}\n", [("a", [("p", "1")]), ("b", [("p", "1"), ("q", "2")])]),
        ("b:\n  <<: [{p: 1}, {p: 2}]\n", [("b", [("p", "2"), ("p", "1")])]),
        ('b: {"<<": 1}', [("b", [("<<", "1")])]),
        ("a: |\n  x\n  y\n", [("a", "x\ny\n")]),
        ("a: >\n  x\n  y\n", [("a", "x y\n")]),
        ("\ufeffa: 1", [("a", "1")]),
    ],
)
def test_trees(text: str, expected: object) -> None:
    assert plain(document.parse(text)) == expected


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a:\n\t- b\n", "yaml: line 2: found character that cannot start any token"),
        ("a: [\n", "yaml: line 1: did not find expected node content"),
        ("a b\nc: d\n", "yaml: line 2: mapping values are not allowed in this context"),
        ("a: {b: c\nd: e\n", "yaml: line 1: did not find expected ',' or '}'"),
        ("a: 'b\n", "yaml: line 2: found unexpected end of stream"),
        ("a: *b\n", "yaml: unknown anchor 'b' referenced"),
        ("a: &a [*a]\n", "yaml: anchor 'a' value contains itself"),
        ("a: \x01", "yaml: control characters are not allowed"),
        ("a: \ud800", "yaml: invalid Unicode character"),
    ],
)
def test_errors(text: str, problem: str) -> None:
    with pytest.raises(YamlError) as caught:
        document.parse(text)
    assert caught.value.message == problem


def test_only_maps_can_be_merged() -> None:
    root = document.parse("<<: 1")
    assert isinstance(root, Mapping)
    with pytest.raises(YamlError, match="map merge requires map or sequence of maps as the value"):
        list(document.entries(root))


@pytest.mark.parametrize(
    "text",
    [
        "[" * 1000,
        "a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b ["
        + "*a," * 10
        + "]\nc: &c ["
        + "*b," * 10
        + "]\nd: ["
        + "*c," * 100
        + "]\n",
        "- x\n" * 30_000,
    ],
)
def test_bombs_are_refused(text: str) -> None:
    with pytest.raises(TaskTooLarge):
        document.parse(text)
