"""The bill of materials: package URLs as scanners know them, and whose word it is."""

from datetime import UTC, datetime
from typing import Any

import pytest

from shared.grant import Contents, Distribution, Package, PackageKind
from shared.provenance.cyclonedx import bill_of_materials, package_url
from shared.runs.model import Requester, Run

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
RUN = Run(
    id="c0000001",
    registry="reg",
    created=NOW,
    updated=NOW,
    timeout_seconds=60,
    requester=Requester(name="ada", kind="User"),
)
DEBIAN = Distribution(id="debian", version="13")
LIBC = Package(kind=PackageKind.DEB, name="libc6", version="2.41-12", architecture="amd64", source="glibc")


def bill(*packages: Package, lacks: str = "", distribution: Distribution = DEBIAN) -> Any:
    told = Contents(
        repository="app", digest=f"sha256:{'a' * 64}", distribution=distribution, packages=packages, lacks=lacks
    )
    return bill_of_materials(RUN, told)


@pytest.mark.parametrize(
    ("package", "url"),
    [
        (LIBC, "pkg:deb/debian/libc6@2.41-12?arch=amd64&distro=debian-13&upstream=glibc"),
        (
            Package(kind=PackageKind.RPM, name="bash", version="2:5.2-1.el10", architecture="x86_64"),
            "pkg:rpm/debian/bash@5.2-1.el10?arch=x86_64&distro=debian-13&epoch=2",
        ),
        (Package(kind=PackageKind.NODE, name="@a/b", version="2.0.0"), "pkg:npm/%40a/b@2.0.0"),
        (Package(kind=PackageKind.PYTHON, name="Jinja_2", version="3.1+x"), "pkg:pypi/jinja-2@3.1%2Bx"),
        (Package(kind=PackageKind.GO, name="golang.org/x/net", version="v0.1.0"), "pkg:golang/golang.org/x/net@v0.1.0"),
        (Package(kind=PackageKind.NODE, name="a?b#c@d"), "pkg:npm/a%3Fb%23c%40d"),
    ],
)
def test_a_package_has_the_url_of_its_kind(package: Package, url: str) -> None:
    assert package_url(package, DEBIAN) == url


def test_the_bill_says_whose_word_it_is_and_what_it_is_about() -> None:
    told = bill(LIBC)
    assert told["metadata"]["component"]["version"] == f"sha256:{'a' * 64}"
    assert {"name": "slipway:statedBy", "value": "builder"} in told["metadata"]["properties"]
    assert [one["name"] for one in told["components"]] == ["debian", "libc6"]
    assert told["compositions"][0]["aggregate"] == "unknown"
    assert bill(LIBC) == told


def test_what_was_not_read_makes_it_incomplete() -> None:
    told = bill(lacks="layer 2 was not at hand", distribution=Distribution())
    assert told["compositions"][0]["aggregate"] == "incomplete"
    assert {"name": "slipway:lacks", "value": "layer 2 was not at hand"} in told["metadata"]["properties"]
    assert told["components"] == []


def test_a_package_that_was_told_twice_is_one_component() -> None:
    told = bill(LIBC, LIBC.model_copy(), Package(kind=PackageKind.PYTHON, name="a_b"), Package(kind="pypi", name="A-b"))
    references = [one["bom-ref"] for one in told["components"] if "bom-ref" in one]
    assert len(references) == len(set(references)) == 2
