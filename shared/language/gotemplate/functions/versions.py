"""Semantic versions and constraints, as Sprig 2.22 has them (Masterminds/semver 1.x)."""

import re
from collections.abc import Mapping
from dataclasses import replace

from shared.language.gotemplate.meter import Meter
from shared.language.gotemplate.values import Function, FunctionError, Version

_VERSION = re.compile(
    r"v?(?P<major>[0-9]{1,18})(?:\.(?P<minor>[0-9]{1,18}))?(?:\.(?P<patch>[0-9]{1,18}))?"
    r"(?:-(?P<prerelease>[0-9A-Za-z\-]+(?:\.[0-9A-Za-z\-]+)*))?"
    r"(?:\+(?P<metadata>[0-9A-Za-z\-]+(?:\.[0-9A-Za-z\-]+)*))?"
)
_PART = r"(?:[xX*]|[0-9]{1,18})"
_CONSTRAINT = re.compile(
    rf"(?P<operator>=>|=<|>=|<=|!=|~>|[=<>~^])?\s*"
    rf"(?P<version>v?{_PART}(?:\.{_PART})?(?:\.{_PART})?(?:-[0-9A-Za-z\-.]+)?(?:\+[0-9A-Za-z\-.]+)?)"
)
_HYPHEN = re.compile(r"(\S+)\s+-\s+(\S+)")
_PARTS = 3
_LONGEST = 256


def parse(text: str) -> Version:
    """Read a version; `1.2` is `1.2.0`.

    Raises:
        FunctionError: not a version.

    """
    match = _VERSION.fullmatch(text[: _LONGEST + 1])
    if not match:
        raise FunctionError("Invalid Semantic Version")
    return Version(
        int(match["major"]),
        int(match["minor"] or 0),
        int(match["patch"] or 0),
        match["prerelease"] or "",
        match["metadata"] or "",
        text,
    )


def _order(version: Version) -> tuple[object, ...]:
    identifiers = tuple(
        (0, int(part), "") if part.isdigit() else (1, 0, part) for part in version.prerelease.split(".") if part
    )
    return version.major, version.minor, version.patch, not version.prerelease, identifiers


def _satisfies(constraint: str, version: Version) -> bool:
    constraint = _HYPHEN.sub(r">=\1,<=\2", constraint)
    for part in re.split(r"\s*,\s*|\s+(?=[=<>~^!])", constraint.strip()):
        if not _satisfies_one(part.strip(), version):
            return False
    return True


def _satisfies_one(part: str, version: Version) -> bool:
    match = _CONSTRAINT.fullmatch(part)
    if not match:
        raise FunctionError(f"improper constraint: {part}")
    operator = match["operator"] or ""
    plain, _, suffix = match["version"].removeprefix("v").partition("-")
    numbers = re.split(r"\.", plain.partition("+")[0])
    given = next((index for index, number in enumerate(numbers) if number in "xX*"), len(numbers))
    low = parse(".".join([*numbers[:given], "0", "0", "0"][:_PARTS]) + (f"-{suffix}" if suffix else ""))
    if version.prerelease and not low.prerelease:
        return False
    return _compares(operator, version, low, given)


def _compares(operator: str, version: Version, low: Version, given: int) -> bool:
    at, bottom = _order(version), _order(low)
    past = _order(_next(low, given))
    partial = given < _PARTS
    same = bottom <= at < past if partial else at == bottom
    verdicts = {
        "": same,
        "=": same,
        "!=": not same,
        ">": at >= past if partial else at > bottom,
        ">=": at >= bottom,
        "=>": at >= bottom,
        "<": at < bottom,
        "<=": at < past if partial else at <= bottom,
        "=<": at < past if partial else at <= bottom,
        "~": bottom <= at < _order(_next(low, min(given, 2))),
        "~>": bottom <= at < _order(_next(low, min(given, 2))),
        "^": bottom <= at < _order(_next(low, _leading(low, given))),
    }
    return verdicts[operator]


def _leading(low: Version, given: int) -> int:
    """How many parts `^` holds fixed: up to the first that is not zero."""
    if low.major or given <= 1:
        return 1
    return 2 if low.minor or given == _PARTS - 1 else _PARTS


def _next(low: Version, given: int) -> Version:
    """Give the first version beyond all that share the first `given` parts with `low`."""
    plain = replace(low, prerelease="", metadata="")
    if given <= 0:
        return replace(plain, major=10**18 + 1)
    if given == 1:
        return replace(plain, major=low.major + 1, minor=0, patch=0)
    if given == _PARTS - 1:
        return replace(plain, minor=low.minor + 1, patch=0)
    return replace(plain, patch=low.patch + 1)


def _semver(text: str) -> Version:
    return parse(text)


def _compare(meter: Meter, constraint: str, text: str) -> bool:
    if len(constraint) > _LONGEST:
        raise FunctionError("improper constraint: it is too long")
    meter.work(len(constraint))
    version = parse(text)
    return any(_satisfies(alternative, version) for alternative in constraint.split("||"))


FUNCTIONS: Mapping[str, Function] = {"semver": _semver, "semverCompare": _compare}
