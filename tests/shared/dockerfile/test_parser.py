"""Dockerfile text to instructions: the cases that line-by-line readers get wrong."""

import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.dockerfile import Dockerfile, Instruction, parse
from shared.errors import LanguageError

BASE = "FROM base\n"


def body(text: str) -> tuple[Instruction, ...]:
    """Return the instructions that `text` adds to a stage."""
    return parse(BASE + text).stages[0].body


def texts(text: str) -> list[str]:
    """Return each instruction as keyword and arguments."""
    return [" ".join((instruction.keyword, *instruction.arguments)) for instruction in body(text)]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("RUN a\n", ["RUN a"]),
        ("RUN a", ["RUN a"]),
        ("RUN a\r\nRUN b\r\n", ["RUN a", "RUN b"]),
        ("run a\nRun b\n", ["RUN a", "RUN b"]),
        ("  RUN   a  b  \n", ["RUN a  b"]),
        ("\tRUN\ta\n", ["RUN a"]),
        ("\nRUN a\n\n\nRUN b\n\n", ["RUN a", "RUN b"]),
        ("# RUN x\nRUN a\n  # RUN y\n", ["RUN a"]),
        ("RUN a # b\n", ["RUN a # b"]),
        ("RUN a \\\n b\n", ["RUN a  b"]),
        ("RUN a\\\nb\n", ["RUN ab"]),
        ("RUN a \\  \t\n b\n", ["RUN a  b"]),
        ("RUN a \\\r\n b\r\n", ["RUN a  b"]),
        ("RUN a \\\n# comment\n b\n", ["RUN a  b"]),
        ("RUN a \\\n  # comment \\\n b\n", ["RUN a  b"]),
        ("RUN a \\\n\n b\n", ["RUN a  b"]),
        ("RUN a \\\n   \n\n b\n", ["RUN a  b"]),
        ("RUN a \\\n# one\n\n# two\n b \\\n# end\n", ["RUN a  b"]),
        ("RUN a \\", ["RUN a"]),
        ("RUN a \\\n", ["RUN a"]),
        ("RUN a \\\\\nRUN b\n", ["RUN a \\\\", "RUN b"]),
        ("RUN a `\nRUN b\n", ["RUN a `", "RUN b"]),
        ("\\\nRUN a\n", ["RUN a"]),
        ("RUN \\\n  FROM x\n", ["RUN FROM x"]),
        ("RUN \\\nFROM x\nRUN b\n", ["RUN FROM x", "RUN b"]),
        ("R\\\nUN a\n", ["RUN a"]),
        ("RUN a\x0bb\n", ["RUN a\x0bb"]),
        ("RUN a\x85RUN b\n", ["RUN a\x85RUN b"]),
        ("RUN a\u2028RUN b\n", ["RUN a\u2028RUN b"]),
        ("\u00a0RUN a\n", ["RUN a"]),
    ],
)
def test_lines(text: str, wanted: list[str]) -> None:
    assert texts(text) == wanted


@pytest.mark.parametrize(
    ("text", "arguments", "is_json"),
    [
        ('RUN ["a", "b c"]', ("a", "b c"), True),
        ('RUN  [ "a" ]  ', ("a",), True),
        ("RUN []", (), True),
        ('RUN ["a", ]', ('["a", ]',), False),
        ("RUN ['a']", ("['a']",), False),
        ('RUN ["a"] # b', ("a",), True),
        ('RUN ["\\u0041"]', ("A",), True),
        ("RUN [ -f x ] || y", ("[ -f x ] || y",), False),
        ("RUN [[[", ("[[[",), False),
        ("CMD a  b", ("a  b",), False),
        ("ENTRYPOINT", (), False),
        ("COPY a  b\tc", ("a", "b", "c"), False),
        ('COPY ["a b", "c"]', ("a b", "c"), True),
        ('COPY "a b" c', ('"a', 'b"', "c"), False),
        ("ARG A", ("A",), False),
        ("ARG A=1 B", ("A=1", "B"), False),
        ("ARG A=\"x y\" B='z w'", ('A="x y"', "B='z w'"), False),
        (r"ARG A=x\ y B", (r"A=x\ y", "B"), False),
        ('ARG A="x\\"y z" B', ('A="x\\"y z"', "B"), False),
        ('ARG A="open B', ('A="open B',), False),
        ("ENV A b c", ("A", "b c"), False),
        ("ENV A=b C=d", ("A", "b", "C", "d"), False),
        ('ENV A="b c" D=e\\ f', ("A", '"b c"', "D", "e\\ f"), False),
        ("LABEL a.b=c", ("a.b", "c"), False),
        ("EXPOSE 80 443/tcp", ("80", "443/tcp"), False),
        ("VOLUME /a /b", ("/a", "/b"), False),
        ('VOLUME ["/a b"]', ("/a b",), True),
        ("USER a b", ("a b",), False),
        ("WORKDIR /a b", ("/a b",), False),
        ("HEALTHCHECK NONE", ("NONE",), False),
        ("HEALTHCHECK CMD a b", ("CMD", "a b"), False),
        ('HEALTHCHECK --interval=5s CMD ["a", "b"]', ("CMD", "a", "b"), True),
        ('SHELL ["powershell", "-command"]', ("powershell", "-command"), True),
        ("STOPSIGNAL 9", ("9",), False),
        ("MAINTAINER a <b@c>", ("a <b@c>",), False),
    ],
)
def test_arguments(text: str, arguments: tuple[str, ...], *, is_json: bool) -> None:
    (instruction,) = body(text)
    assert (instruction.arguments, instruction.json) == (arguments, is_json)


