"""The dependency block, as values and as YAML."""

import pytest

from builder.dependencies import block, dependencies
from shared.dockerfile import parse, resolve
from shared.grant import Image, ImageDependency
from shared.images.references import Reference

A, B = "sha256:" + "a" * 64, "sha256:" + "b" * 64
APP = Image(registry="reg.example", repository="app", tag="v1", digest=A)


def test_a_build_from_scratch_without_a_name() -> None:
    bases = resolve(parse("FROM scratch\n"), {})
    assert block(dependencies((), bases, {}, "")).splitlines() == [
        "- image: null",
        "  runtime-dependency:",
        "    registry: registry.hub.docker.com",
        "    repository: library/scratch",
        "    tag: latest",
        "  git: {}",
    ]


def test_each_tag_has_its_entry_with_all_bases() -> None:
    text = "FROM node:18 AS a\nFROM reg.example/base:2.2\nCOPY --from=a /x /x\n"
    bases = resolve(parse(text), {})
    digests = {Reference.parse("node:18"): A, Reference.parse("reg.example/base:2.2"): B}
    other = APP.model_copy(update={"tag": "latest"})
    one, two = dependencies((APP, other), bases, digests, "ec1f8ee0")
    assert (one.image, two.image) == (APP, other)
    assert one.runtime == Image(registry="reg.example", repository="base", tag="2.2", digest=B)
    assert one.buildtime == (Image(registry="registry.hub.docker.com", repository="library/node", tag="18", digest=A),)
    assert one.git_head_revision == "ec1f8ee0"


@pytest.mark.parametrize(
    ("tag", "shown"),
    [
        ("2.2", '"2.2"'),
        ("18", '"18"'),
        ("1_000", '"1_000"'),
        ("1e3", '"1e3"'),
        ("0x1f", '"0x1f"'),
        ("true", '"true"'),
        ("Off", '"Off"'),
        ("null", '"null"'),
        ("2020-01-02", '"2020-01-02"'),
        ("18.04.1", "18.04.1"),
        ("18-alpine", "18-alpine"),
        ("ca1", "ca1"),
        ("latest", "latest"),
        ("v1.0", "v1.0"),
        ("_x", "_x"),
    ],
)
def test_a_tag_that_yaml_would_read_as_something_else_is_quoted(tag: str, shown: str) -> None:
    one = ImageDependency(image=APP.model_copy(update={"tag": tag}))
    assert f"    tag: {shown}" in block([one]).splitlines()
