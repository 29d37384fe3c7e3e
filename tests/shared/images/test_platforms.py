"""Platforms in Go's names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import LanguageError
from shared.grant import Platform
from shared.images import platforms


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("linux/amd64", "linux/amd64"),
        ("Linux/AMD64", "linux/amd64"),
        ("linux/x86_64", "linux/amd64"),
        ("linux/x86-64", "linux/amd64"),
        ("linux/amd64/v1", "linux/amd64"),
        ("linux/amd64/v3", "linux/amd64/v3"),
        ("linux/i386", "linux/386"),
        ("linux/x86", "linux/386"),
        ("linux/386", "linux/386"),
        ("linux/aarch64", "linux/arm64"),
        ("linux/arm64/v8", "linux/arm64"),
        ("linux/arm64/8", "linux/arm64"),
        ("linux/arm", "linux/arm/v7"),
        ("linux/arm/7", "linux/arm/v7"),
        ("linux/arm/V6", "linux/arm/v6"),
        ("linux/armhf", "linux/arm/v7"),
        ("linux/armel", "linux/arm/v6"),
        ("linux/s390x", "linux/s390x"),
        ("windows/amd64", "windows/amd64"),
        ("Windows", "windows/amd64"),
        ("linux", "linux/amd64"),
        ("macos/arm64", "darwin/arm64"),
        ("arm64", "linux/arm64"),
        ("armhf", "linux/arm/v7"),
        ("x86_64", "linux/amd64"),
        ("plan9/mips", "plan9/mips"),
    ],
)
def test_what_people_write(text: str, wanted: str) -> None:
    assert str(platforms.parse(text)) == wanted


@pytest.mark.parametrize(
    "text", ["", "/", "linux/", "/amd64", "a/b/c/d", "linux amd64", "toaster", "linux/arm 64", "$X"]
)
def test_what_is_no_platform(text: str) -> None:
    with pytest.raises(LanguageError, match="is not a platform"):
        platforms.parse(text)


@given(st.text(alphabet="linuxarm64v78/_-. ", max_size=20))
def test_a_platform_reads_back(text: str) -> None:
    try:
        found = platforms.parse(text)
    except LanguageError:
        return
    assert platforms.parse(str(found)) == found


@pytest.mark.parametrize(
    ("wanted", "offered", "chosen"),
    [
        ("linux/amd64", "linux/arm64 linux/amd64", "linux/amd64"),
        ("linux/amd64", "linux/386", "linux/386"),
        ("linux/amd64", "linux/386 linux/amd64", "linux/amd64"),
        ("linux/amd64", "linux/amd64/v2", None),
        ("linux/amd64/v3", "linux/amd64 linux/amd64/v2 linux/amd64/v4", "linux/amd64/v2"),
        ("linux/386", "linux/amd64", None),
        ("linux/arm64", "linux/arm/v7 linux/arm64/v8", "linux/arm64/v8"),
        ("linux/arm64", "linux/arm/v6 linux/arm/v7", "linux/arm/v7"),
        ("linux/arm64/v9", "linux/arm64", "linux/arm64"),
        ("linux/arm/v7", "linux/arm/v5 linux/arm/v6", "linux/arm/v6"),
        ("linux/arm/v6", "linux/arm/v7", None),
        ("linux/arm", "linux/arm/v7", "linux/arm/v7"),
        ("windows/amd64", "linux/amd64", None),
        ("linux/s390x", "linux/amd64 linux/s390x", "linux/s390x"),
        ("linux/amd64", "unknown/unknown", None),
        ("linux/amd64", "", None),
    ],
)
def test_the_nearest_image_is_chosen(wanted: str, offered: str, chosen: str | None) -> None:
    entries = []
    for text in offered.split():
        os, architecture, *variant = text.split("/")
        platform = Platform(os=os, architecture=architecture, variant=variant[0] if variant else None)
        entries.append((platform, text))
    assert platforms.choose(entries, platforms.parse(wanted)) == chosen


def test_the_first_of_equals_is_chosen() -> None:
    assert platforms.choose([(Platform(), "first"), (Platform(), "second")], Platform()) == "first"