@pytest.mark.parametrize(
    ("text", "flags", "arguments"),
    [
        ("COPY --from=x a b", [("from", "x")], ("a", "b")),
        ("COPY  --from=x   --link a b", [("from", "x"), ("link", None)], ("a", "b")),
        ('COPY --from="x" a b', [("from", "x")], ("a", "b")),
        ("COPY --chown='a b' a b", [("chown", "a b")], ("a", "b")),
        (r"COPY --chown=a\ b a b", [("chown", "a b")], ("a", "b")),
        ("COPY --chown=a=b a b", [("chown", "a=b")], ("a", "b")),
        ("COPY --link=FALSE a b", [("link", "FALSE")], ("a", "b")),
        ("COPY --exclude=a --exclude=b a b", [("exclude", "a"), ("exclude", "b")], ("a", "b")),
        ("COPY --from=x -- --a b", [("from", "x")], ("--a", "b")),
        ("COPY --from=x \\\n  --link \\\n a b", [("from", "x"), ("link", None)], ("a", "b")),
        ("RUN --network=none x --mount=y", [("network", "none")], ("x --mount=y",)),
        (
            "RUN --mount=type=cache,target=/a --mount=type=bind,from=x,target=/b c",
            [("mount", "type=cache,target=/a"), ("mount", "type=bind,from=x,target=/b")],
            ("c",),
        ),
        ("RUN -x", [], ("-x",)),
        ("RUN --", [], ()),
        ("ARG --what=x A", [("what", "x")], ("A",)),
        ("HEALTHCHECK --retries=3 --timeout=1s CMD x", [("retries", "3"), ("timeout", "1s")], ("CMD", "x")),
    ],
)
def test_flags(text: str, flags: list[tuple[str, str | None]], arguments: tuple[str, ...]) -> None:
    (instruction,) = body(text)
    assert [(flag.name, flag.value) for flag in instruction.flags] == flags
    assert instruction.arguments == arguments


@pytest.mark.parametrize(
    ("text", "documents", "after"),
    [
        ("RUN <<EOF\nFROM x\nEOF\nRUN b\n", [("EOF", "FROM x\n", True)], ["RUN b"]),
        ("RUN <<EOF\nEOF\n", [("EOF", "", True)], []),
        ("RUN <<'EOF'\n$A\nEOF\n", [("EOF", "$A\n", False)], []),
        ('RUN <<"EOF"\n$A\nEOF\n', [("EOF", "$A\n", False)], []),
        ("RUN <<E'O'F\na\nEOF\n", [("EOF", "a\n", False)], []),
        ("RUN <<-EOF\n\ta\n\tEOF\n", [("EOF", "\ta\n", True)], []),
        ("RUN <<EOF\n\tEOF\nEOF\n", [("EOF", "\tEOF\n", True)], []),
        ("RUN <<EOF\n EOF\nEOF \nEOF\n", [("EOF", " EOF\nEOF \n", True)], []),
        ("RUN <<EOF\r\na\r\nEOF\r\n", [("EOF", "a\r\n", True)], []),
        ("RUN cat <<A <<B >x\na\nA\nb\nB\n", [("A", "a\n", True), ("B", "b\n", True)], []),
        ("RUN cat 3<<A\na\nA\n", [("A", "a\n", True)], []),
        ("RUN a \\\n <<EOF\nb\nEOF\nRUN c\n", [("EOF", "b\n", True)], ["RUN c"]),
        ("RUN <<EOF\na \\\nEOF\n", [("EOF", "a \\\n", True)], []),
        ("RUN <<EOF\n# kept\n\nEOF\n", [("EOF", "# kept\n\n", True)], []),
        ("COPY <<a <<b /x/\n1\na\n2\nb\n", [("a", "1\n", True), ("b", "2\n", True)], []),
        ("ADD <<a /x\n1\na\n", [("a", "1\n", True)], []),
        ("COPY --chown=a:b <<a /x\n1\na\n", [("a", "1\n", True)], []),
        ("ONBUILD RUN <<EOF\nFROM x\nEOF\nRUN b\n", [("EOF", "FROM x\n", True)], ["RUN b"]),
        ("RUN << EOF\na\nEOF\nRUN b\n", [("EOF", "a\n", True)], ["RUN b"]),
        ("RUN <<$EOF\na\n$EOF\n", [("$EOF", "a\n", True)], []),
        ("RUN <<'a b'\nx\na b\n", [("a b", "x\n", False)], []),
        ("RUN <<EOF && b\nx\nEOF\n", [("EOF", "x\n", True)], []),
        ("RUN a <<EOF>b\nx\nEOF>b\n", [("EOF>b", "x\n", True)], []),
    ],
)
def test_heredocs(text: str, documents: list[tuple[str, str, bool]], after: list[str]) -> None:
    first, *others = body(text)
    assert [(document.name, document.content, document.expand) for document in first.heredocs] == documents
    assert [" ".join((other.keyword, *other.arguments)) for other in others] == after


