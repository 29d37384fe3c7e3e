"""Sprig's text functions (version 2.22, that of the reference engine)."""

import base64
import binascii
import hashlib
import posixpath
import re
import zlib
from collections.abc import Callable, Mapping

from shared.language.gotemplate import format as fmt
from shared.language.gotemplate.meter import Meter
from shared.language.gotemplate.values import Function, FunctionError, StringMap, Value, type_of

_ELLIPSIS = 3


def texts(meter: Meter, value: Value) -> list[str]:
    """Give a list's items as texts, nil ones left out; any other value is a list of itself."""
    if isinstance(value, list):
        return [fmt.text_of(item, meter) for item in value if item is not None]
    return [] if value is None else [fmt.text_of(value, meter)]


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _abbreviate(width: int, text: str) -> str:
    return _abbreviate_both(0, width, text)


def _abbreviate_both(offset: int, width: int, text: str) -> str:
    if width <= _ELLIPSIS or (offset > 0 and width < 2 * _ELLIPSIS + 1) or len(text) <= width:
        return text
    offset = min(offset, len(text))
    if len(text) - offset < width - _ELLIPSIS:
        offset = len(text) - (width - _ELLIPSIS)
    if offset <= _ELLIPSIS + 1:
        return text[: width - _ELLIPSIS] + "..."
    if offset + width - _ELLIPSIS < len(text):
        return "..." + _abbreviate(width - _ELLIPSIS, text[offset:])
    return "..." + text[len(text) - (width - _ELLIPSIS) :]


def _truncate(length: int, text: str) -> str:
    data = _bytes(text)
    if length < 0:
        raise FunctionError(f"slice bounds out of range [:{length}]")
    return _text(data[:length]) if len(data) > length else text


def _substring(start: int, end: int, text: str) -> str:
    data = _bytes(text)
    if start < 0:
        start, end = 0, max(end, 0)
    elif end < 0 or end > len(data):
        end = len(data)
    if start > end:
        raise FunctionError(f"slice bounds out of range [{start}:{end}]")
    return _text(data[start:end])


def _trim(text: str) -> str:
    return text.strip()


def _trim_all(cut: str, text: str) -> str:
    return text.strip(cut) if cut else text


def _trim_suffix(suffix: str, text: str) -> str:
    return text.removesuffix(suffix)


def _trim_prefix(prefix: str, text: str) -> str:
    return text.removeprefix(prefix)


def _upper(text: str) -> str:
    return "".join(c.upper() if len(c.upper()) == 1 else c for c in text)


def _lower(text: str) -> str:
    return "".join(c.lower() if len(c.lower()) == 1 else c for c in text)


def _title(text: str) -> str:
    return re.sub(r"(?<!\w)\w", lambda match: _upper(match[0]), text)


def _untitle(text: str) -> str:
    return re.sub(r"(?:^|(?<=\s))\S", lambda match: _lower(match[0]), text)


def _swap_case(text: str) -> str:
    return text.swapcase()


def _no_space(text: str) -> str:
    return re.sub(r"\s", "", text)


def _initials(text: str) -> str:
    return "".join(word[0] for word in text.split())


def _contains(part: str, text: str) -> bool:
    return part in text


def _has_prefix(prefix: str, text: str) -> bool:
    return text.startswith(prefix)


def _has_suffix(suffix: str, text: str) -> bool:
    return text.endswith(suffix)


def _repeat(meter: Meter, count: int, text: str) -> str:
    if count < 0:
        raise FunctionError("strings: negative Repeat count")
    meter.text(count * len(text))
    return text * count


def _replace(meter: Meter, old: str, new: str, text: str) -> str:
    meter.text(len(text) + text.count(old) * len(new))
    return text.replace(old, new)


def _indent(meter: Meter, spaces: int, text: str) -> str:
    if spaces < 0:
        raise FunctionError("strings: negative Repeat count")
    meter.text(len(text) + spaces * (text.count("\n") + 1))
    padding = " " * spaces
    return padding + text.replace("\n", "\n" + padding)


def _indent_below(meter: Meter, spaces: int, text: str) -> str:
    return "\n" + _indent(meter, spaces, text)


def _quote(meter: Meter, *values: Value) -> str:
    return " ".join(fmt.quote(fmt.text_of(value, meter)) for value in values if value is not None)


def _single_quote(meter: Meter, *values: Value) -> str:
    return " ".join(f"'{fmt.text_of(value, meter)}'" for value in values if value is not None)


def _concatenate(meter: Meter, *values: Value) -> str:
    return " ".join(fmt.text_of(value, meter) for value in values if value is not None)


def _plural(one: str, many: str, count: int) -> str:
    return one if count == 1 else many


