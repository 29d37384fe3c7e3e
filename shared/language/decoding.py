"""Types YAML nodes field by field, by yaml.v2's rules and with its error texts.

A string takes the source text of any scalar; a bool knows `yes` and `on`; an int refuses quotes. All type errors
of a document are collected and reported together.
"""

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from shared.language import document
from shared.language.document import Mapping, Node, Scalar, Sequence
from shared.language.errors import YamlError

_BOOLEANS = {
    **{word: True for base in ("y", "yes", "on", "true") for word in (base, base.title(), base.upper())},
    **{word: False for base in ("n", "no", "off", "false") for word in (base, base.title(), base.upper())},
}
_NULLS = frozenset(("", "~", "null", "Null", "NULL"))
_SPECIAL = {
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), math.inf),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf),
}
_INTEGER = re.compile(r"[+-]?(?:0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_TIMESTAMP = re.compile(
    r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}"
    r"(?:(?:[Tt]|[ ])[0-9]{1,2}:[0-9]{1,2}:[0-9]{1,2}(?:\.[0-9]+)?(?:Z|[+-][0-9]{2}:[0-9]{2})?)?"
)
_SMALLEST, _LARGEST, _LARGEST_UNSIGNED = -(2**63), 2**63 - 1, 2**64 - 1
_LONGEST_NUMBER = 400
_SHOWN, _CUT = 10, 7


class Tag(StrEnum):
    """What a scalar is."""

    STRING = "!!str"
    NULL = "!!null"
    BOOL = "!!bool"
    INT = "!!int"
    FLOAT = "!!float"
    TIMESTAMP = "!!timestamp"


@dataclass(frozen=True, slots=True)
class Resolved:
    """A scalar's tag and value; a timestamp's value is its text."""

    tag: Tag
    value: bool | int | float | str | None


def resolve(node: Scalar) -> Resolved:
    """Tell what an untyped scalar means (yaml.v2's `resolve`)."""
    if not node.plain:
        return _tagged(node)
    text = node.text
    if text in _NULLS:
        return Resolved(Tag.NULL, None)
    if text in _BOOLEANS:
        return Resolved(Tag.BOOL, _BOOLEANS[text])
    if text in _SPECIAL:
        return Resolved(Tag.FLOAT, _SPECIAL[text])
    if text[0] in "+-.0123456789":
        return _number(text)
    return Resolved(Tag.STRING, text)


def _tagged(node: Scalar) -> Resolved:
    wanted = document.standard_tag(node.tag)
    if wanted not in ("!!null", "!!bool", "!!int", "!!float"):
        return Resolved(Tag.STRING, node.text)
    found = resolve(Scalar(node.text, node.line, plain=True))
    if found.tag is Tag.INT and wanted == Tag.FLOAT and isinstance(found.value, int):
        return Resolved(Tag.FLOAT, float(found.value))
    if found.tag != wanted:
        raise YamlError(f"yaml: cannot decode {found.tag} `{node.text}` as a {wanted}")
    return found


def _number(text: str) -> Resolved:
    if _TIMESTAMP.fullmatch(text):
        return Resolved(Tag.TIMESTAMP, text)
    plain = text.replace("_", "")
    if len(plain) > _LONGEST_NUMBER:
        return Resolved(Tag.STRING, text)
    if _INTEGER.fullmatch(plain):
        number = _integer(plain)
        if _SMALLEST <= number <= _LARGEST_UNSIGNED:
            return Resolved(Tag.INT, number)
    if _FLOAT.fullmatch(plain):
        real = float(plain)
        if math.isfinite(real):
            return Resolved(Tag.FLOAT, real)
    return Resolved(Tag.STRING, text)


def _integer(plain: str) -> int:
    digits = plain.lstrip("+-").lower()
    octal = len(digits) > 1 and digits.isdigit() and digits[0] == "0"
    return int(digits, 8 if octal else 0) * (-1 if plain[0] == "-" else 1)