@pytest.mark.parametrize(
    "text",
    [
        "RUN cat <<<word\n",
        "RUN a << 3\n",
        "RUN echo $((1 << 3))\n",
        "RUN echo '<<EOF'\n",
        'RUN echo "<<EOF"\n',
        "RUN echo \\<<EOF\n",
        "RUN echo 'it <<EOF\n",
        'RUN ["a", "<<EOF"]\n',
        'COPY ["<<EOF", "/a"]\n',
        "CMD a <<EOF\n",
        "ENV A=<<EOF\n",
        "LABEL a=<<EOF\n",
        "ENTRYPOINT <<EOF\n",
        "ONBUILD CMD <<EOF\n",
        "RUN a <<\n",
    ],
)
def test_what_is_no_heredoc(text: str) -> None:
    found = body(text + "RUN next\n")
    assert [instruction.heredocs for instruction in found] == [(), ()]


def test_lines_are_counted_from_one_to_the_last_of_a_heredoc() -> None:
    found = body("\n# c\nRUN a \\\n\n b\nRUN <<E\nx\nE\nRUN c\n")
    assert [(instruction.line, instruction.end_line) for instruction in found] == [(4, 6), (7, 9), (10, 10)]


@pytest.mark.parametrize(
    ("text", "escape", "syntax"),
    [
        ("FROM a", "\\", None),
        ("# escape=`\nFROM a", "`", None),
        ("#escape=`\nFROM a", "`", None),
        ("# ESCAPE = ` \nFROM a", "`", None),
        ("# escape=\\\nFROM a", "\\", None),
        ("  # escape=`\nFROM a", "`", None),
        ("\ufeff# escape=`\nFROM a", "`", None),
        ("\n# escape=`\nFROM a", "\\", None),
        ("# comment\n# escape=`\nFROM a", "\\", None),
        ("# unknown=x\n# escape=`\nFROM a", "\\", None),
        ("FROM a\n# escape=`\n", "\\", None),
        ("# syntax=docker/dockerfile:1\nFROM a", "\\", "docker/dockerfile:1"),
        ("# syntax=docker/dockerfile:1 with words\nFROM a", "\\", "docker/dockerfile:1"),
        ("#syntax = x\n# check=skip=all\n#escape=`\nFROM a", "`", "x"),
        ("# syntax=x\r\n# escape=`\r\nFROM a", "`", "x"),
        ("#!/usr/bin/env build\n# syntax=x\nFROM a", "\\", "x"),
        ("#!/usr/bin/env build\n# escape=`\n# syntax=x\nFROM a", "\\", "x"),
        ("# comment\n# syntax=x\nFROM a", "\\", None),
    ],
)
def test_directives(text: str, escape: str, syntax: str | None) -> None:
    dockerfile = parse(text)
    assert (dockerfile.escape, dockerfile.syntax) == (escape, syntax)


