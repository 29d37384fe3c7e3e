"""Sprig's other functions (version 2.22): defaults, types, JSON, patterns, addresses, random texts.

Random texts come from the operating system's generator, as nobody may guess what a task makes of them.
"""

import secrets
import string
import uuid
from collections.abc import Mapping
from urllib.parse import urlsplit, urlunsplit

from shared.language.gotemplate import format as fmt
from shared.language.gotemplate.meter import Meter
from shared.language.gotemplate.regex import Regex
from shared.language.gotemplate.values import Function, FunctionError, Map, Value, is_true, kind_of, type_of


def _default(fallback: Value, *given: Value) -> Value:
    return given[0] if given and is_true(given[0]) else fallback


def _empty(value: Value) -> bool:
    return not is_true(value)


def _coalesce(*values: Value) -> Value:
    return next((value for value in values if is_true(value)), None)


def _ternary(yes: Value, no: Value, condition: bool) -> Value:  # noqa: FBT001 - Sprig's parameter
    return yes if condition else no


def _fail(message: str) -> Value:
    raise FunctionError(message)


def _hello() -> str:
    return "Hello!"


def _type_is(wanted: str, value: Value) -> bool:
    return wanted == type_of(value)


def _type_is_like(wanted: str, value: Value) -> bool:
    return type_of(value) in (wanted, "*" + wanted)


def _kind_is(wanted: str, value: Value) -> bool:
    return wanted == kind_of(value)


def _json(meter: Meter, value: Value) -> str:
    return _json_text(meter, value, "")


def _pretty_json(meter: Meter, value: Value) -> str:
    return _json_text(meter, value, "  ")


def _json_text(meter: Meter, value: Value, indent: str) -> str:
    try:
        return fmt.json_text(value, meter, indent)
    except ValueError:
        return ""


def _compiled(meter: Meter, pattern: str) -> Regex:
    try:
        return Regex(pattern, meter)
    except ValueError as error:
        raise FunctionError(f"regexp: Compile({fmt.quote(pattern)}): {error}") from None


def _regex_match(meter: Meter, pattern: str, text: str) -> bool:
    try:
        return Regex(pattern, meter).match(text) is not None
    except ValueError:
        return False


def _regex_find(meter: Meter, pattern: str, text: str) -> str:
    found = _compiled(meter, pattern).match(text)
    return text[found[0] : found[1]] if found else ""


def _regex_find_all(meter: Meter, pattern: str, text: str, limit: int) -> list[Value]:
    return [text[found[0] : found[1]] for found in _compiled(meter, pattern).matches(text, limit)]


def _regex_replace(meter: Meter, pattern: str, text: str, template: str) -> str:
    return _compiled(meter, pattern).replace(text, template)


def _regex_replace_literal(meter: Meter, pattern: str, text: str, literal: str) -> str:
    return _compiled(meter, pattern).replace(text, None, literal)


def _regex_split(meter: Meter, pattern: str, text: str, limit: int) -> list[Value]:
    regex = _compiled(meter, pattern)
    if limit == 0:
        return []
    if pattern and not text:
        return [""]
    parts: list[Value] = []
    start, end = 0, 0
    for found in regex.matches(text):
        if limit > 0 and len(parts) == limit - 1:
            break
        end = found[0] or 0
        if found[1]:
            parts.append(text[start:end])
        start = found[1] or 0
    if end != len(text):
        parts.append(text[start:])
    return parts


def _parse_url(text: str) -> Map:
    try:
        url = urlsplit(text)
    except ValueError as error:
        raise FunctionError(f"unable to parse url: {error}") from None
    userinfo, at, host = url.netloc.rpartition("@")
    return {
        "scheme": url.scheme,
        "host": host,
        "hostname": url.hostname or "",
        "path": url.path,
        "query": url.query,
        "opaque": "" if url.netloc or not url.scheme or url.path.startswith("/") else url.path,
        "fragment": url.fragment,
        "userinfo": userinfo if at else "",
    }


def _join_url(parts: Map) -> str:
    def part(name: str) -> str:
        value = parts.get(name, "")
        if not isinstance(value, str):
            raise FunctionError(f"unable to parse {name} key, must be of type string, but {type_of(value)} found")
        return value

    host = f"{part('userinfo')}@{part('host')}" if part("userinfo") else part("host")
    return urlunsplit((part("scheme"), host, part("path") or part("opaque"), part("query"), part("fragment")))


def _random(alphabet: str) -> Function:
    def function(meter: Meter, length: int) -> str:
        meter.work(max(length, 0))
        return "".join(secrets.choice(alphabet) for _ in range(length))

    return function


def _shuffle(meter: Meter, text: str) -> str:
    meter.work(len(text))
    characters = list(text)
    secrets.SystemRandom().shuffle(characters)
    return "".join(characters)


def _uuid() -> str:
    return str(uuid.uuid4())


FUNCTIONS: Mapping[str, Function] = {
    "coalesce": _coalesce,
    "default": _default,
    "empty": _empty,
    "fail": _fail,
    "hello": _hello,
    "kindIs": _kind_is,
    "kindOf": kind_of,
    "randAlpha": _random(string.ascii_letters),
    "randAlphaNum": _random(string.ascii_letters + string.digits),
    "randAscii": _random("".join(map(chr, range(32, 127)))),
    "randNumeric": _random(string.digits),
    "regexFind": _regex_find,
    "regexFindAll": _regex_find_all,
    "regexMatch": _regex_match,
    "regexReplaceAll": _regex_replace,
    "regexReplaceAllLiteral": _regex_replace_literal,
    "regexSplit": _regex_split,
    "shuffle": _shuffle,
    "ternary": _ternary,
    "toJson": _json,
    "toPrettyJson": _pretty_json,
    "typeIs": _type_is,
    "typeIsLike": _type_is_like,
    "typeOf": type_of,
    "urlJoin": _join_url,
    "urlParse": _parse_url,
    "uuidv4": _uuid,
}
