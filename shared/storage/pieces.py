"""Long texts in a row: a column holds at most 32,768 characters, a row at most 1 MiB in UTF-16."""

from collections.abc import Mapping

from shared.errors import TooLarge
from shared.storage.tables import Scalar

_PIECE = 30_000
MAX_TEXT = 180_000
"""Characters of one text: two of them, one sealed and so a third longer, fit into a row."""


def split_text(name: str, text: str, what: str) -> dict[str, Scalar]:
    """Answer the columns that hold a text. Raises TooLarge, about `what`, when no row can."""
    if len(text) > MAX_TEXT * 4 // 3 + 1000:
        raise TooLarge(f"{what} is too long: its JSON may have at most {MAX_TEXT} characters.")
    return {f"{name}{start // _PIECE:02d}": text[start : start + _PIECE] for start in range(0, len(text), _PIECE)}


def join_text(name: str, values: Mapping[str, Scalar]) -> str:
    """Answer the text that `split_text` cut, empty when there is none."""
    return "".join(str(values[column]) for column in sorted(values) if column.startswith(name))