def test_a_directive_knows_where_its_value_is() -> None:
    text = "\ufeff#  syntax =  some/image:1  \nFROM a"
    (directive,) = parse(text).directives
    assert text[directive.start : directive.end] == directive.value == "some/image:1"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("# escape=`\nFROM a\nRUN b `\n c\nRUN d \\\nRUN e\n", ["RUN b  c", "RUN d \\", "RUN e"]),
        ("# escape=`\nFROM a\nCOPY C:\\a\\ b\\\n", ["COPY C:\\a\\ b\\"]),
        ("# escape=`\nFROM a\nRUN a ``\nRUN b\n", ["RUN a ``", "RUN b"]),
    ],
)
def test_the_backtick_continues_lines(text: str, wanted: list[str]) -> None:
    found = parse(text).stages[0].body
    assert [" ".join((instruction.keyword, *instruction.arguments)) for instruction in found] == wanted


@pytest.mark.parametrize(
    ("text", "stages"),
    [
        ("FROM a", [(None, "a", None)]),
        ("from a as b", [("b", "a", None)]),
        ("FROM a As B-1._x", [("b-1._x", "a", None)]),
        ("FROM --platform=$X a AS b\nFROM b", [("b", "a", "$X"), (None, "b", None)]),
        ("FROM \\\n  a \\\n# c\n  AS \\\n\n b", [("b", "a", None)]),
        ("\ufeffFROM a", [(None, "a", None)]),
        ("\ufefffrom a\nfrom b", [(None, "a", None), (None, "b", None)]),
        ('FROM "a"', [(None, '"a"', None)]),
        ("FROM ${A:-b}", [(None, "${A:-b}", None)]),
        ("ARG A\nFROM a\nARG A", [(None, "a", None)]),
    ],
)
def test_stages(text: str, stages: list[tuple[str | None, str, str | None]]) -> None:
    assert [(stage.name, stage.base, stage.platform) for stage in parse(text).stages] == stages


@pytest.mark.parametrize(
    ("text", "line", "why"),
    [
        ("FROM a\nFOO b", 2, "unknown instruction 'FOO'"),
        ("FROM a\n\n\n  foo", 4, "unknown instruction 'foo'"),
        ("FROM a\nRUN a \\\\\nb", 3, "unknown instruction 'b'"),
        ("FROM a\nRUNx", 2, "unknown instruction 'RUNx'"),
        ("FROM a\n\\", 2, "unknown instruction ''"),
        ("FROM a\nEOF\n", 2, "unknown instruction 'EOF'"),
        ("RUN a\nFROM b", 1, "RUN stands before the first FROM"),
        ("ARG A\nCOPY a b\nFROM b", 2, "COPY stands before the first FROM"),
        ("FROM", 1, "FROM has no argument|FROM takes an image"),
        ("FROM a b", 1, "FROM takes an image"),
        ("FROM a AS", 1, "FROM takes an image"),
        ("FROM a IS b", 1, "FROM takes an image"),
        ("FROM a AS b c", 1, "FROM takes an image"),
        ("FROM a AS b # comment", 1, "FROM takes an image"),
        ("FROM a AS 1b", 1, "'1b' cannot name a stage"),
        ("FROM a AS b/c", 1, "'b/c' cannot name a stage"),
        ("FROM a AS $B", 1, "cannot name a stage"),
        ("FROM a AS _b", 1, "cannot name a stage"),
        ("FROM --platform a", 1, "--platform has no value"),
        ("FROM --nope=x a", 1, "FROM has no flag --nope"),
        ("FROM --platform=a --platform=b a", 1, "--platform is given twice"),
        ("FROM a\nCOPY --from=x --from=y a b", 2, "--from is given twice"),
        ("FROM a\nCOPY --mount=x a b", 2, "COPY has no flag --mount"),
        ("FROM a\nCOPY --link=maybe a b", 2, "--link is true or false"),
        ("FROM a\nRUN --from=x a", 2, "RUN has no flag --from"),
        ("FROM a\nRUN --mount a", 2, "--mount has no value"),
        ("FROM a\nRUN --mount= a", 2, "--mount cannot be read"),
        ("FROM a\nRUN --mount='from=\"a\"b' a", 2, "--mount cannot be read"),
        ("FROM a\nRUN --mount=from=$A,target=/x a", 2, "cannot use a variable"),
        ("FROM a\nUSER --x a", 2, "USER has no flag --x"),
        ("FROM a\nONBUILD --x RUN a", 2, "ONBUILD has no flag --x"),
        ("FROM a\nCOPY a", 2, "COPY takes at least two arguments"),
        ("FROM a\nADD", 2, "ADD takes at least two arguments"),
        ("FROM a\nCOPY a <<EOF\nEOF", 2, "cannot copy into a heredoc"),
        ("FROM a\nRUN <<EOF\na", 2, "the heredoc 'EOF' has no end"),
        ("FROM a\nRUN <<A <<B\nA\n", 2, "the heredoc 'B' has no end"),
        ("FROM a\nARG", 2, "ARG has no argument"),
        ("FROM a\nARG =x", 2, "an ARG has no name"),
        ("FROM a\nENV", 2, "ENV has no argument"),
        ("FROM a\nENV A", 2, "'A' has no value"),
        ("FROM a\nENV A=b C", 2, "'C' has no '='"),
        ("FROM a\nENV =b", 2, "'=b' has no name"),
        ("FROM a\nLABEL a", 2, "'a' has no value"),
        ("FROM a\nEXPOSE", 2, "EXPOSE has no argument"),
        ("FROM a\nWORKDIR", 2, "WORKDIR has no argument"),
        ("FROM a\nSHELL /bin/sh", 2, "SHELL takes a JSON array"),
        ("FROM a\nSHELL []", 2, "SHELL takes a JSON array"),
        ("FROM a\nRUN [1]", 2, "may contain texts only"),
        ('FROM a\nCMD ["a", null]', 2, "may contain texts only"),
        ("FROM a\nHEALTHCHECK", 2, "HEALTHCHECK takes NONE"),
        ("FROM a\nHEALTHCHECK CMD", 2, "CMD has no command"),
        ("FROM a\nHEALTHCHECK NONE a", 2, "NONE takes no arguments"),
        ("FROM a\nHEALTHCHECK RUN a", 2, "not 'RUN'"),
        ("FROM a\nONBUILD", 2, "ONBUILD has no argument"),
        ("FROM a\nONBUILD FROM b", 2, "FROM cannot be deferred"),
        ("FROM a\nONBUILD onbuild RUN b", 2, "ONBUILD cannot be deferred"),
        ("FROM a\nONBUILD MAINTAINER b", 2, "MAINTAINER cannot be deferred"),
        ("# escape=x\nFROM a", 1, "the escape character is"),
        ("# escape=`\n# escape=`\nFROM a", 2, "'escape' is given twice"),
        ("# syntax=a\n# Syntax=b\nFROM a", 2, "'syntax' is given twice"),
        ("FROM a\nRUN " + "x" * 65_536, 2, "longer than 65535 bytes"),
        ("FROM a\nRUN " + "é" * 33_000, 2, "longer than 65535 bytes"),
    ],
)
def test_what_is_refused_and_where(text: str, line: int, why: str) -> None:
    with pytest.raises(LanguageError, match=why) as caught:
        parse(text)
    assert caught.value.message.startswith(f"Dockerfile line {line}: ")
    assert caught.value.message.endswith(".")


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment", "ARG A=1\n", "\ufeff"])
def test_without_a_stage_there_is_nothing_to_build(text: str) -> None:
    with pytest.raises(LanguageError, match="has no FROM"):
        parse(text)