@dataclass
class Decoder:
    """Turns nodes into values and remembers what did not fit."""

    problems: list[str] = field(default_factory=list)

    def check(self) -> None:
        """Raise all that did not fit.

        Raises:
            YamlError: yaml.v2's list of problems.

        """
        if self.problems:
            lines = "\n".join(f"  {problem}" for problem in self.problems)
            raise YamlError(f"yaml: unmarshal errors:\n{lines}")

    def _refuse(self, node: Node, kind: str) -> None:
        self.problems.append(f"line {node.line}: cannot unmarshal {_described(node)} into {kind}")

    def string(self, node: Node, kind: str = "string") -> str:
        """Take a scalar's source text; null is the empty text."""
        if not isinstance(node, Scalar):
            self._refuse(node, kind)
            return ""
        return "" if resolve(node).tag is Tag.NULL else node.text

    def integer(self, node: Node) -> int:
        """Take an int, or a float without its fraction; null is 0."""
        resolved = resolve(node) if isinstance(node, Scalar) else None
        value = resolved.value if resolved else ""
        if value is None:
            return 0
        if isinstance(value, int | float) and not isinstance(value, bool) and _SMALLEST <= value <= _LARGEST:
            return int(value)
        self._refuse(node, "int")
        return 0

    def boolean(self, node: Node) -> bool:
        """Take a bool; null is false."""
        resolved = resolve(node) if isinstance(node, Scalar) else None
        if resolved and (resolved.value is None or isinstance(resolved.value, bool)):
            return bool(resolved.value)
        self._refuse(node, "bool")
        return False

    def items(self, node: Node, kind: str) -> list[Node]:
        """Take a list's nodes; null is the empty list."""
        if isinstance(node, Sequence):
            return node.items
        if not is_null(node):
            self._refuse(node, kind)
        return []

    def strings(self, node: Node) -> tuple[str, ...]:
        """Take a list of strings."""
        return tuple(self._each(self.items(node, "[]string"), self.string))

    def integers(self, node: Node) -> tuple[int, ...]:
        """Take a list of ints."""
        return tuple(self._each(self.items(node, "[]int"), self.integer))

    def _each[T](self, nodes: list[Node], take: Callable[[Node], T]) -> Iterator[T]:
        """Decode each node; one that does not fit is left out, as yaml.v2 does."""
        for node in nodes:
            known = len(self.problems)
            value = take(node)
            if len(self.problems) == known:
                yield value

    def members(self, node: Node, kind: str) -> dict[str, Node]:
        """Take a map's values by key, the last of equal keys; null is the empty map."""
        return {key: value for key, _, value in self.pairs(node, kind)}

    def pairs(self, node: Node, kind: str) -> Iterator[tuple[str, int, Node]]:
        """Take a map's keys, their lines and their values in order."""
        if not isinstance(node, Mapping):
            if not is_null(node):
                self._refuse(node, kind)
            return
        for key, value in document.entries(node):
            known = len(self.problems)
            name = self.string(key)
            if len(self.problems) == known:
                yield name, key.line, value

    def string_map(self, node: Node) -> dict[str, str]:
        """Take a map of strings."""
        found: dict[str, str] = {}
        for key, _, value in self.pairs(node, "map[string]string"):
            known = len(self.problems)
            text = self.string(value)
            if len(self.problems) == known:
                found[key] = text
        return found


def is_null(node: Node) -> bool:
    """Tell whether a node is null or empty."""
    return isinstance(node, Scalar) and resolve(node).tag is Tag.NULL


def _described(node: Node) -> str:
    if isinstance(node, Sequence):
        return "!!seq"
    if isinstance(node, Mapping):
        return "!!map"
    tag = document.standard_tag(node.tag) or resolve(node).tag
    shown = f"{node.text[:_CUT]}..." if len(node.text) > _SHOWN else node.text
    return f"{tag} `{shown}`"
