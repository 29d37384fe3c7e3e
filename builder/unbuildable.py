"""What a Dockerfile asks for and no builder here can give, told before anything is built. Pure."""

from collections.abc import Iterable, Mapping, Sequence

from shared.dockerfile import Dockerfile, Instruction, built_stages
from shared.dockerfile.arguments import Keyword
from shared.dockerfile.flags import mount_fields
from shared.errors import LanguageError
from shared.grant import Platform

_SSH = (
    "RUN --mount=type=ssh needs somebody's SSH agent, and a build of a registry has none."
    " Mount a key as a secret (--mount=type=secret), or fetch by https with a token."
)
_WINDOWS = (
    "RUN for {platform} needs a Windows builder, and images are built on Linux here."
    " Without RUN (COPY, ADD, ENV, CMD and so on) it can be built; a RUN of its own platform can be in a"
    " stage FROM --platform=$BUILDPLATFORM."
)


def check_buildable(
    dockerfile: Dockerfile, arguments: Mapping[str, str], target: str | None, platforms: Sequence[Platform]
) -> None:
    """Raise LanguageError, which names the line, for the first instruction that cannot be executed."""
    for platform in platforms:
        for built in built_stages(dockerfile, arguments, target, platform):
            for instruction in _runs(built.stage.body):
                if "ssh" in _mounts(instruction):
                    raise _at(instruction, _SSH)
                if built.platform.os == "windows":
                    raise _at(instruction, _WINDOWS.format(platform=built.platform))


def _runs(body: Iterable[Instruction]) -> Iterable[Instruction]:
    return (instruction for instruction in body if instruction.keyword is Keyword.RUN)


def _mounts(instruction: Instruction) -> set[str]:
    """Return the types of what a RUN mounts, in lower case."""
    flags = (flag.value or "" for flag in instruction.flags if flag.name == "mount")
    fields = (dict(field.partition("=")[::2] for field in mount_fields(value)) for value in flags)
    return {field.get("type", "bind").lower() for field in fields}


def _at(instruction: Instruction, why: str) -> LanguageError:
    return LanguageError(f"Dockerfile line {instruction.line}: {why}", code="NotSupported")
