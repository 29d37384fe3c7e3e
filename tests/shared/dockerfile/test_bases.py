"""The images that a build needs, and pinning them."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.dockerfile import Bases, merged, parse, pin, resolve
from shared.errors import LanguageError
from shared.grant import Platform

DIGEST = "sha256:" + "d" * 64
ARM = Platform(architecture="arm64")


def bases(text: str, target: str | None = None, platform: Platform | None = None) -> Bases:
    return resolve(parse(text), {}, target, platform)


def names(text: str, target: str | None = None) -> tuple[str | None, list[str]]:
    """Return the runtime image and the build-time images by the names that the text gives them."""
    found = bases(text, target)
    return (found.runtime.name if found.runtime else None), [image.name for image in found.buildtime]


@pytest.mark.parametrize(
    ("text", "runtime", "buildtime"),
    [
        ("FROM a", "a", []),
        ("FROM a:1@" + DIGEST, "a:1@" + DIGEST, []),
        ("FROM scratch", None, []),
        ("FROM scratch AS s\nFROM s", None, []),
        ("FROM a AS s\nFROM s", "a", []),
        ("FROM a AS s\nFROM S", "a", []),
        ("FROM a AS S\nFROM s", "a", []),
        ("FROM a AS s\nFROM s AS t\nFROM t", "a", []),
        ("FROM a\nFROM b", "b", []),
        ("FROM a AS s\nFROM b", "b", []),
        ("FROM a AS s\nFROM b\nCOPY --from=s x y", "b", ["a"]),
        ("FROM a AS s\nFROM b\nCOPY --from=S x y", "b", ["a"]),
        ("FROM a\nFROM b\nCOPY --from=0 x y", "b", ["a"]),
        ("FROM a\nFROM b\nCOPY --from=+0 x y", "b", ["a"]),
        ("FROM a AS s\nFROM scratch\nCOPY --from=s x y", None, ["a"]),
        ("FROM a AS s\nFROM a\nCOPY --from=s x y", "a", []),
        ("FROM a AS s\nFROM a:latest\nCOPY --from=s x y", "a:latest", []),
        ("FROM a AS s\nFROM docker.io/library/a\nCOPY --from=s x y", "docker.io/library/a", []),
        ("FROM a AS s\nFROM b AS t\nCOPY --from=s x y\nFROM c\nCOPY --from=t x y", "c", ["a", "b"]),
        ("FROM a AS s\nFROM b AS t\nFROM c\nCOPY --from=t x y", "c", ["b"]),
        ("FROM z AS s\nFROM y AS t\nFROM x\nCOPY --from=t x y\nCOPY --from=s x y", "x", ["z", "y"]),
        ("FROM a\nCOPY --from=img:1 x y", "a", ["img:1"]),
        ("FROM a\nCOPY --from=img x y\nCOPY --from=img:latest x y", "a", ["img"]),
        ("FROM a\nCOPY --from=a x y", "a", []),
        ("FROM a\nCOPY --from=scratch x y", "a", []),
        ('FROM a\nCOPY --from="img" x y', "a", ["img"]),
        ("FROM a\nCOPY --from= x y", "a", []),
        ("FROM a\nADD --link x y", "a", []),
        ("FROM a\nRUN --mount=from=img,target=/x c", "a", ["img"]),
        ("FROM a\nRUN --mount=type=bind,source=/,From=img,target=/x c", "a", ["img"]),
        ("FROM a\nRUN --mount=type=cache,from=img,target=/x c", "a", ["img"]),
        ("FROM a\nRUN --mount=type=cache,target=/x --mount=from=i,target=/y c", "a", ["i"]),
        ("FROM a\nRUN --mount=from=i,from=j,target=/y c", "a", ["j"]),
        ('FROM a\nRUN --mount="type=bind,""from=i"",target=/x" c', "a", ["i"]),
        ("FROM a\nRUN --mount=type=secret,id=from=x c", "a", []),
        ("FROM a\nRUN --mount=from=,target=/x c", "a", []),
        ("FROM a AS s\nFROM b\nRUN --mount=from=s,target=/x c", "b", ["a"]),
        ("FROM a AS s\nFROM b\nRUN --mount=from=0,target=/x c", "b", ["0"]),
        ("FROM a AS s\nRUN --mount=from=i,target=/x c\nFROM b", "b", []),
        ("FROM a\nRUN <<E\nFROM x\nCOPY --from=y a b\nE\n", "a", []),
        ("FROM a\nRUN x \\\nFROM y\n", "a", []),
        ("FROM a\nONBUILD COPY --from=i x y", "a", []),
        ("FROM a AS s\nONBUILD COPY --from=i x y\nFROM s", "a", ["i"]),
        ("FROM a AS s\nONBUILD RUN --mount=from=i,target=/x c\nFROM s AS t\nFROM t", "a", ["i"]),
        ("FROM a AS s\nONBUILD COPY --from=i x y\nFROM b\nCOPY --from=s x y", "b", ["a"]),
        ("FROM i AS t\nFROM a AS s\nONBUILD COPY --from=t x y\nFROM s", "a", ["i"]),
        ("FROM a AS a\nFROM a", "a", []),
        ("FROM a AS b\nFROM b AS a\nFROM a", "a", []),
        ("FROM a AS s\nFROM b AS s\nFROM s", "b", []),
        ("FROM a AS s\nFROM s AS t\nFROM b AS s\nFROM t", "a", []),
        ("FROM a AS s\nFROM b AS s\nFROM c\nCOPY --from=s x y", "c", ["b"]),
        ("FROM 0", "0", []),
        ("FROM a\nFROM 0", "0", []),
        ("FROM alpine AS golang\nFROM golang:1\nCOPY --from=golang x y", "golang:1", ["alpine"]),
        ("from a as s\ncopy --from=b x y\nfrom s", "a", ["b"]),
        ("FROM localhost:5000/a/b:c", "localhost:5000/a/b:c", []),
    ],
)
def test_what_the_last_stage_needs(text: str, runtime: str | None, buildtime: list[str]) -> None:
    assert names(text) == (runtime, buildtime)


THREE = "FROM a AS one\nFROM b AS Two\nCOPY --from=one x y\nFROM c\nCOPY --from=two x y\nCOPY --from=i x y\n"


@pytest.mark.parametrize(
    ("target", "runtime", "buildtime", "all_from"),
    [
        (None, "c", ["a", "b", "i"], ["a", "b", "c"]),
        ("", "c", ["a", "b", "i"], ["a", "b", "c"]),
        ("one", "a", [], ["a"]),
        ("ONE", "a", [], ["a"]),
        ("two", "b", ["a"], ["a", "b"]),
        ("Two", "b", ["a"], ["a", "b"]),
        ("0", "a", [], ["a"]),
        ("2", "c", ["a", "b", "i"], ["a", "b", "c"]),
    ],
)
def test_a_target(target: str | None, runtime: str, buildtime: list[str], all_from: list[str]) -> None:
    assert names(THREE, target) == (runtime, buildtime)
    assert [image.name for image in bases(THREE, target).all_from] == all_from


@pytest.mark.parametrize("target", ["three", "3", "-1", "9" * 30, " one"])
def test_an_unknown_target_names_the_stages(target: str) -> None:
    with pytest.raises(LanguageError, match=f"has no stage '{target}'; it has 'one', 'two', '2'"):
        bases(THREE, target)


@pytest.mark.parametrize(
    ("text", "all_from"),
    [
        ("FROM a\nFROM b\nFROM a", ["a", "b"]),
        ("FROM a AS s\nFROM s\nFROM scratch\nCOPY --from=i x y", ["a"]),
        ("FROM scratch", []),
    ],
)
def test_what_acr_counts(text: str, all_from: list[str]) -> None:
    """Every FROM up to the target's, reached or not, and nothing else."""
    assert [image.name for image in bases(text).all_from] == all_from


