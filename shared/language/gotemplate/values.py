"""Go's view of the Python values that a template works on.

A template sees None (a nil interface), bool, int (64 bits), float, str, list, dict with text keys,
`datetime` and `Version`, and nothing else: no attribute of a Python object can be reached.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

type Value = bool | int | float | str | list[Value] | dict[str, Value] | datetime | Version | None


Map = dict[str, Value]


class FunctionError(Exception):
    """A template function refuses its arguments; the text follows Go's `error calling NAME: `."""


class StringMap(dict[str, "Value"]):
    """Go's `map[string]string`: a missing key gives the empty text, not nil."""


@dataclass(frozen=True, slots=True)
class Version:
    """A semantic version, with the fields that a template may name."""

    major: int
    minor: int
    patch: int
    prerelease: str = ""
    metadata: str = ""
    original: str = ""

    def __str__(self) -> str:
        text = f"{self.major}.{self.minor}.{self.patch}"
        text += f"-{self.prerelease}" if self.prerelease else ""
        return text + (f"+{self.metadata}" if self.metadata else "")

    def field(self, name: str) -> Value:
        """Give a Go field or method of the version by name.

        Raises:
            KeyError: there is none of that name.

        """
        fields: Map = {
            "Major": self.major,
            "Minor": self.minor,
            "Patch": self.patch,
            "Prerelease": self.prerelease,
            "Metadata": self.metadata,
            "Original": self.original,
            "String": str(self),
        }
        return fields[name]


_KINDS: tuple[tuple[type, str, str], ...] = (
    (bool, "bool", "bool"),
    (int, "int", "int"),
    (float, "float64", "float64"),
    (str, "string", "string"),
    (list, "slice", "[]interface {}"),
    (StringMap, "map", "map[string]string"),
    (dict, "map", "map[string]interface {}"),
    (datetime, "struct", "time.Time"),
    (Version, "ptr", "*semver.Version"),
)


def kind_of(value: Value) -> str:
    """Give Go's reflect kind; `invalid` for nil."""
    return next((kind for cls, kind, _ in _KINDS if isinstance(value, cls)), "invalid")


def type_of(value: Value) -> str:
    """Give Go's `%T`; `<nil>` for nil."""
    return next((name for cls, _, name in _KINDS if isinstance(value, cls)), "<nil>")


def is_true(value: Value) -> bool:
    """Tell what `if` makes of a value: zero and empty values are false."""
    return isinstance(value, datetime | Version) or bool(value)


def wrap(number: int) -> int:
    """Let an integer overflow at 64 bits, as Go does."""
    return (number + 2**63) % 2**64 - 2**63


type Function = Callable[..., Value]
