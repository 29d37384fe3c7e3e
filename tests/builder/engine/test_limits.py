"""What a confined builder refuses, and what it does not."""

from pathlib import Path

import pytest

from builder.engine.executor import NEEDED, Executor
from builder.engine.limits import Place, refusal
from builder.engine.protocol import ImageBuild
from shared.grant import NamedValue, Platform

NEWEST = Executor("v1.28.4", NEEDED | {"secret", "image-format"})
OLDER = Executor("v1.27.2", NEEDED | {"secret"})
GOOGLE = Executor("v1.24.0", NEEDED)

MOUNTS = ("/proc", "/etc/hosts")

REFUSED = {
    "RUN --mount=type=bind,from=busybox,target=/b true": "RUN mounts from busybox",
    "RUN --mount=from=a,target=/b true": "RUN mounts from a",
    "RUN --mount=type=tmpfs,target=/t true": "RUN mounts a tmpfs",
    "RUN --mount=type=ssh true": "RUN mounts a ssh",
    "RUN --network=none true": "RUN asks for --network=none",
    "RUN --network=host true": "RUN asks for --network=host",
    "RUN --security=insecure true": "RUN asks for --security=insecure",
    "ADD --checksum=sha256:aa https://h.example/x /x": "ADD asks for --checksum",
    "ADD --exclude=*.md x /x": "ADD asks for --exclude",
    "COPY x /kaniko/x": "COPY writes to /kaniko/x, of which kaniko puts nothing into an image",
    "ADD x /kaniko": "ADD writes to /kaniko, of which",
    "WORKDIR /kaniko/a/../b": "WORKDIR writes to /kaniko/b, of which",
    "COPY hosts /etc/hosts": "COPY writes to /etc/hosts, of which",
    'COPY ["conf/hosts", "/etc/"]': "COPY writes to /etc/hosts, of which",
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
    "COPY --exclude=*.md --parents x /x",
    "COPY <<EOF /x\n$A\nEOF",
    "COPY x /kaniko.md",
    "COPY hosts /etc/hosts.d/",
    "USER a:b\nRUN true\nCOPY x /x",
    "COPY --from=a /x /x",
    "ADD https://h.example/x.tar /x",
    "ADD x.git /x",
]


UNKNOWN_TO = {
    "RUN --mount=type=cache,target=/c true": (GOOGLE, "RUN mounts a cache"),
    "RUN --mount=type=secret,id=s true": (GOOGLE, "RUN mounts a secret"),
    "RUN --mount=target=/x true": (OLDER, "RUN mounts a bind"),
    "RUN <<EOF\ntrue\nEOF": (GOOGLE, "RUN has a heredoc, and kaniko v1.24.0 knows none"),
    "COPY <<EOF /x\n$A\nEOF": (OLDER, "COPY has a heredoc with variables, and kaniko v1.27.2 leaves them"),
    "COPY --exclude=*.md x /x": (OLDER, "COPY asks for --exclude"),
    "USER a\nCOPY x /x": (GOOGLE, "COPY gives files to root, and kaniko v1.24.0 gives them to a"),
    "USER a:b\nRUN true": (OLDER, "RUN has the group b, and kaniko v1.27.2 takes the user's own"),
}
KNOWN_TO = {
    "RUN --mount=type=cache,target=/c true": OLDER,
    "RUN <<EOF\n$A\nEOF": OLDER,
    "COPY <<'EOF' /x\n$A\nEOF": OLDER,
    "COPY --from=a --chown=1:1 /x /x": GOOGLE,
    "USER root\nCOPY x /x": GOOGLE,
    "USER a\nCOPY --chown=a x /x": GOOGLE,
    "USER a\nCOPY x /x": OLDER,
}


def why(text: str, *platforms: Platform, kaniko: Executor = NEWEST, **fields: object) -> str:
    wanted = platforms or (Platform(),)
    build = ImageBuild(context=Path("/w"), dockerfile=text, platforms=wanted, **fields)  # type: ignore[arg-type] # of the test
    return refusal(build, Place("amd64", kaniko, MOUNTS)) or ""


@pytest.mark.parametrize("line", REFUSED)
def test_what_would_be_left_out_silently_is_refused_with_its_line_and_a_way_out(line: str) -> None:
    said = why(f"FROM scratch AS a\nFROM busybox\n{line}\n")
    assert said.startswith(f"line 3: {REFUSED[line]}")
    assert ", which a confined builder cannot do: " in said
    assert "an agent pool" in said


@pytest.mark.parametrize("line", FINE)
def test_what_kaniko_does_is_built(line: str) -> None:
    assert why(f"FROM scratch AS a\nFROM busybox\n{line}\n") == ""


@pytest.mark.parametrize("line", UNKNOWN_TO)
def test_what_a_release_leaves_out_is_refused_with_it(line: str) -> None:
    kaniko, said = UNKNOWN_TO[line]
    assert why(f"FROM scratch AS a\n{line}\n", kaniko=kaniko).startswith(f"line {line.count('USER') + 2}: {said}")
    assert why(f"FROM scratch AS a\n{line}\n") == ""


@pytest.mark.parametrize("line", KNOWN_TO)
def test_what_a_release_does_is_built_with_it(line: str) -> None:
    assert why(f"FROM scratch AS a\nFROM scratch\n{line}\n", kaniko=KNOWN_TO[line]) == ""


def test_a_frontend_of_somebody_else_is_refused() -> None:
    assert why("# syntax=example.com/front:1\nFROM scratch\nCOPY x /x\n").startswith(
        "the Dockerfile is to be read by the frontend example.com/front:1, which a confined builder cannot do"
    )
    assert why("# syntax=docker/dockerfile:1\nFROM scratch\nCOPY x /x\n") == ""


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


def test_a_base_for_another_platform_than_the_image_s_is_refused() -> None:
    across = "FROM --platform=$BUILDPLATFORM busybox AS tools\nRUN true\nFROM busybox\nCOPY --from=tools /x /x\n"
    assert why(across, ARM).startswith("line 1: FROM asks for linux/amd64 in a build for linux/arm64, which")
    assert why(across) == "", "what it would take is what was asked for"
    assert why("FROM --platform=linux/arm64 scratch\nCOPY x /x\n") == "", "there is nothing to take"


def test_windows_is_refused() -> None:
    assert "windows/amd64" in why("FROM busybox\nCOPY x /x\n", Platform(os="windows"))


def test_an_index_is_refused() -> None:
    assert why("FROM scratch\nCOPY x /x\n", Platform(), ARM).startswith("the build is for several platforms, which")
