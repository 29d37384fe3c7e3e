"""What kaniko would leave out of a build without a word: refused before it starts. Pure.

Source: https://github.com/osscontainertools/kaniko, `pkg/commands`, `pkg/image`, `pkg/util/fs_util.go` and its README.
"""

from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from builder.bases import built_in_frontend, values
from builder.engine.executor import Executor
from builder.engine.protocol import ImageBuild
from shared.dockerfile import BuiltStage, Dockerfile, Instruction, built_stages, parse
from shared.dockerfile.arguments import Keyword
from shared.dockerfile.flags import mount_fields
from shared.grant import Platform

NATIVE = frozenset({("amd64", "amd64"), ("amd64", "386"), ("arm64", "arm64")})
"""Pairs of a machine and an architecture whose programs it runs by itself."""
_GIT = ("git://", "git@", "ssh://")
_OWN = PurePosixPath("/kaniko")
"""Where kaniko lives: it lets nothing of it into an image."""
_PATHS = frozenset({Keyword.ADD, Keyword.COPY, Keyword.WORKDIR})
_WAY_OUT = "an agent pool, or container groups with an engine of their own (builder kind `full`), can build it"


def refusal(build: ImageBuild, machine: str, kaniko: Executor) -> str | None:
    """Return the sentence that says what of a build a confined builder cannot do, and who can; None for nothing.

    `machine` is the builder's own architecture, in Go's name.
    """
    first, *others = build.platforms
    dockerfile = parse(build.dockerfile)
    stages = built_stages(dockerfile, values(build.arguments), build.target, first)
    found = next(_found(dockerfile, stages, machine, kaniko), None)
    found = "the build is for several platforms" if others else found or next(_across(stages, first), None)
    return f"{found}, which a confined builder cannot do: {_WAY_OUT}" if found else None


def runs_here(platform: Platform, machine: str) -> bool:
    """Whether programs of a platform run on a machine without emulation."""
    return platform.os == "linux" and (machine, platform.architecture) in NATIVE


def _found(dockerfile: Dockerfile, stages: Sequence[BuiltStage], machine: str, kaniko: Executor) -> Iterator[str]:
    if dockerfile.syntax is not None and not built_in_frontend(dockerfile):
        yield f"the Dockerfile is to be read by the frontend {dockerfile.syntax}"
    for stage in stages:
        yield from _of_stage(stage, machine, kaniko)


def _across(stages: Sequence[BuiltStage], wanted: Platform) -> Iterator[str]:
    """Tell of bases for another platform than the image's: kaniko takes all of them for that one."""
    for built in stages:
        if built.platform != wanted and built.stage.base != "scratch":
            yield f"line {built.stage.origin.line}: FROM asks for {built.platform} in a build for {wanted}"


def _of_stage(built: BuiltStage, machine: str, kaniko: Executor) -> Iterator[str]:
    if built.platform.os != "linux":
        yield f"the stage of line {built.stage.origin.line} is for {built.platform}"
    for instruction in built.stage.body:
        place = f"line {instruction.line}: "
        acting = instruction.trigger or instruction
        if instruction.keyword is Keyword.RUN and not runs_here(built.platform, machine):
            yield f"{place}RUN would run programs for {built.platform}"
        yield from (place + why for why in _of_instruction(acting, kaniko))


def _of_instruction(instruction: Instruction, kaniko: Executor) -> Iterator[str]:
    match instruction.keyword:
        case Keyword.RUN:
            yield from _of_run(instruction, kaniko)
        case Keyword.ADD:
            yield from _of_add(instruction)
    if instruction.heredocs and not kaniko.is_successor:
        yield f"{instruction.keyword} has a heredoc, and {kaniko} knows none"
    if instruction.keyword in {Keyword.ADD, Keyword.COPY} and not kaniko.is_recent:
        if any(heredoc.expand and "$" in heredoc.content for heredoc in instruction.heredocs):
            yield f"{instruction.keyword} has a heredoc with variables, and {kaniko} leaves them as they are"
        if instruction.keyword is Keyword.COPY:
            yield from _flags(instruction, "exclude", "parents")
    if instruction.keyword in _PATHS and _is_own(instruction.arguments[-1:]):
        yield f"{instruction.keyword} writes below {_OWN}"


def _is_own(target: tuple[str, ...]) -> bool:
    path = PurePosixPath(target[0].strip("\"'")) if target else PurePosixPath()
    return path == _OWN or _OWN in path.parents


def _flags(instruction: Instruction, *names: str) -> Iterator[str]:
    given = {flag.name for flag in instruction.flags}
    yield from (f"{instruction.keyword} asks for --{name}" for name in names if name in given)


def _of_run(instruction: Instruction, kaniko: Executor) -> Iterator[str]:
    for flag in instruction.flags:
        value = flag.value or ""
        match flag.name:
            case "mount":
                yield from _of_mount(value, kaniko)
            case "network" if value != "default":
                yield f"RUN asks for --network={value}"
            case "security" if value != "sandbox":
                yield f"RUN asks for --security={value}"
            case "device":
                yield f"RUN asks for --device={value}"
    if instruction.json and instruction.heredocs:
        yield "RUN gives a heredoc to a JSON array"


def _of_mount(value: str, kaniko: Executor) -> Iterator[str]:
    fields = dict(field.partition("=")[::2] for field in mount_fields(value))
    kind = fields.get("type", "bind").lower()
    if kind not in kaniko.mounts:
        yield f"RUN mounts a {kind}"
    if (source := fields.get("from", "")) and source != "context":
        yield f"RUN mounts from {source}"


def _of_add(instruction: Instruction) -> Iterator[str]:
    yield from _flags(instruction, "checksum", "exclude", "keep-git-dir", "unpack")
    for source in instruction.arguments[:-1]:
        address = source.strip("\"'").partition("#")[0]
        if address.startswith(_GIT) or ("://" in address and address.endswith(".git")):
            yield f"ADD takes the git repository {address}"
