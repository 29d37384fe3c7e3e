"""The text of a task before it is YAML: comments, the version line, the alias block."""

import re
from dataclasses import dataclass

from shared.language import limits
from shared.language.errors import TaskTooLarge

ALIAS_VERSION = "v1.1.0"
"""Aliases exist when the version compares, as text, at least to this."""

_VERSION = re.compile(r"""["']?version["']?[ \t]*:(.*)""")
_ALIAS = re.compile(r"alias\s*:")
_TOP_LEVEL = re.compile(r"[^\s:]+\s*:")


@dataclass(frozen=True, slots=True)
class Parts:
    """A task's text without its alias blocks, and these; both with LF line ends."""

    task: str
    alias: str


def strip_comments(text: str) -> str:
    """Delete every line whose first visible character is `#`, wherever it stands, as the reference does."""
    return "\n".join(line for line in text.split("\n") if not line.strip().startswith("#"))


def version_of(text: str) -> str:
    """Give what follows the first `version:` at the start of a line; empty when there is none."""
    for line in text.split("\n"):
        match = _VERSION.match(line)
        if match:
            return match[1].strip().strip("\"'").strip()
    return ""


def split_alias(text: str) -> Parts:
    """Cut out the alias blocks: each runs from `alias:` to the next key, both at the start of a line."""
    task: list[str] = []
    alias: list[str] = []
    inside = False
    lines = text.removesuffix("\n").split("\n")
    for line in (one.removesuffix("\r") for one in lines):
        if _ALIAS.match(line):
            inside = True
        elif inside and _TOP_LEVEL.match(line):
            inside = False
        (alias if inside else task).append(line + "\n")
    return Parts("".join(task), "".join(alias))


def check_size(text: str, limit: int = limits.TEXT, what: str = "task") -> str:
    """Give `text` back.

    Raises:
        TaskTooLarge: it has more than `limit` characters.

    """
    if len(text) > limit:
        raise TaskTooLarge(f"the {what} has {len(text)} characters, more than the {limit} allowed")
    return text
