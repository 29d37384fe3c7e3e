"""The records that installers leave in an image, as packages. Pure; whatever cannot be read counts as not there.

Sources: dpkg's `status` and what distroless images keep below `status.d`; apk's `installed`; Python's core metadata;
npm's `package.json`; the os-release file of systemd.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from pydantic import ValidationError

from shared.grant import MOST_PACKAGES, Distribution, Package, PackageKind

_DISTRIBUTION: Final = {"ID": "id", "VERSION_ID": "version"}


def package(kind: PackageKind, fields: Mapping[str, object]) -> Package | None:
    """Return a package, None for what has no name or is no text of one short line."""
    try:
        return Package.model_validate({"kind": kind, **fields})
    except ValidationError:
        return None


def known(found: Iterable[Package | None]) -> tuple[Package, ...]:
    """Return what are packages, each once: as many as are allowed, and one more where there are more."""
    seen: dict[Package, None] = {}
    for one in found:
        if one is not None:
            seen[one] = None
        if len(seen) > MOST_PACKAGES:
            break
    return tuple(seen)


def deb(text: bytes) -> tuple[Package, ...]:
    """Read dpkg's status: what is installed."""
    return known(_deb(one) for one in _paragraphs(text))


def _deb(fields: Mapping[str, str]) -> Package | None:
    if not fields.get("Status", "ok installed").endswith(" installed"):
        return None
    told = {"name": fields.get("Package", ""), "version": fields.get("Version", "")}
    source = fields.get("Source", "").partition(" ")[0]
    return package(PackageKind.DEB, told | {"architecture": fields.get("Architecture", ""), "source": source})


def apk(text: bytes) -> tuple[Package, ...]:
    """Read apk's list of what is installed."""
    return known(_apk(one) for one in _paragraphs(text))


def _apk(fields: Mapping[str, str]) -> Package | None:
    told = {"name": fields.get("P", ""), "version": fields.get("V", "")}
    return package(PackageKind.APK, told | {"architecture": fields.get("A", ""), "source": fields.get("o", "")})


def python(text: bytes) -> tuple[Package, ...]:
    """Read the head of one distribution's metadata."""
    head = next(_paragraphs(text), {})
    return known((package(PackageKind.PYTHON, {"name": head.get("Name", ""), "version": head.get("Version", "")}),))


def node(text: bytes) -> tuple[Package, ...]:
    """Read the `package.json` of one installed package."""
    try:
        told: Any = json.loads(text)
    except (ValueError, RecursionError):
        return ()
    if not isinstance(told, dict):
        return ()
    return known((package(PackageKind.NODE, {"name": told.get("name"), "version": told.get("version", "")}),))


def distribution(text: bytes) -> Distribution:
    """Read an os-release file."""
    told = {_DISTRIBUTION[name]: value.strip("\"'") for name, value in _pairs(text, "=") if name in _DISTRIBUTION}
    try:
        return Distribution.model_validate(told)
    except ValidationError:
        return Distribution()


def _paragraphs(text: bytes) -> Iterator[dict[str, str]]:
    """Answer the fields of each paragraph; lines that go on with an earlier one are left out."""
    for paragraph in text.replace(b"\r\n", b"\n").split(b"\n\n"):
        if fields := dict(_pairs(paragraph, ":")):
            yield fields


def _pairs(text: bytes, separator: str) -> Iterator[tuple[str, str]]:
    for line in text.decode(errors="replace").split("\n"):
        name, found, value = line.partition(separator)
        if found and not line[:1].isspace():
            yield name, value.strip()
