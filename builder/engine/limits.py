"""What kaniko would leave out of a build without a word: refused before it starts. Pure.

Source: https://github.com/osscontainertools/kaniko, `pkg/commands` and its README.
"""

from collections.abc import Iterator

from builder.bases import values
from builder.engine.protocol import ImageBuild
from shared.dockerfile import BuiltStage, Instruction, built_stages, parse
from shared.dockerfile.arguments import Keyword
from shared.dockerfile.flags import mount_fields
from shared.grant import Platform

NATIVE = frozenset({("amd64", "amd64"), ("amd64", "386"), ("arm64", "arm64")})
"""Pairs of a machine and an architecture whose programs it runs by itself."""
_MOUNTS = frozenset({"bind", "cache", "secret"})
_GIT = ("git://", "git@", "ssh://")
_WAY_OUT = "an agent pool, or container groups with an engine of their own (builder kind `full`), can build it"


def refusal(build: ImageBuild, machine: str) -> str | None:
    """Return the sentence that says what of a build a confined builder cannot do, and who can; None for nothing.

    `machine` is the builder's own architecture, in Go's name.
    """
    first, *others = build.platforms
    stages = built_stages(parse(build.dockerfile), values(build.arguments), build.target, first)
    found = next((why for stage in stages for why in _of_stage(stage, machine)), None)
    if others:
        found = "the build is for several platforms"
    return f"{found}, which a confined builder cannot do: {_WAY_OUT}" if found else None


def runs_here(platform: Platform, machine: str) -> bool:
    """Whether programs of a platform run on a machine without emulation."""
    return platform.os == "linux" and (machine, platform.architecture) in NATIVE


def _of_stage(built: BuiltStage, machine: str) -> Iterator[str]:
    if built.platform.os != "linux":
        yield f"the stage of line {built.stage.origin.line} is for {built.platform}"
    for instruction in built.stage.body:
        place = f"line {instruction.line}: "
        acting = instruction.trigger or instruction
        if instruction.keyword is Keyword.RUN and not runs_here(built.platform, machine):
            yield f"{place}RUN would run programs for {built.platform}"
        yield from (place + why for why in _of_instruction(acting))


def _of_instruction(instruction: Instruction) -> Iterator[str]:
    match instruction.keyword:
        case Keyword.RUN:
            yield from _of_run(instruction)
        case Keyword.ADD:
            yield from _of_add(instruction)


def _of_run(instruction: Instruction) -> Iterator[str]:
    for flag in instruction.flags:
        value = flag.value or ""
        match flag.name:
            case "mount":
                yield from _of_mount(value)
            case "network" if value != "default":
                yield f"RUN asks for --network={value}"
            case "security" if value != "sandbox":
                yield f"RUN asks for --security={value}"
            case "device":
                yield f"RUN asks for --device={value}"
    if instruction.json and instruction.heredocs:
        yield "RUN gives a heredoc to a JSON array"


def _of_mount(value: str) -> Iterator[str]:
    fields = dict(field.partition("=")[::2] for field in mount_fields(value))
    kind = fields.get("type", "bind").lower()
    if kind not in _MOUNTS:
        yield f"RUN mounts a {kind}"
    if (source := fields.get("from", "")) and source != "context":
        yield f"RUN mounts from {source}"


def _of_add(instruction: Instruction) -> Iterator[str]:
    given = {flag.name for flag in instruction.flags}
    yield from (f"ADD asks for --{name}" for name in ("checksum", "keep-git-dir", "unpack") if name in given)
    for source in instruction.arguments[:-1]:
        address = source.strip("\"'").partition("#")[0]
        if address.startswith(_GIT) or ("://" in address and address.endswith(".git")):
            yield f"ADD takes the git repository {address}"
