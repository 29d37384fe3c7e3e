"""What a confined builder refuses, and what it does not."""

from pathlib import Path

import pytest

from builder.engine.limits import refusal
from builder.engine.protocol import ImageBuild
from shared.grant import NamedValue, Platform

REFUSED = {
    "RUN --mount=type=bind,from=busybox,target=/b true": "RUN mounts from busybox",
    "RUN --mount=from=a,target=/b true": "RUN mounts from a",
    "RUN --mount=type=tmpfs,target=/t true": "RUN mounts a tmpfs",
    "RUN --mount=type=ssh true": "RUN mounts a ssh",
    "RUN --network=none true": "RUN asks for --network=none",
    "RUN --network=host true": "RUN asks for --network=host",
    "RUN --security=insecure true": "RUN asks for --security=insecure",
    "ADD --checksum=sha256:aa https://h.example/x /x": "ADD asks for --checksum",
    "ADD https://git.example/a.git#v1 /x": "ADD takes the git repository https://git.example/a.git",
    "ADD git@git.example:a/b /x": "ADD takes the git repository git@git.example:a/b",
    "ONBUILD RUN --network=none true": "RUN asks for --network=none",
}
FINE = [
    "RUN --mount=type=cache,target=/c true",
    "RUN --mount=type=secret,id=s true",
    "RUN --mount=type=bind,source=x,target=/x true",
    "RUN --mount=target=/x true",
    "RUN --network=default true",
    "RUN <<EOF\ntrue\nEOF",
    "COPY --link --chmod=755 x /x",
    "COPY --from=a /x /x",
    "ADD https://h.example/x.tar /x",
    "ADD x.git /x",
]


def why(text: str, *platforms: Platform, **fields: object) -> str:
    wanted = platforms or (Platform(),)
    build = ImageBuild(context=Path("/w"), dockerfile=text, platforms=wanted, **fields)  # type: ignore[arg-type] # of the test
    return refusal(build, "amd64") or ""


@pytest.mark.parametrize("line", REFUSED)
def test_what_would_be_left_out_silently_is_refused_with_its_line_and_a_way_out(line: str) -> None:
    said = why(f"FROM scratch AS a\nFROM busybox\n{line}\n")
    assert said.startswith(f"line 3: {REFUSED[line]}, which a confined builder cannot do")
    assert "an agent pool" in said


@pytest.mark.parametrize("line", FINE)
def test_what_kaniko_does_is_built(line: str) -> None:
    assert why(f"FROM scratch AS a\nFROM busybox\n{line}\n") == ""


def test_stages_that_the_target_does_not_reach_do_not_matter() -> None:
    text = "FROM scratch AS a\nFROM busybox AS b\nRUN --network=none true\n"
    assert why(text, target="a") == ""
    assert "line 3" in why(text)


ARM = Platform(architecture="arm64")


def test_a_run_for_another_processor_is_refused_but_files_may_be_copied() -> None:
    assert "line 2: RUN would run programs for linux/arm64" in why("FROM busybox\nRUN true\n", ARM)
    assert why("FROM busybox\nCOPY x /x\n", ARM) == ""
    assert why("FROM busybox\nRUN true\n", Platform(architecture="386")) == ""


def test_the_platform_of_a_stage_is_that_of_its_own_from() -> None:
    text = "ARG P=linux/arm64\nFROM --platform=$P busybox\nRUN true\n"
    assert "linux/arm64" in why(text)
    assert why(text, arguments=(NamedValue(name="P", value="linux/amd64"),)) == ""
    across = "FROM --platform=$BUILDPLATFORM busybox AS tools\nRUN true\nFROM busybox\nCOPY --from=tools /x /x\n"
    assert why(across, ARM) == ""


def test_windows_is_refused() -> None:
    assert "windows/amd64" in why("FROM busybox\nCOPY x /x\n", Platform(os="windows"))


def test_an_index_is_refused() -> None:
    assert why("FROM scratch\nCOPY x /x\n", Platform(), ARM).startswith("the build is for several platforms, which")