@pytest.mark.parametrize(
    ("text", "build_args", "name"),
    [
        ("ARG V=1\nFROM a:$V", {}, "a:1"),
        ("ARG V=1\nFROM a:${V}", {}, "a:1"),
        ("ARG V=1\nFROM a:$V", {"V": "2"}, "a:2"),
        ("ARG V=1\nFROM a:$V", {"v": "2"}, "a:1"),
        ("ARG V\nFROM a:$V", {"V": "2"}, "a:2"),
        ("ARG V\nFROM a:${V:-3}", {}, "a:3"),
        ("ARG V\nFROM a:${V:-3}", {"V": ""}, "a:3"),
        ("ARG V=1\nFROM a${V:+:}$V", {}, "a:1"),
        ("ARG V=1\nFROM a${V:+:}$V", {"V": ""}, "a"),
        ("FROM ${IMAGE:-a}", {}, "a"),
        ("FROM ${IMAGE:-a}", {"IMAGE": "undeclared"}, "a"),
        ("ARG A=a B=1\nFROM $A:$B", {}, "a:1"),
        ("ARG A=a\nARG B=$A:1\nFROM $B", {}, "a:1"),
        ("ARG A=a\nARG B=$A:1\nFROM $B", {"A": "c"}, "c:1"),
        ("ARG A=a\nARG B=$A:1\nFROM $B", {"B": "c"}, "c"),
        ("ARG A=a\nARG A=$A$A\nFROM $A", {}, "aa"),
        ("ARG A=a\nARG A\nFROM $A", {}, "a"),
        ("ARG A=a\nARG A=b\nFROM $A", {}, "b"),
        ("ARG A=$B\nARG B=b\nFROM a$A", {}, "a"),
        ('ARG A="a"\nFROM "$A:1"', {}, "a:1"),
        ("ARG A='$B'\nFROM a${A:+1}", {}, "a1"),
        ("ARG A=\\$b\nFROM a${A#?}", {}, "ab"),
        ("ARG A=r.io/x/a:1.2.3-slim\nFROM ${A%-*}", {}, "r.io/x/a:1.2.3"),
        ("ARG A=r.io/x/a:1\nFROM ${A##*/}", {}, "a:1"),
        ("ARG A=x/y\nFROM ${A/\\//-}", {}, "x-y"),
        ("ARG A=a\nFROM b AS s\nARG A=c\nFROM $A", {}, "a"),
        ("FROM b AS s\nARG A=c\nFROM ${A:-none}", {}, "none"),
        ("ARG S=s\nFROM a AS s\nFROM $S", {}, "a"),
        ("FROM a:$TARGETARCH", {}, "a:amd64"),
        ("FROM a:$TARGETOS-$BUILDARCH-$BUILDOS", {}, "a:linux-amd64-linux"),
        ("FROM a:$TARGETARCH", {"TARGETARCH": "mine"}, "a:mine"),
        ("ARG TARGETARCH=other\nFROM a:$TARGETARCH", {}, "a:other"),
        ("ARG TARGETARCH\nFROM a:$TARGETARCH", {}, "a:amd64"),
        ("FROM a${TARGETVARIANT:+-}$TARGETVARIANT", {}, "a"),
        ("FROM a:$TARGETSTAGE", {}, "a:default"),
        ("FROM a:$TARGETSTAGE AS last", {}, "a:last"),
        ("# escape=`\nARG V=`$x\nFROM a:${V:+1}", {}, "a:1"),
    ],
)
def test_variables(text: str, build_args: dict[str, str], name: str) -> None:
    assert resolve(parse(text), build_args).images[0].name == name


