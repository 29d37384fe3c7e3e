"""Which flags of `docker build` and `docker run` take a value: what is needed to find the words that are none.

Sources: https://docs.docker.com/reference/cli/docker/buildx/build/, …/docker/image/build_legacy/ and
…/docker/container/run/.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from shared.language import words
from shared.language.errors import TaskInvalid

_BUILD_SWITCHES = frozenset(
    (
        *("--check", "--compress", "--debug", "--disable-content-trust", "--force-rm", "--help", "--load"),
        *("--no-cache", "--pull", "--push", "--quiet", "--rm", "--squash", "--stream", "-D", "-q"),
    )
)
_BUILD_SHORT = {"-t": "--tag", "-f": "--file"}
_RUN_SWITCHES = frozenset(
    (
        *("--detach", "--disable-content-trust", "--help", "--init", "--interactive", "--no-healthcheck"),
        *("--oom-kill-disable", "--privileged", "--publish-all", "--quiet", "--read-only", "--rm"),
        *("--sig-proxy", "--tty", "--use-api-socket", "-P", "-d", "-i", "-q", "-t"),
    )
)


@dataclass(frozen=True, slots=True)
class Flag:
    """A flag as given, with its value; a switch without one has the value ``."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class BuildCommand:
    """What the text of a `build` step says. The last of a flag that counts once wins, as with docker."""

    context: str = "."
    dockerfile: str = ""
    target: str = ""
    platform: str = ""
    tags: tuple[str, ...] = ()
    build_arguments: tuple[str, ...] = ()
    """`NAME=value`, or `NAME` alone: taken from the environment."""
    flags: tuple[str, ...] = ()
    """The names of all flags that are given, long ones where there are two."""


def parse_build(text: str) -> BuildCommand:
    """Read the text that follows `docker build`.

    Raises:
        TaskInvalid: a quotation is not closed.

    """
    flags: list[Flag] = []
    context = "."
    for item in _items(words.split(text), _BUILD_SWITCHES):
        if isinstance(item, Flag):
            flags.append(Flag(_BUILD_SHORT.get(item.name, item.name), item.value))
        else:
            context = item
    single = {flag.name: flag.value for flag in flags}
    return BuildCommand(
        context,
        single.get("--file", ""),
        single.get("--target", ""),
        single.get("--platform", ""),
        tuple(flag.value for flag in flags if flag.name == "--tag" and flag.value),
        tuple(flag.value for flag in flags if flag.name == "--build-arg"),
        tuple(flag.name for flag in flags),
    )


def run_image(text: str) -> str:
    """Give the image that the text of a `cmd` step names; empty when there is none.

    The text may begin with more flags of `docker run`.
    """
    try:
        split = words.split(text)
    except TaskInvalid:
        split = tuple(text.split())
    return next((item for item in _items(split, _RUN_SWITCHES) if isinstance(item, str)), "")


def _items(given: Sequence[str], switches: frozenset[str]) -> Iterator[Flag | str]:
    """Tell flags, with their values, from other words. After `--` there are no flags any more."""
    rest = iter(given)
    for word in rest:
        if word == "--":
            yield from rest
        elif word.startswith("--"):
            name, equals, value = word.partition("=")
            yield Flag(name, value if equals or name in switches else next(rest, ""))
        elif word.startswith("-") and word != "-":
            yield from _short(word, rest, switches)
        else:
            yield word


def _short(word: str, rest: Iterator[str], switches: frozenset[str]) -> Iterator[Flag]:
    """Read `-q`, `-t a`, `-ta`, `-t=a` and `-qt a`."""
    for index, letter in enumerate(word[1:], 1):
        name = "-" + letter
        if name in switches:
            yield Flag(name, "")
            continue
        value = word[index + 1 :].removeprefix("=")
        yield Flag(name, value or next(rest, ""))
        return
