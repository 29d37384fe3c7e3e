"""What the manifest of an image says of its making."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from builder.annotations import annotations
from builder.contexts.source import Context
from builder.engine.command import IMAGE, annotate, client_script
from builder.engine.protocol import Annotations, TextBuild
from builder.scan import Scanned
from shared.dockerfile import parse, resolve
from shared.grant import Platform
from shared.images.references import Reference

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
DIGEST = "sha256:" + "a" * 64
OTHER = "sha256:" + "b" * 64
PREFIX = "org.opencontainers.image."


def said(dockerfile: str, context: Context | None = None, **arguments: str) -> dict[str, str]:
    bases = resolve(parse(dockerfile), {}, None, Platform())
    digests = {Reference.parse("busybox:1.35"): DIGEST}
    scanned = Scanned(dockerfile, None, bases, digests, ())
    found = annotations(scanned, context or Context(Path()), arguments, NOW)
    return {name.removeprefix(PREFIX): value for name, value in found.values.items()}


def test_what_is_known_is_said() -> None:
    context = Context(Path(), commit="c" * 40, branch="main", repository="https://git.example/team/app.git")
    assert said("FROM node AS made\nFROM busybox:1.35\nCOPY --from=made /a /b\n", context) == {
        "created": "2026-03-04T05:06:07Z",
        "revision": "c" * 40,
        "source": "https://git.example/team/app.git",
        "base.name": "docker.io/library/busybox:1.35",
        "base.digest": DIGEST,
    }


def test_scratch_is_no_base() -> None:
    assert said("FROM scratch\nCOPY a /\n") == {"created": "2026-03-04T05:06:07Z"}


def test_a_base_that_is_pinned_in_the_text_keeps_its_digest() -> None:
    found = said(f"FROM busybox:1.35@{OTHER}\n")
    assert (found["base.name"], found["base.digest"]) == ("docker.io/library/busybox:1.35", OTHER)


@pytest.mark.parametrize(
    ("epoch", "time"),
    [
        ("0", "1970-01-01T00:00:00Z"),
        ("1700000000", "2023-11-14T22:13:20Z"),
        ("9" * 11, "5138-11-16T09:46:39Z"),
        ("9" * 5000, "2026-03-04T05:06:07Z"),
        ("-1", "2026-03-04T05:06:07Z"),
        ("soon", "2026-03-04T05:06:07Z"),
    ],
)
def test_the_time_may_be_given(epoch: str, time: str) -> None:
    assert said("FROM scratch\n", SOURCE_DATE_EPOCH=epoch)["created"] == time


def test_an_index_says_it_too_and_nothing_is_said_of_no_image() -> None:
    flags = annotate(Annotations({"a": "1"}, on_index=True))
    assert flags == [IMAGE, "--annotation=manifest:a=1", "--annotation=index:a=1"]
    assert annotate(Annotations()) == []


def test_a_step_reads_them_as_words_whatever_they_hold() -> None:
    build = TextBuild(text=".", directory="/", dockerfile="", annotations=Annotations({"a": "$(id) 'x'"}))
    script = client_script("/place", build)
    assert """'--annotation=manifest:a=$(id) '"'"'x'"'"''""" in script
    assert script.index("--annotation") < script.index('"$@"')