@pytest.mark.parametrize(
    ("text", "line", "why"),
    [
        ("FROM a:$V", 1, "'a:' is not an image reference: a tag"),
        ("FROM $V", 1, r"'\$V' comes to nothing"),
        ("ARG V\nFROM $V", 2, "comes to nothing"),
        ("FROM $V", 1, "comes to nothing"),
        ("FROM ${V:?missing}", 1, "V: missing"),
        ("FROM ${V", 1, "closing '}' is missing"),
        ("ARG A=${B\nFROM a", 1, "closing '}' is missing"),
        ("FROM A", 1, "must be lower-case"),
        ("FROM a\n\nFROM http://x/y", 3, "not the name of a registry"),
        ("FROM A AS s\nFROM b", 1, "must be lower-case"),
        ("FROM --platform=$V a", 1, "'' is not a platform"),
        ("FROM --platform=toaster a", 1, "'toaster' is not a platform"),
        ("FROM a\nCOPY --from=$V x y", 2, "cannot be a variable here"),
        ("FROM a\nCOPY --from=${V:-b} x y", 2, "cannot be a variable here"),
        ("FROM a\nCOPY --from=B x y", 2, "must be lower-case"),
        ("FROM a\nRUN --mount=from=B,target=/x c", 2, "must be lower-case"),
        ("FROM a\nCOPY --from=1 x y", 2, "there is no stage 1"),
        ("FROM a\nCOPY --from=-1 x y", 2, "there is no stage -1"),
        ("FROM a\nCOPY --from=0 x y", 1, "stages need each other: '0' -> '0'"),
        ("FROM a AS s\nCOPY --from=s x y", 1, "stages need each other: 's' -> 's'"),
        ("FROM a AS s\nCOPY --from=t x y\nFROM b AS t\nCOPY --from=s x y", 1, "stages need each other"),
        ("FROM a AS s\nCOPY --from=t x y\nFROM s AS t", 2, "stage 't' is used before it is defined"),
        ("FROM a AS s\nCOPY --from=t x y\nFROM b AS t\nFROM s", 2, "stage 't' is used before it is defined"),
        ("FROM a AS s\nRUN --mount=from=t,target=/x c\nFROM b AS t\nFROM s", 2, "used before it is defined"),
        ("FROM a\nCOPY --from=1 x y\nFROM b\nFROM c\nCOPY --from=0 x y", 2, "used before it is defined"),
        ("FROM " + "${X:-" * 10, 1, "closing '}' is missing"),
    ],
)
def test_what_is_refused_and_where(text: str, line: int, why: str) -> None:
    with pytest.raises(LanguageError, match=f"Dockerfile line {line}: .*{why}"):
        bases(text)