def test_an_enormous_file_is_refused() -> None:
    with pytest.raises(LanguageError, match="is longer than"):
        parse("FROM a\n" + "#\n" * 3_000_000)


@pytest.mark.parametrize(
    "filler", ["RUN a \\\n" * 200_000, "RUN " + "<<a" * 20_000, "RUN " + "--a " * 16_000, "ARG " + "'" * 60_000]
)
def test_a_hostile_file_takes_little_time(filler: str) -> None:
    started = time.process_time()
    with suppress(LanguageError):
        parse(BASE + filler)
    assert time.process_time() - started < 5


_LINES = ["FROM a", "FROM b AS c", "RUN x", "COPY --from=c a b", "ARG A=1", "ENV A=b", "# c", "", "RUN <<E", "E", "EOF"]
_ENDS = ["\n", "\r\n", " \\\n", "\\\n# c\n", "\n\n"]


@given(st.lists(st.tuples(st.sampled_from(_LINES), st.sampled_from(_ENDS)), max_size=12))
def test_any_lines_are_a_dockerfile_or_an_error(lines: list[tuple[str, str]]) -> None:
    text = "".join(line + end for line, end in lines)
    with suppress(LanguageError):
        _check_places(parse(text))


@given(st.text(alphabet="FROMarun cpy-=$`\\\n\r\t#<'\"[],é\ufeff", max_size=80))
def test_any_text_is_a_dockerfile_or_an_error(text: str) -> None:
    with suppress(LanguageError):
        _check_places(parse(BASE + text))


def _check_places(dockerfile: Dockerfile) -> None:
    """Each base's place in the text holds the base, continuations aside."""
    for stage in dockerfile.stages:
        written = dockerfile.text[stage.base_span.start : stage.base_span.end]
        if "\n" not in written:
            assert written == stage.base
        assert 1 <= stage.origin.line <= stage.origin.end_line <= dockerfile.text.count("\n") + 1
