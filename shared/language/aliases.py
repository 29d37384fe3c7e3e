"""Aliases: short names in a task's text that stand for images, run variables and what the task defines itself."""

import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from shared.language import document, limits
from shared.language.decoding import Decoder
from shared.language.errors import AliasError, TaskTooLarge, YamlError
from shared.language.source import check_size

_NAME = frozenset(string.ascii_letters + string.digits)
_VARIABLES = ("ID", "SharedVolume", "Registry", "RegistryName", "Date", "OS", "Architecture", "Commit", "Branch")
DEFAULT_IMAGES: Mapping[str, str] = MappingProxyType(
    {
        "acr": "mcr.microsoft.com/acr/acr-cli:0.19",
        "az": "mcr.microsoft.com/acr/azure-cli:2ff604c",
        "bash": "mcr.microsoft.com/acr/bash:2ff604c",
        "cssc": "mcr.microsoft.com/acr/cssc:2ff604c",
        "curl": "mcr.microsoft.com/acr/curl:2ff604c",
    }
)
"""The hosted service's images of July 2026; it moves them every few weeks."""

type SourceReader = Callable[[str], str]


def _no_sources(name: str) -> str:
    raise AliasError(f"open {name}: no such file or directory")


@dataclass(frozen=True)
class AliasConfig:
    """What a deployment knows of aliases.

    `images` are the image aliases; they exist for Linux only. `read_source` gives the text of an `alias: src`
    entry, a path below the context or an http(s) address, and raises `AliasError` when it cannot: it is the one
    place where a task makes its loader reach out, so the caller decides how far.
    """

    images: Mapping[str, str] = field(default_factory=lambda: DEFAULT_IMAGES)
    read_source: SourceReader = _no_sources


@dataclass(frozen=True)
class Aliases:
    """What each name stands for, and the character that calls it."""

    names: Mapping[str, str]
    directive: str = "$"

    def replace(self, text: str) -> str:
        """Replace every call in `text`, once: what comes in is not looked at again.

        As in the reference, an unknown name stays as written and takes a following directive with it, so
        `$unknown$ID` stays whole, and two directives give one.

        Raises:
            TaskTooLarge: the result is too long.

        """
        pieces: list[str] = []
        size, at = 0, 0
        while (start := text.find(self.directive, at)) >= 0:
            end = start + 1
            while end < len(text) and text[end] in _NAME:
                end += 1
            name = text[start + 1 : end]
            new = self.names.get(name) if name else None
            doubled = text.startswith(self.directive, end)
            if new is None:
                end += doubled
                new = text[start:end] if name or not doubled else self.directive
            pieces += (text[at:start], new)
            size += len(new)
            if size > limits.RENDERED:
                raise TaskTooLarge("the aliases make the task too long")
            at = end
        pieces.append(text[at:])
        return check_size("".join(pieces), limits.RENDERED, "task with its aliases replaced")

    def expand_command(self, command: str) -> str:
        """Replace the first word of a `cmd` when it is an alias; only a blank ends that word."""
        first, blank, rest = command.strip().partition(" ")
        return self.names[first] + blank + rest if first in self.names else command


def load(block: str, config: AliasConfig, *, windows: bool = False) -> Aliases:
    """Read a rendered alias block. Its values win over later sources, these over earlier ones and the built-in.

    Raises:
        LanguageError: the block, a name in it or one of its sources does not hold.

    """
    decoder = Decoder()
    sources: tuple[str, ...] = ()
    directive = ""
    values: dict[str, str] = {}
    try:
        for key, node in _members(block, decoder):
            if key == "src":
                sources = decoder.strings(node)
            elif key == "values":
                values |= decoder.string_map(node)
            elif key == "directive":
                directive = decoder.string(node)
        decoder.check()
    except YamlError as error:
        raise AliasError(f"error during alias unmarshaling: {error}") from None
    _check_directive(directive)
    names = {name: f"{{{{.Run.{name}}}}}" for name in _VARIABLES} | ({} if windows else dict(config.images))
    for source in sources:
        names |= _source(config.read_source(source))
    names |= values
    _check_names(names)
    return Aliases(names, directive or "$")


def _members(block: str, decoder: Decoder) -> list[tuple[str, document.Node]]:
    root = document.parse(block)
    found: list[tuple[str, document.Node]] = []
    for key, _, value in decoder.pairs(root, "graph.Alias") if root else ():
        if key == "alias":
            found += [(name, node) for name, _, node in decoder.pairs(value, "graph.Alias")]
    return found


def _source(text: str) -> dict[str, str]:
    decoder = Decoder()
    root = document.parse(check_size(text, what="alias source"))
    names = decoder.string_map(root) if root else {}
    decoder.check()
    _check_names(names)
    return names


def _check_directive(directive: str) -> None:
    if len(directive) > 1:
        raise AliasError("$ directive can only be overwritten by a single character")
    if directive.isalnum():
        raise AliasError("overwritten directives may not be alphanumeric characters")


def _check_names(names: Mapping[str, str]) -> None:
    if any(not name or not _NAME.issuperset(name) for name in names):
        raise AliasError("alias key names only support alphanumeric characters")
