"""Our lexer against BuildKit's own parser, where the package `dockerfile` (which wraps it) is installed.

pip install dockerfile==3.4.0
"""

import random

import pytest

from shared.dockerfile import Instruction, parse
from shared.errors import LanguageError

oracle = pytest.importorskip("dockerfile", reason="optional: wraps BuildKit's parser, which is written in Go")

_HEADS = ["RUN ", "COPY ", "COPY --from=a ", "RUN --mount=type=bind,from=x ", "ARG ", "ENV ", "LABEL ", "CMD ", "FROM "]
_PARTS = [
    *("a", "b c", "A=b", "$V", "${V:-d}", " ", "  ", "\t", "\\", "`", "'", '"', '"a b"', "#", "# c", "=", "[", "]"),
    *('["a", "b"]', "--x", "--", ",", ";", "&&", "<", "<<EOF", "<<-EOF", "3<<X", "<<'E'", "\nEOF\n", "\n\tEOF\n"),
    *("\nX\n", "\nE\n", "\n", "\n\n", "\r\n", "\\\n", "\\ \n", "\\\\\n", "`\n", "\n# c\n", "\\\n# c\n", "\\\n\n"),
]


def _text(seed: int) -> str:
    chosen = random.Random(seed)
    lines = [chosen.choice(_HEADS) + "".join(chosen.choices(_PARTS, k=chosen.randint(1, 6))) for _ in range(3)]
    return "FROM base\n" + "\n".join(lines) + "\n"


def _ours(instruction: Instruction) -> tuple[object, ...]:
    flags = tuple(
        f"--{flag.name}" if flag.value is None else f"--{flag.name}={flag.value}" for flag in instruction.flags
    )
    documents = tuple((heredoc.name, heredoc.content) for heredoc in instruction.heredocs)
    lines = (instruction.line, instruction.end_line)
    return instruction.keyword.lower(), flags, instruction.arguments, instruction.json, lines, documents


def _theirs(text: str) -> list[tuple[object, ...]]:
    return [
        (
            command.cmd.lower(),
            tuple(command.flags),
            tuple(command.value),
            command.json,
            (command.start_line, command.end_line),
            tuple((heredoc.name, heredoc.content) for heredoc in command.heredocs),
        )
        for command in oracle.parse_string(text)
    ]


def test_equal_to_buildkit() -> None:
    accepted = 0
    for seed in range(20_000):
        text = _text(seed)
        try:
            dockerfile = parse(text)
        except LanguageError:
            continue
        stages = (instruction for stage in dockerfile.stages for instruction in (stage.origin, *stage.body))
        assert [_ours(instruction) for instruction in stages] == _theirs(text), text
        accepted += 1
    assert accepted > 500
