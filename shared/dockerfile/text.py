"""What is common to all that reads Dockerfile text: white space, bounds, and errors that name their line."""

from typing import Final

from shared.errors import LanguageError

SPACE: Final = (
    "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000"
    "\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
)
"""White space as Go's `unicode.IsSpace` has it; Python's own idea of it is wider."""

BLANK: Final = "\t\v\f\r "
"""What separates the words of one instruction."""

ESCAPES: Final = ("\\", "`")


def at_line(line: int, problem: str) -> LanguageError:
    """Return the error that says where in the Dockerfile the problem is; lines count from 1."""
    return LanguageError(f"Dockerfile line {line}: {problem}.", code="InvalidDockerfile")