@pytest.mark.parametrize("base", ["b", "s"])
def test_a_stage_that_nobody_reaches_may_be_out_of_order(base: str) -> None:
    assert names(f"FROM a AS s\nCOPY --from=t x y\nFROM {base} AS t\nFROM c") == ("c", [])


def test_an_image_knows_its_place_and_platform() -> None:
    text = "ARG V=1\nFROM --platform=$BUILDPLATFORM go:$V AS s\n\nFROM --platform=linux/arm/v6 a\nCOPY --from=s x y"
    found = bases(text, platform=ARM)
    assert found.runtime
    assert (found.runtime.line, str(found.runtime.platform)) == (4, "linux/arm/v6")
    (build,) = found.buildtime
    assert (build.name, build.line, build.platform) == ("go:1", 2, Platform())
    assert str(build.reference) == "docker.io/library/go:1"


@pytest.mark.parametrize(
    ("platform", "wanted"),
    [(Platform(), "linux/amd64/amd64//linux/amd64"), (ARM, "linux/arm64/arm64//linux/amd64")],
)
def test_platform_variables(platform: Platform, wanted: str) -> None:
    names = "$TARGETPLATFORM/$TARGETARCH/$TARGETVARIANT/$BUILDPLATFORM"
    with pytest.raises(LanguageError, match=re.escape(f"'x/{wanted}'")):
        bases(f"FROM x/{names}", platform=platform)


def test_a_variant_is_a_variable_too() -> None:
    arm = Platform(architecture="arm", variant="v7")
    assert bases("FROM a:$TARGETARCH$TARGETVARIANT", platform=arm).images[0].name == "a:armv7"


def test_a_long_chain_of_stages_is_followed() -> None:
    text = "FROM a AS s0\n" + "".join(f"FROM s{n} AS s{n + 1}\nCOPY --from=s{n} x y\n" for n in range(3000))
    assert names(text) == ("a", [])


