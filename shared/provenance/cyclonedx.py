"""What an image holds, as a bill of materials: CycloneDX 1.6. Pure.

The list is the word of a builder, which ran the build's own code: the document says so wherever a reader may look.
Sources: CycloneDX's JSON schema; the package URL specification and its types.
"""

import uuid
from typing import Any, Final
from urllib.parse import quote

from shared.arm.wire import arm_time
from shared.grant import Contents, Distribution, Package, PackageKind
from shared.runs.model import Run

PREDICATE_TYPE: Final = "https://cyclonedx.org/bom"
_OF_A_DISTRIBUTION: Final = frozenset({PackageKind.DEB, PackageKind.APK, PackageKind.RPM})
_STATED_BY: Final = {"name": "slipway:statedBy", "value": "builder"}


def bill_of_materials(run: Run, contents: Contents) -> dict[str, Any]:
    """Answer the predicate for one image of a run; the same contents always make the same one."""
    distribution = contents.distribution
    said = [_STATED_BY, {"name": "slipway:run", "value": run.id}]
    if contents.lacks:
        said.append({"name": "slipway:lacks", "value": contents.lacks})
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, f'{run.id} {contents.digest}')}",
        "version": 1,
        "metadata": {
            **({"timestamp": arm_time(run.finished)} if run.finished else {}),
            "lifecycles": [{"phase": "post-build"}],
            "tools": {"components": [{"type": "application", "name": "slipway-builder", "properties": [_STATED_BY]}]},
            "component": {
                "type": "container",
                "bom-ref": contents.digest,
                "name": contents.repository,
                "version": contents.digest,
            },
            "properties": said,
        },
        "components": [*_system(distribution), *_libraries(contents)],
        # Files that no installer knows of are not looked at.
        "compositions": [{"aggregate": "incomplete" if contents.lacks else "unknown", "assemblies": [contents.digest]}],
    }


def package_url(package: Package, distribution: Distribution) -> str:
    """Answer the package's URL, by which scanners know it."""
    version, qualifiers = package.version, dict[str, str]()
    if package.kind in _OF_A_DISTRIBUTION:
        qualifiers = {"arch": package.architecture, "upstream": package.source}
        qualifiers["distro"] = "-".join(filter(None, (distribution.id, distribution.version)))
    if package.kind is PackageKind.RPM and ":" in version:
        qualifiers["epoch"], _, version = version.partition(":")
    told = "&".join(f"{name}={quote(value, safe=':')}" for name, value in sorted(qualifiers.items()) if value)
    path = "/".join(quote(part, safe="") for part in _path(package, distribution).split("/"))
    ends = f"@{quote(version, safe=':')}" if version else ""
    return f"pkg:{package.kind}/{path}{ends}{'?' if told else ''}{told}"


def _path(package: Package, distribution: Distribution) -> str:
    if package.kind is PackageKind.PYTHON:
        return package.name.lower().replace("_", "-")
    is_named = package.kind in _OF_A_DISTRIBUTION and distribution.id
    return f"{distribution.id}/{package.name}" if is_named else package.name


def _system(distribution: Distribution) -> list[dict[str, Any]]:
    if not distribution.id:
        return []
    version = {"version": distribution.version} if distribution.version else {}
    return [{"type": "operating-system", "name": distribution.id, **version}]


def _libraries(contents: Contents) -> list[dict[str, Any]]:
    urls = {package_url(one, contents.distribution): one for one in contents.packages}
    return [
        {"type": "library", "bom-ref": url, "name": one.name, "version": one.version, "purl": url}
        for url, one in urls.items()
    ]
