"""Platforms in Go's names: reading what people write, and choosing among the images of an index."""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from shared.errors import LanguageError
from shared.grant import Platform

_ARCHITECTURES: Final = {
    "x86_64": ("amd64", None),
    "x86-64": ("amd64", None),
    "i386": ("386", None),
    "x86": ("386", None),
    "aarch64": ("arm64", None),
    "armhf": ("arm", "v7"),
    "armel": ("arm", "v6"),
}
_KNOWN_ARCHITECTURES: Final = frozenset(
    {"386", "amd64", "arm", "arm64", "loong64", "ppc64", "ppc64le", "riscv64", "s390x"}
)
_KNOWN_SYSTEMS: Final = frozenset({"darwin", "freebsd", "linux", "netbsd", "openbsd", "windows"})
_SYSTEM_NAMES: Final = {"macos": "darwin"}
_IMPLIED_VARIANTS: Final = {("arm64", "v8"): None, ("amd64", "v1"): None, ("arm", None): "v7"}
_AMD64_VARIANTS: Final = ("v4", "v3", "v2")
_ARM_VARIANTS: Final = ("v8", "v7", "v6", "v5")
_TEXT: Final = re.compile(r"[\w.-]+(?:/[\w.-]+){0,2}", re.ASCII)


def normalise(os: str, architecture: str, variant: str | None = None) -> Platform:
    """Return the platform in Go's lower-case names, without a variant that the architecture implies.

    The implied ones are `v8` of arm64 and `v1` of amd64; arm without a variant is `arm/v7`
    (the rules of containerd's `platforms` package).
    """
    system, written = os.lower(), architecture.lower()
    name, named_variant = _ARCHITECTURES.get(written, (written, None))
    level = (variant or "").lower() or named_variant
    if level and level.isdecimal():
        level = f"v{level}"
    return Platform(
        os=_SYSTEM_NAMES.get(system, system),
        architecture=name,
        variant=_IMPLIED_VARIANTS.get((name, level), level),
    )


def parse(text: str) -> Platform:
    """Read `os[/architecture[/variant]]`, or an architecture alone, which means linux.

    Raises `LanguageError` for text that names no platform.
    """
    if not _TEXT.fullmatch(text):
        raise _refused(text)
    first, *rest = text.split("/")
    if rest:
        return normalise(first, *rest)
    alone = normalise(first, first)
    if alone.os in _KNOWN_SYSTEMS:
        return normalise(first, Platform().architecture)
    if alone.architecture not in _KNOWN_ARCHITECTURES:
        raise _refused(text)
    return normalise(Platform().os, first)


def choose[T](offered: Iterable[tuple[Platform, T]], wanted: Platform) -> T | None:
    """Return what is offered for the platform that serves `wanted` best, the first of equals; None if none does.

    A processor runs what older ones of its kind run: arm/v7 accepts arm/v6, arm64 accepts arm, amd64
    accepts 386, each only where nothing nearer is offered.
    """
    by_platform: dict[Platform, T] = {}
    for platform, item in offered:
        by_platform.setdefault(normalise(platform.os, platform.architecture, platform.variant), item)
    for candidate in _serving(normalise(wanted.os, wanted.architecture, wanted.variant)):
        if candidate in by_platform:
            return by_platform[candidate]
    return None


def _serving(wanted: Platform) -> Iterator[Platform]:
    yield wanted
    match wanted.architecture, wanted.variant:
        case "amd64", variant:
            for older in (*_after(_AMD64_VARIANTS, variant), None):
                yield Platform(os=wanted.os, architecture="amd64", variant=older)
            yield Platform(os=wanted.os, architecture="386")
        case "arm64", variant:
            if variant:
                yield Platform(os=wanted.os, architecture="arm64")
            yield from _arm(wanted.os, _ARM_VARIANTS)
        case "arm", variant:
            yield from _arm(wanted.os, _after(_ARM_VARIANTS, variant))


def _arm(os: str, variants: Iterable[str]) -> Iterator[Platform]:
    return (Platform(os=os, architecture="arm", variant=variant) for variant in variants)


def _after(variants: tuple[str, ...], variant: str | None) -> tuple[str, ...]:
    return variants[variants.index(variant) + 1 :] if variant in variants else ()


def _refused(text: str) -> LanguageError:
    return LanguageError(
        f"'{text}' is not a platform: write os/architecture[/variant], for example linux/arm64 or linux/arm/v7.",
        code="InvalidPlatform",
    )
