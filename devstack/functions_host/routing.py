"""Which function answers a request: ASP.NET route templates as the Functions host applies them (pure).

Functions are tried in the order of their names, case-insensitively, and the first whose template and method
match wins, however specific another one is. A method mismatch is no match, so it ends as 404, never 405.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self
from urllib.parse import unquote_to_bytes

from devstack.functions_host.route_constraints import BadTemplate, Constraint, parse_constraint

_RESERVED = ("admin", "runtime")
_ESCAPED_SLASH = re.compile(rb"(%2[fF])")


@dataclass(frozen=True, slots=True)
class _Parameter:
    name: str
    catch_all: bool
    optional: bool
    default: str | None
    constraints: tuple[Constraint, ...]

    @property
    def may_be_absent(self) -> bool:
        return self.optional or self.catch_all or self.default is not None


@dataclass(frozen=True, slots=True)
class Template:
    """A parsed route template. Literals match in any case; values keep the caller's."""

    text: str
    pattern: re.Pattern[str]
    parameters: tuple[_Parameter, ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a template such as `runs/{run:guid}/{*rest}`; raises BadTemplate."""
        text = text.strip("/")
        segments = [_split_segment(segment) for segment in _split_path(text)] if text else []
        parameters = tuple(part for segment in segments for part in segment if isinstance(part, _Parameter))
        names = [parameter.name.lower() for parameter in parameters]
        if len(set(names)) != len(names):
            raise BadTemplate(f"The route '{text}' names a parameter twice.")
        return cls(text, re.compile(_pattern(text, segments), re.IGNORECASE | re.DOTALL), parameters)

    def match(self, path: str) -> dict[str, str] | None:
        """Return the route values of a path without its leading slash, or None."""
        found = self.pattern.fullmatch(path)
        if found is None:
            return None
        values: dict[str, str] = {}
        for index, parameter in enumerate(self.parameters):
            value = found[f"p{index}"] or parameter.default
            if value is None:
                continue
            if not all(constraint(value) for constraint in parameter.constraints):
                return None
            values[parameter.name] = value
        return values


@dataclass(frozen=True, slots=True)
class Route:
    """One HTTP function's template and methods; no methods means all of them."""

    function: str
    template: Template
    methods: frozenset[str]

    def accepts(self, method: str) -> bool:
        """Tell whether the function takes this method."""
        return not self.methods or method.upper() in self.methods


@dataclass(frozen=True, slots=True)
class RouteTable:
    """All routes of an app, in the order in which they are tried."""

    routes: tuple[Route, ...]

    @classmethod
    def of(cls, routes: Iterable[Route]) -> Self:
        """Order the routes by function name."""
        return cls(tuple(sorted(routes, key=lambda route: route.function.upper())))

    def find(self, method: str, path: str) -> tuple[Route, dict[str, str]] | None:
        """Return the first route that matches a path (with or without leading slash) and its values."""
        path = path.removeprefix("/")
        for route in self.routes:
            if route.accepts(method) and (values := route.template.match(path)) is not None:
                return route, values
        return None

    def conflicts(self) -> list[tuple[str, str]]:
        """Return `(function, reason)` for every route that repeats an earlier one with a common method."""
        problems = []
        for index, route in enumerate(self.routes):
            for earlier in self.routes[:index]:
                if earlier.template.text.lower() == route.template.text.lower() and _overlap(earlier, route):
                    reason = f"The route specified conflicts with the route defined by function '{earlier.function}'."
                    problems.append((route.function, reason))
                    break
        return problems


def full_route(prefix: str, function: str, route: str | None) -> str:
    """Return the route with its prefix; an empty one means the function's name.

    Raises BadTemplate for a route that begins with the letters of a built-in one, `administrators` included.
    """
    own = function if route is None or not route.strip() else route.strip("/")
    if own.lower().startswith(_RESERVED):
        raise BadTemplate("The specified route conflicts with one or more built in routes.")
    return "/".join(part for part in (prefix.strip("/"), own) if part)


def decode_path(raw: bytes) -> str:
    """Decode a request path as Kestrel does: `%2F` stays, bad UTF-8 stays, dot segments are resolved."""
    pieces = _ESCAPED_SLASH.split(raw)
    decoded = b"".join(piece if index % 2 else unquote_to_bytes(piece) for index, piece in enumerate(pieces))
    try:
        text = decoded.decode()
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    return _without_dot_segments(text)


def _without_dot_segments(path: str) -> str:
    if "/." not in path:
        return path
    kept: list[str] = []
    segments = path.split("/")
    for segment in segments:
        if segment == "..":
            if len(kept) > 1:
                kept.pop()
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in {".", ".."}:
        kept.append("")
    return "/".join(kept)


def _overlap(one: Route, other: Route) -> bool:
    return not one.methods or not other.methods or bool(one.methods & other.methods)


def _split_path(text: str) -> list[str]:
    """Split at slashes that are not inside braces: a regex constraint may hold one."""
    segments, depth, current = [], 0, ""
    for char in text:
        depth += {"{": 1, "}": -1}.get(char, 0)
        if char == "/" and depth == 0:
            segments.append(current)
            current = ""
        else:
            current += char
    if depth != 0:
        raise BadTemplate(f"The route '{text}' has unbalanced braces.")
    segments.append(current)
    if "" in segments:
        raise BadTemplate(f"The route '{text}' has an empty segment.")
    return segments


def _split_segment(segment: str) -> list[str | _Parameter]:
    parts: list[str | _Parameter] = []
    position = 0
    for found in re.finditer(r"\{\{|\}\}|[{}]", segment):
        if found.start() < position:
            continue
        parts.append(segment[position : found.start()])
        if len(found[0]) > 1:
            parts.append(found[0][0])
            position = found.end()
        else:
            end = _closing_brace(segment, found.start())
            parts.append(_parameter(segment[found.end() : end]))
            position = end + 1
    parts.append(segment[position:])
    return [part for part in parts if part]


def _closing_brace(segment: str, start: int) -> int:
    """Find the brace that ends a parameter; doubled braces inside it are escapes."""
    for found in re.finditer(r"\{\{|\}\}|[{}]", segment[start + 1 :]):
        if found[0] == "}":
            return start + 1 + found.start()
    raise BadTemplate(f"The route segment '{segment}' has unbalanced braces.")


def _parameter(text: str) -> _Parameter:
    text = text.replace("{{", "{").replace("}}", "}")
    optional = text.endswith("?")
    found = re.match(r"(\**)([^:=*?{}]+)", text.removesuffix("?"))
    if found is None:
        raise BadTemplate(f"'{text}' is not a route parameter.")
    constraints, default = _constraints_and_default(text.removesuffix("?")[found.end() :])
    if optional and default is not None:
        raise BadTemplate(f"The optional route parameter '{found[2]}' cannot have a default.")
    return _Parameter(found[2], bool(found[1]), optional, default, constraints)


def _constraints_and_default(text: str) -> tuple[tuple[Constraint, ...], str | None]:
    constraints: list[Constraint] = []
    # A closing parenthesis ends a constraint only where another part of the parameter can begin.
    while found := re.match(r":(\w+(?:\(.*?\))?)(?=[:=]|$)", text, re.DOTALL):
        constraints.append(parse_constraint(found[1]))
        text = text[found.end() :]
    if text and not text.startswith("="):
        raise BadTemplate(f"'{text}' is not a route constraint.")
    return tuple(constraints), text[1:] if text else None


def _pattern(text: str, segments: list[list[str | _Parameter]]) -> str:
    """Return one regular expression whose groups p0, p1, … are the parameters in order."""
    pattern, tail, number = "", "", 0
    for index, segment in enumerate(segments):
        slash = "/" if index else ""
        body = ""
        for part in segment:
            if isinstance(part, str):
                body += re.escape(part)
                continue
            if part.catch_all and index + 1 < len(segments):
                raise BadTemplate(f"The route '{text}' has a catch-all that is not the last segment.")
            if part.may_be_absent and len(segment) > 1:
                raise BadTemplate(f"The route '{text}' has an optional parameter inside a segment.")
            body += f"(?P<p{number}>.*)" if part.catch_all else f"(?P<p{number}>[^/]+)"
            number += 1
        if all(_may_be_absent(later) for later in segments[index:]):
            pattern += f"(?:{slash}{body}"
            tail += ")?"
        else:
            pattern += slash + body
    return pattern + tail + ("" if ".*)" in pattern else "/?")


def _may_be_absent(segment: list[str | _Parameter]) -> bool:
    return all(isinstance(part, _Parameter) and part.may_be_absent for part in segment)
