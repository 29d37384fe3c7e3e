"""Go's literals: numbers, characters, quoted strings."""

import re

_SIMPLE = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\"}
_ESCAPE = re.compile(
    r"\\(?:x(?P<hex>[0-9a-fA-F]{2})|u(?P<short>[0-9a-fA-F]{4})|U(?P<long>[0-9a-fA-F]{8})"
    r"|(?P<octal>[0-7]{3})|(?P<simple>.)|$)",
    re.DOTALL,
)
_LARGEST = 2**63
_SURROGATES = range(0xD800, 0xE000)
_LAST_CODE_POINT = 0x10FFFF


def unquote(text: str) -> str:
    """Give the value of a Go string or character literal, with its quotes.

    Raises:
        ValueError: an escape that Go does not know.

    """
    body, quote = text[1:-1], text[0]
    if quote == "`":
        return body.replace("\r", "")

    def value(match: re.Match[str]) -> str:
        code = match["hex"] or match["short"] or match["long"]
        if code:
            return _code_point(int(code, 16))
        if match["octal"]:
            return _code_point(int(match["octal"], 8))
        if match["simple"] == quote:
            return quote
        return _SIMPLE[match["simple"]]

    try:
        return _ESCAPE.sub(value, body)
    except KeyError:
        raise ValueError("invalid syntax") from None


def number(text: str) -> int | float:
    """Give the value of a Go number literal: an int of 64 bits, or a float.

    Raises:
        ValueError: not a number, or an integer that overflows.

    """
    if text.endswith("i"):
        raise ValueError(f"bad number syntax: {text!r}")
    plain = text.replace("_", "").lower()
    is_hex = plain.lstrip("+-").startswith("0x")
    if "p" in plain or (is_hex and "." in plain):
        return float.fromhex(plain)
    if not is_hex and any(mark in plain for mark in ".e"):
        return float(plain)
    return _integer(plain, text)


def _integer(plain: str, text: str) -> int:
    digits = plain.lstrip("+-")
    octal = len(digits) > 1 and digits.isdigit() and digits[0] == "0"
    value = int(digits, 8 if octal else 0)
    if plain.startswith("-"):
        value = -value
    if not -_LARGEST <= value < _LARGEST:
        raise ValueError(f"integer overflow: {text}")
    return value


def _code_point(code: int) -> str:
    if code in _SURROGATES or code > _LAST_CODE_POINT:
        raise ValueError("invalid syntax")
    return chr(code)
