"""Text to `Dockerfile`: the rules that hold before anything is built (BuildKit's `parser` and `instructions`)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from shared.dockerfile.arguments import ArgumentError, Keyword, split_arguments
from shared.dockerfile.flags import check_flags, mount_source, split_flags
from shared.dockerfile.lines import LogicalLine, Reader, heredoc_opening
from shared.dockerfile.model import Dockerfile, Instruction, Span, Stage
from shared.dockerfile.text import BLANK, SPACE, at_line
from shared.dockerfile.words import ExpansionError
from shared.errors import LanguageError

MAX_SIZE: Final = 4 * 1024**2
"""Characters that a Dockerfile may have; the largest in public use are a hundredth of it."""

_HEAD: Final = re.compile(f"[{SPACE}]*([^{BLANK}]*)")
_STAGE_NAME: Final = re.compile(r"[a-z][a-z0-9_.-]*")
_HEREDOC_KEYWORDS: Final = frozenset({Keyword.ADD, Keyword.COPY, Keyword.RUN})
_NEED_ARGUMENTS: Final = frozenset(Keyword) - {Keyword.RUN, Keyword.CMD, Keyword.ENTRYPOINT}
_COPY_MINIMUM: Final = 2


def parse(text: str) -> Dockerfile:
    """Read a Dockerfile. Raises `LanguageError` that names the line and says what is wrong there."""
    if len(text) > MAX_SIZE:
        raise LanguageError(f"The Dockerfile is longer than {MAX_SIZE} characters.", code="InvalidDockerfile")
    reader = Reader(text)
    arguments: list[Instruction] = []
    stages: list[_OpenStage] = []
    for instruction in _instructions(reader):
        if instruction.keyword is Keyword.FROM:
            stages.append(_OpenStage(_stage(len(stages), instruction), []))
        elif stages:
            stages[-1].body.append(instruction)
        elif instruction.keyword is Keyword.ARG:
            arguments.append(instruction)
        else:
            raise at_line(instruction.line, f"{instruction.keyword} stands before the first FROM")
    if not stages:
        raise LanguageError("The Dockerfile has no FROM, so there is nothing to build.", code="InvalidDockerfile")
    return Dockerfile(
        text=text,
        escape=reader.escape,
        directives=tuple(reader.directives.values()),
        arguments=tuple(arguments),
        stages=tuple(replace(opened.stage, body=tuple(opened.body)) for opened in stages),
    )


@dataclass(frozen=True, slots=True)
class _OpenStage:
    stage: Stage
    body: list[Instruction]


def _instructions(reader: Reader) -> Iterator[Instruction]:
    for logical in reader:
        try:
            instruction = _instruction(logical, 0, reader.escape)
            _check(instruction)
            if _may_have_heredocs(instruction) and "<<" in logical.text:
                heredocs = reader.heredocs(logical)
                instruction = replace(instruction, heredocs=heredocs, end_line=logical.end_line)
        except ArgumentError as error:
            raise at_line(logical.line, str(error)) from None
        yield instruction


def _instruction(logical: LogicalLine, start: int, escape: str) -> Instruction:
    head = _HEAD.match(logical.text, start)
    keyword = _keyword(head[1] if head else "")
    flags, begin = split_flags(logical.text, head.end() if head else start)
    rest = logical.text[begin:].strip(SPACE)
    check_flags(keyword, flags)
    if keyword is Keyword.ONBUILD:
        return _onbuild(logical, begin, escape, rest)
    arguments, is_json = split_arguments(keyword, rest, escape)
    return Instruction(
        keyword=keyword,
        line=logical.line,
        end_line=logical.end_line,
        flags=flags,
        arguments=arguments,
        json=is_json,
        flag_spans=tuple(_span(logical, flag.start, flag.end) for flag in flags),
        first_span=_first_span(logical, begin, arguments) if keyword is Keyword.FROM and arguments else Span(0, 0),
    )


def _keyword(word: str) -> Keyword:
    try:
        return Keyword(word.upper())
    except ValueError:
        raise ArgumentError(f"unknown instruction '{word[:40]}'") from None


def _onbuild(logical: LogicalLine, begin: int, escape: str, rest: str) -> Instruction:
    trigger = None
    deferred = _HEAD.match(rest)
    name = deferred[1].upper() if deferred else ""
    if name in ("ONBUILD", "FROM", "MAINTAINER"):
        raise ArgumentError(f"{name} cannot be deferred with ONBUILD")
    if name in Keyword:
        trigger = _instruction(logical, begin, escape)
    return Instruction(
        Keyword.ONBUILD, logical.line, logical.end_line, arguments=(rest,) if rest else (), trigger=trigger
    )


def _span(logical: LogicalLine, start: int, end: int) -> Span:
    return Span(logical.source(start), logical.source(end - 1) + 1)


def _first_span(logical: LogicalLine, begin: int, arguments: tuple[str, ...]) -> Span:
    start = logical.text.find(arguments[0], begin)
    return _span(logical, start, start + len(arguments[0]))


def _may_have_heredocs(instruction: Instruction) -> bool:
    acting = instruction.trigger or instruction
    return acting.keyword in _HEREDOC_KEYWORDS and not acting.json


def _check(instruction: Instruction) -> None:
    keyword, arguments = instruction.keyword, instruction.arguments
    match keyword:
        case Keyword.FROM:
            _stage_name(arguments)
        case Keyword.ADD | Keyword.COPY:
            _check_copy(keyword, arguments)
        case Keyword.RUN:
            for flag in instruction.flags:
                if flag.name == "mount":
                    mount_source(flag.value or "")
        case Keyword.HEALTHCHECK:
            _check_health(arguments)
        case Keyword.SHELL if not instruction.json or not arguments:
            raise ArgumentError('SHELL takes a JSON array of texts, for example ["/bin/sh", "-c"]')
        case Keyword.ARG if any(argument.startswith("=") for argument in arguments):
            raise ArgumentError("an ARG has no name")
    if keyword in _NEED_ARGUMENTS and not arguments:
        raise ArgumentError(f"{keyword} has no argument")


def _stage_name(arguments: tuple[str, ...]) -> str | None:
    match arguments:
        case (_,):
            return None
        case (_, word, name) if word.lower() == "as":
            if not _STAGE_NAME.fullmatch(name.lower()):
                raise ArgumentError(
                    f"'{name}' cannot name a stage: use letters, digits, '_', '.' and '-', a letter first"
                )
            return name.lower()
    raise ArgumentError("FROM takes an image, or an image, AS and a name")


def _check_copy(keyword: Keyword, arguments: tuple[str, ...]) -> None:
    if len(arguments) < _COPY_MINIMUM:
        raise ArgumentError(f"{keyword} takes at least two arguments: what to copy, and where to")
    if _is_heredoc(arguments[-1]):
        raise ArgumentError(f"{keyword} cannot copy into a heredoc")


def _is_heredoc(word: str) -> bool:
    try:
        return heredoc_opening(word) is not None
    except ExpansionError:
        return False


def _check_health(arguments: tuple[str, ...]) -> None:
    match tuple(argument.upper() for argument in arguments[:1]), arguments[1:]:
        case (), _:
            raise ArgumentError("HEALTHCHECK takes NONE, or CMD and a command")
        case ("NONE",), (_, *_):
            raise ArgumentError("HEALTHCHECK NONE takes no arguments")
        case ("CMD",), ():
            raise ArgumentError("HEALTHCHECK CMD has no command")
        case (("NONE" | "CMD"),), _:
            pass
        case _:
            raise ArgumentError(f"HEALTHCHECK takes NONE or CMD, not '{arguments[0]}'")


def _stage(index: int, instruction: Instruction) -> Stage:
    return Stage(
        index=index,
        name=_stage_name(instruction.arguments),
        base=instruction.arguments[0],
        platform=instruction.flag("platform"),
        origin=instruction,
    )