PINNED_A, PINNED_B = f"docker.io/library/a:latest@{DIGEST}", f"docker.io/library/b:1@{DIGEST}"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("FROM a\n", f"FROM {PINNED_A}\n"),
        ("from   a   as x # y\n".replace(" # y", ""), f"from   {PINNED_A}   as x\n"),
        ("\ufeffFROM a\r\nRUN b\r\n", f"\ufeffFROM {PINNED_A}\r\nRUN b\r\n"),
        ('FROM --platform=linux/amd64 "a" AS x', f"FROM --platform=linux/amd64 {PINNED_A} AS x"),
        ("ARG V=1\nFROM b:$V", f"ARG V=1\nFROM {PINNED_B}"),
        ("FROM \\\n  a \\\n  AS x", f"FROM \\\n  {PINNED_A} \\\n  AS x"),
        ("ARG V=1\nFROM b:\\\n$V AS x", f"ARG V=1\nFROM {PINNED_B} AS x"),
        ("FROM a AS s\nFROM s\nCOPY --from=s x y", f"FROM {PINNED_A} AS s\nFROM s\nCOPY --from=s x y"),
        ("FROM a\nCOPY --chown=1 --from=b:1 x y", f"FROM {PINNED_A}\nCOPY --chown=1 --from={PINNED_B} x y"),
        ('FROM a\nCOPY --from="b:1" x y', f"FROM {PINNED_A}\nCOPY --from={PINNED_B} x y"),
        (
            "FROM a\nRUN --mount=type=bind,from=b:1,target=/x c",
            f"FROM {PINNED_A}\nRUN --mount=type=bind,from={PINNED_B},target=/x c",
        ),
        (
            'FROM a\nRUN --mount="from=b:1,target=/x y" c',
            f"FROM {PINNED_A}\nRUN --mount=from={PINNED_B},target=/x\\ y c",
        ),
        (
            "FROM a\nRUN --mount=from=a,target=/x \\\n --mount=from=b:1,target=/y c",
            f"FROM {PINNED_A}\nRUN --mount=from={PINNED_A},target=/x \\\n --mount=from={PINNED_B},target=/y c",
        ),
        ("FROM scratch\nCOPY --from=a x y", f"FROM scratch\nCOPY --from={PINNED_A} x y"),
        ("FROM unreached AS x\nFROM a", f"FROM unreached AS x\nFROM {PINNED_A}"),
        (
            "FROM a AS s\nONBUILD COPY --from=b:1 x y\nFROM s",
            f"FROM {PINNED_A} AS s\nONBUILD COPY --from={PINNED_B} x y\nFROM s",
        ),
        ("FROM a AS s\nONBUILD COPY --from=b:1 x y", f"FROM {PINNED_A} AS s\nONBUILD COPY --from=b:1 x y"),
        ("# escape=`\nFROM a `\n AS x", f"# escape=`\nFROM {PINNED_A} `\n AS x"),
    ],
)
def test_pinning(text: str, wanted: str) -> None:
    found = bases(text)
    assert pin(text, found, {image.reference: DIGEST for image in found.images}) == wanted


def test_only_what_has_a_digest_is_pinned() -> None:
    text = f"FROM a\nCOPY --from=b:1 x y\nCOPY --from=c@{DIGEST} x y"
    found = bases(text)
    assert pin(text, found, {}) == text
    other = {image.reference: DIGEST for image in found.buildtime}
    assert pin(text, found, other) == (
        f"FROM a\nCOPY --from={PINNED_B} x y\nCOPY --from=docker.io/library/c@{DIGEST} x y"
    )


_IMAGES = st.sampled_from(["a", "b:1", "r.io/c", "$V", "${V:-d}", '"e"', "s0", "S1", "scratch"])
_SOURCES = st.sampled_from(
    ["COPY --from=a x y", "COPY --from=s0 x y", "COPY --from=1 x y", "RUN --mount=from=f,target='/x y' c", "RUN \\\n c"]
)
_FROMS = st.tuples(_IMAGES, st.lists(_SOURCES, max_size=3))


@given(st.lists(_FROMS, min_size=1, max_size=4))
def test_a_pinned_dockerfile_needs_the_same_images_by_digest(stages: list[tuple[str, list[str]]]) -> None:
    text = "ARG V=v\n" + "".join(
        f"FROM {image} AS s{index}\n" + "".join(f"{line}\n" for line in body)
        for index, (image, body) in enumerate(stages)
    )
    try:
        found = bases(text)
    except LanguageError:
        return
    again = bases(pin(text, found, {image.reference: DIGEST for image in found.images}))
    assert [image.reference for image in again.images] == [
        image.reference.with_digest(DIGEST) for image in found.images
    ]


def test_several_platforms_pin_what_they_have_in_common() -> None:
    text = "ARG TARGETARCH\nFROM common AS a\nFROM base-$TARGETARCH\nCOPY --from=a /x /\nCOPY --from=tools /y /\n"
    dockerfile = parse(text)
    found = merged([resolve(dockerfile, {}, None, Platform(architecture=name)) for name in ("amd64", "arm64")])
    names = [image.name for image in found.images]
    assert names == ["base-amd64", "common", "tools", "base-arm64"]
    digests = {image.reference: "sha256:" + "a" * 64 for image in found.images}
    pinned = pin(text, found, digests).splitlines()
    assert "@sha256" in pinned[1]
    assert pinned[2] == "FROM base-$TARGETARCH"
    assert "@sha256" in pinned[4]
