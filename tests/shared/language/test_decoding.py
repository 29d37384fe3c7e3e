"""Scalars become values by yaml.v2's rules."""

import math

import pytest

from shared.language import document
from shared.language.decoding import Decoder, Tag, resolve
from shared.language.document import Node, Scalar
from shared.language.errors import YamlError


def node_of(text: str) -> Node:
    root = document.parse(text)
    assert root is not None
    return root


@pytest.mark.parametrize(
    ("text", "tag", "value"),
    [
        ("yes", Tag.BOOL, True),
        ("Off", Tag.BOOL, False),
        ("y", Tag.BOOL, True),
        ("yEs", Tag.STRING, "yEs"),
        ("~", Tag.NULL, None),
        ("Null", Tag.NULL, None),
        ("0123", Tag.INT, 83),
        ("0o17", Tag.INT, 15),
        ("0x1F", Tag.INT, 31),
        ("-0b11", Tag.INT, -3),
        ("1_000", Tag.INT, 1000),
        ("+5", Tag.INT, 5),
        ("18446744073709551615", Tag.INT, 2**64 - 1),
        ("18446744073709551616", Tag.FLOAT, 2.0**64),
        ("08", Tag.FLOAT, 8.0),
        ("1.50", Tag.FLOAT, 1.5),
        ("1e3", Tag.FLOAT, 1000.0),
        (".5", Tag.FLOAT, 0.5),
        ("-.inf", Tag.FLOAT, -math.inf),
        ("1:30", Tag.STRING, "1:30"),
        ("10m", Tag.STRING, "10m"),
        ("1.2.3", Tag.STRING, "1.2.3"),
        ("2026-01-02", Tag.TIMESTAMP, "2026-01-02"),
        ("2026-01-02T03:04:05Z", Tag.TIMESTAMP, "2026-01-02T03:04:05Z"),
        ("'5'", Tag.STRING, "5"),
        ("!!str 5", Tag.STRING, "5"),
        ("!!int '5'", Tag.INT, 5),
        ("!!float 5", Tag.FLOAT, 5.0),
        ("!mine x", Tag.STRING, "x"),
        ("- ", Tag.NULL, None),
    ],
)
def test_resolution(text: str, tag: Tag, value: object) -> None:
    node = node_of(text)
    scalar = node if isinstance(node, Scalar) else node.items[0]  # type: ignore[union-attr]
    assert isinstance(scalar, Scalar)
    resolved = resolve(scalar)
    assert (resolved.tag, resolved.value) == (tag, value)


def test_a_tag_that_does_not_fit_is_an_error() -> None:
    node = node_of("!!int x")
    assert isinstance(node, Scalar)
    with pytest.raises(YamlError, match=r"cannot decode !!str `x` as a !!int"):
        resolve(node)


@pytest.mark.parametrize("text", ["8080", "22:22", "1.50", "0x10", "true", "2020-01-01", "0123"])
def test_a_string_takes_the_source_text(text: str) -> None:
    assert Decoder().string(node_of(text)) == text


@pytest.mark.parametrize(("text", "number"), [("600", 600), ("600.7", 600), ("-3", -3), ("0x10", 16), ("null", 0)])
def test_integers(text: str, number: int) -> None:
    decoder = Decoder()
    assert decoder.integer(node_of(text)) == number
    decoder.check()


def test_problems_are_collected_with_their_lines() -> None:
    root = node_of('a: "600"\nb: 1\nc: [x]\nd: {x: y}\ne: a very long text\nf: [1, [2]]\n')
    decoder = Decoder()
    members = decoder.members(root, "graph.Task")
    decoder.integer(members["a"])
    decoder.boolean(members["b"])
    decoder.string(members["c"])
    decoder.strings(members["d"])
    decoder.integer(members["e"])
    assert decoder.strings(members["f"]) == ("1",)
    with pytest.raises(YamlError) as caught:
        decoder.check()
    assert caught.value.message == (
        "yaml: unmarshal errors:\n"
        "  line 1: cannot unmarshal !!str `600` into int\n"
        "  line 2: cannot unmarshal !!int `1` into bool\n"
        "  line 3: cannot unmarshal !!seq into string\n"
        "  line 4: cannot unmarshal !!map into []string\n"
        "  line 5: cannot unmarshal !!str `a very ...` into int\n"
        "  line 6: cannot unmarshal !!seq into string"
    )


def test_the_last_of_equal_keys_wins() -> None:
    assert Decoder().string_map(node_of("a: 1\nb: 2\na: 3\n")) == {"a": "3", "b": "2"}
