"""What kaniko would leave out of a build without a word: refused before it starts. Pure.

Source: https://github.com/osscontainertools/kaniko, `pkg/commands`, `pkg/image`, `pkg/util/fs_util.go` and its README.
"""

import posixpath
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

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
_OWN = "/kaniko"
_FILES = frozenset({Keyword.ADD, Keyword.COPY})
_ROOT = frozenset({"root", "0"})
_WAY_OUT = "an agent pool, or container groups with an engine of their own (builder kind `full`), can build it"


@dataclass(frozen=True, slots=True)
class Place:
    """Where kaniko is: the machine's architecture in Go's name, kaniko's release, and where something is mounted."""

    machine: str
    kaniko: Executor
    mounts: Collection[str] = ()

    def spares(self, path: str) -> bool:
        """Whether a path is one of which kaniko puts nothing into an image."""
        return any(path == one or path.startswith(f"{one}/") for one in (_OWN, *self.mounts))


def refusal(build: ImageBuild, here: Place) -> str | None:
    """Return the sentence that says what of a build a confined builder cannot do, and who can; None for nothing."""
    first, *others = build.platforms
    dockerfile = parse(build.dockerfile)
    stages = built_stages(dockerfile, values(build.arguments), build.target, first)
    found = next(_found(dockerfile, stages, here), None)
    found = "the build is for several platforms" if others else found or next(_across(stages, first), None)
    return f"{found}, which a confined builder cannot do: {_WAY_OUT}" if found else None


def runs_here(platform: Platform, machine: str) -> bool:
    """Whether programs of a platform run on a machine without emulation."""
    return platform.os == "linux" and (machine, platform.architecture) in NATIVE


def _found(dockerfile: Dockerfile, stages: Sequence[BuiltStage], here: Place) -> Iterator[str]:
    if dockerfile.syntax is not None and not built_in_frontend(dockerfile):
        yield f"the Dockerfile is to be read by the frontend {dockerfile.syntax}"
    for stage in stages:
        yield from _of_stage(stage, here)


def _across(stages: Sequence[BuiltStage], wanted: Platform) -> Iterator[str]:
    """Tell of bases for another platform than the image's: kaniko takes all of them for that one."""
    for built in stages:
        if built.platform != wanted and built.stage.base != "scratch":
            yield f"line {built.stage.origin.line}: FROM asks for {built.platform} in a build for {wanted}"


def _of_stage(built: BuiltStage, here: Place) -> Iterator[str]:
    if built.platform.os != "linux":
        yield f"the stage of line {built.stage.origin.line} is for {built.platform}"
    user = ""
    for instruction in built.stage.body:
        place = f"line {instruction.line}: "
        acting = instruction.trigger or instruction
        if instruction.keyword is Keyword.RUN and not runs_here(built.platform, here.machine):
            yield f"{place}RUN would run programs for {built.platform}"
        yield from (place + why for why in _of_instruction(acting, here))
        yield from (place + why for why in _of_user(instruction, user, here.kaniko))
        if instruction.keyword is Keyword.USER:
            user = instruction.arguments[0].strip("\"'")


def _of_instruction(instruction: Instruction, here: Place) -> Iterator[str]:
    match instruction.keyword:
        case Keyword.RUN:
            yield from _of_run(instruction, here.kaniko)
        case Keyword.ADD:
            yield from _of_add(instruction)
    if instruction.heredocs and not here.kaniko.is_successor:
        yield f"{instruction.keyword} has a heredoc, and {here.kaniko} knows none"
    if instruction.keyword in _FILES and not here.kaniko.is_recent:
        if any(heredoc.expand and "$" in heredoc.content for heredoc in instruction.heredocs):
            yield f"{instruction.keyword} has a heredoc with variables, and {here.kaniko} leaves them as they are"
        if instruction.keyword is Keyword.COPY:
            yield from _flags(instruction, "exclude", "parents")
    for path in _written(instruction):
        if here.spares(path):
            yield f"{instruction.keyword} writes to {path}, of which kaniko puts nothing into an image"


def _of_user(instruction: Instruction, user: str, kaniko: Executor) -> Iterator[str]:
    """Tell what becomes of files and programs after a USER, by kaniko's habits before it had switches for them."""
    name, _, group = user.partition(":")
    gives = instruction.keyword in _FILES and not (instruction.flag("chown") or instruction.flag("from"))
    if gives and name and name not in _ROOT and not kaniko.is_successor:
        yield f"{instruction.keyword} gives files to root, and {kaniko} gives them to {name}"
    if instruction.keyword is Keyword.RUN and group and not kaniko.is_recent:
        yield f"RUN has the group {group}, and {kaniko} takes the user's own"


def _written(instruction: Instruction) -> Iterator[str]:
    """List the paths that an instruction is seen to write."""
    if instruction.keyword not in _FILES | {Keyword.WORKDIR} or not instruction.arguments:
        return
    *sources, target = (argument.strip("\"'") for argument in instruction.arguments)
    if target.startswith("/"):
        yield posixpath.normpath(target)
        yield from (posixpath.normpath(posixpath.join(target, posixpath.basename(source))) for source in sources)


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