def _words(text: str) -> list[str]:
    """Split at every separator and where the kind of letter changes: `HTTP20xOK` is HTTP, 20x, OK."""
    pieces = (re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[^A-Z]+|[A-Z]+", part) or [""] for part in re.split(r"[\s_\-]", text))
    return [word for words in pieces for word in words]


def _snake_case(text: str) -> str:
    return "_".join(_words(text)).lower()


def _kebab_case(text: str) -> str:
    return "-".join(_words(text)).lower()


def _camel_case(text: str) -> str:
    return re.sub(r"(?:^|[_\-\s.]+)(\w?)", lambda match: match[1].upper(), text)


def _wrap(width: int, text: str) -> str:
    return _wrap_with(width, "\n", text, breaks=False)


def _wrap_breaking(width: int, separator: str, text: str) -> str:
    return _wrap_with(width, separator, text, breaks=True)


def _wrap_with(width: int, separator: str, text: str, *, breaks: bool) -> str:
    width, rest, lines = max(width, 1), text, []
    start = 0
    while len(rest) - start > width:
        if rest[start] == " ":
            start += 1
            continue
        cut = rest.rfind(" ", start, start + width + 1)
        if cut < start and not breaks:
            cut = rest.find(" ", start + width)
            if cut < 0:
                break
        if cut < start:
            cut = start + width
            lines.append(rest[start:cut])
            start = cut
            continue
        lines.append(rest[start:cut])
        start = cut + 1
    return (separator or "\n").join((*lines, rest[start:]))


def _split_list(meter: Meter, separator: str, text: str) -> list[Value]:
    meter.text(len(text))
    return list(text.split(separator) if separator else text)


def _split(meter: Meter, separator: str, text: str) -> dict[str, Value]:
    return _numbered(_split_list(meter, separator, text))


def _split_some(meter: Meter, separator: str, count: int, text: str) -> dict[str, Value]:
    meter.text(len(text))
    if count == 0:
        return StringMap()
    if count < 0 or not separator:
        return _split(meter, separator, text)
    return _numbered(list(text.split(separator, count - 1)))


def _numbered(parts: list[Value]) -> StringMap:
    return StringMap((f"_{index}", part) for index, part in enumerate(parts))


def _join(meter: Meter, separator: str, value: Value) -> str:
    parts = texts(meter, value)
    meter.text(len(separator) * len(parts))
    return separator.join(parts)


def _sort(meter: Meter, value: Value) -> list[Value]:
    parts = texts(meter, value) if isinstance(value, list) else [fmt.text_of(value, meter)]
    return [*sorted(parts)]


def _strings(meter: Meter, value: Value) -> list[Value]:
    return list(texts(meter, value))


def _string(meter: Meter, value: Value) -> str:
    return fmt.text_of(value, meter)


def _base64(value: Value) -> str:
    """Encode a text; nil gives the empty text, anything else the name of its type (as the reference does)."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else f"<{type_of(value)} Value>"
    return base64.b64encode(_bytes(text)).decode()


def _base32(text: str) -> str:
    return base64.b32encode(_bytes(text)).decode()


def _from_base64(text: str) -> str:
    try:
        return _text(base64.b64decode(re.sub(r"[\r\n]", "", text), validate=True))
    except (binascii.Error, ValueError):
        return "illegal base64 data at input byte 0"


def _from_base32(text: str) -> str:
    try:
        return _text(base64.b32decode(re.sub(r"[\r\n]", "", text)))
    except (binascii.Error, ValueError):
        return "illegal base32 data at input byte 0"


def _hash(name: str) -> Callable[[str], str]:
    def function(text: str) -> str:
        return hashlib.new(name, _bytes(text)).hexdigest()

    return function


def _adler32(text: str) -> str:
    return str(zlib.adler32(_bytes(text)))


def _extension(path: str) -> str:
    name = path.rpartition("/")[2]
    return name[name.rfind(".") :] if "." in name else ""


def _directory(path: str) -> str:
    return _clean(path[: path.rfind("/") + 1])


def _base(path: str) -> str:
    if not path:
        return "."
    return path.rstrip("/").rpartition("/")[2] or "/"


def _clean(path: str) -> str:
    clean = posixpath.normpath(path or ".")
    return "/" + clean.lstrip("/") if clean.startswith("//") else clean


def _is_absolute(path: str) -> bool:
    return path.startswith("/")


FUNCTIONS: Mapping[str, Function] = {
    "abbrev": _abbreviate,
    "abbrevboth": _abbreviate_both,
    "adler32sum": _adler32,
    "b32dec": _from_base32,
    "b32enc": _base32,
    "b64dec": _from_base64,
    "b64enc": _base64,
    "base": _base,
    "camelcase": _camel_case,
    "cat": _concatenate,
    "clean": _clean,
    "contains": _contains,
    "dir": _directory,
    "ext": _extension,
    "hasPrefix": _has_prefix,
    "hasSuffix": _has_suffix,
    "indent": _indent,
    "initials": _initials,
    "isAbs": _is_absolute,
    "join": _join,
    "kebabcase": _kebab_case,
    "lower": _lower,
    "nindent": _indent_below,
    "nospace": _no_space,
    "plural": _plural,
    "quote": _quote,
    "repeat": _repeat,
    "replace": _replace,
    "sha1sum": _hash("sha1"),
    "sha256sum": _hash("sha256"),
    "snakecase": _snake_case,
    "sortAlpha": _sort,
    "split": _split,
    "splitList": _split_list,
    "splitn": _split_some,
    "squote": _single_quote,
    "substr": _substring,
    "swapcase": _swap_case,
    "title": _title,
    "toString": _string,
    "toStrings": _strings,
    "trim": _trim,
    "trimAll": _trim_all,
    "trimPrefix": _trim_prefix,
    "trimSuffix": _trim_suffix,
    "trimall": _trim_all,
    "trunc": _truncate,
    "untitle": _untitle,
    "upper": _upper,
    "wrap": _wrap,
    "wrapWith": _wrap_breaking,
}
