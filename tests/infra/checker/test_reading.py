"""Expressions are read as the Bicep compiler reads them."""

from pathlib import Path

import pytest

from infra.checker.bicep import Binding, Call, Choice, Expression, Guarded, Index, Member, Name, Operation, Scalar, Text
from infra.checker.findings import Tree
from infra.checker.reading import read

A, B, C = Name(1, "a"), Name(1, "b"), Name(1, "c")


def value(tmp_path: Path, source: str) -> Expression | None:
    path = tmp_path / "x.bicep"
    path.write_text(f"var x = {source}\n")
    file, faults = read(Tree(tmp_path), path)
    assert faults == []
    return file.declarations[0].value


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("a.b", Member(1, A, "b")),
        ("a!.b", Member(1, A, "b")),
        ("a.?b ?? c", Operation(1, (Member(1, A, "b"), C))),
        ("a ?? b.c", Operation(1, (A, Member(1, B, "c")))),
        ("a ?? b().c", Operation(1, (A, Member(1, Call(1, "b", None, ()), "c")))),
        ("a ? b : c.d", Choice(1, A, B, Member(1, C, "d"))),
        ("a ? b : c.d.e", Choice(1, A, B, Member(1, Member(1, C, "d"), "e"))),
        ("a ? b : c.d[0]", Choice(1, A, B, Index(1, Member(1, C, "d"), Scalar(1, 0)))),
        ("a ? b : c.d()", Choice(1, A, B, Call(1, "d", C, ()))),
        ("(a ? b : c).d", Member(1, Choice(1, A, B, C), "d")),
        ("!a.b", Operation(1, (Member(1, A, "b"),))),
        ("map(a, b => b.c)", Call(1, "map", None, (A, Binding(1, ("b",), None, Member(1, B, "c"))))),
        ("map(a, (b, c) => c)", Call(1, "map", None, (A, Binding(1, ("b", "c"), None, C)))),
        ("[for b in a: if (c) { }]", None),
        ("'a\\'b'", Text(1, "a'b", (), ("a'b",))),
        ("' '", Text(1, " ", (), (" ",))),
        ("'a ${b} c'", Text(1, None, (B,), ("a ", " c"))),
        ("'a${b}'", Text(1, None, (B,), ("a",))),
        ("'''\na'b\n'''", Text(1, "a'b\n")),
    ],
)
def test_an_expression(tmp_path: Path, source: str, wanted: Expression | None) -> None:
    found = value(tmp_path, source)

    if wanted is not None:
        assert found == wanted
    else:
        assert isinstance(found, Binding)
        assert found.names == ("b",)
        assert found.over == A
        assert isinstance(found.body, Guarded)


@pytest.mark.parametrize(
    "source", ["{ a: 1 b: 2 }", "['a' 'b']", "1 var y = 2", "'a\\d'", "'${a'", "f(1 2)", "{\n  a:\n}"]
)
def test_what_is_not_bicep_is_told(tmp_path: Path, source: str) -> None:
    path = tmp_path / "x.bicep"
    path.write_text(f"var x = {source}\n")

    assert read(Tree(tmp_path), path)[1]
