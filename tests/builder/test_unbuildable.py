"""What no builder here can give is told before anything is built."""

import pytest

from builder.unbuildable import check_buildable
from shared.dockerfile import parse
from shared.errors import LanguageError
from shared.grant import Platform

LINUX, WINDOWS = Platform(), Platform(os="windows")


def check(text: str, *platforms: Platform, target: str | None = None) -> None:
    check_buildable(parse(text), {}, target, platforms or (LINUX,))


@pytest.mark.parametrize(
    "line",
    [
        "RUN --mount=type=ssh git fetch",
        "RUN --mount=type=cache,target=/x --mount=target=/y,type=SSH,required=false true",
        'RUN --mount="type=ssh",id=deploy true',
    ],
)
def test_an_agent_of_somebody_is_refused_with_a_way_out(line: str) -> None:
    with pytest.raises(LanguageError, match=r"Dockerfile line 2: RUN --mount=type=ssh .* as a secret"):
        check(f"FROM busybox\n{line}\n")


@pytest.mark.parametrize("kind", ["cache", "bind", "tmpfs", "secret"])
def test_other_mounts_are_fine(kind: str) -> None:
    check(f"FROM busybox\nRUN --mount=type={kind},target=/x true\nRUN --mount=target=/ssh true\n")


def test_windows_is_built_without_run_alone() -> None:
    text = "FROM mcr.example/nanoserver\nCOPY app.exe C:/app/\nENV A=1\nCMD app\n"
    check(text, WINDOWS)
    with pytest.raises(LanguageError, match="Dockerfile line 5: RUN for windows/amd64 needs a Windows builder"):
        check(text + "RUN dir\n", WINDOWS)
    with pytest.raises(LanguageError, match="windows/amd64"):
        check("FROM nano\nRUN dir\n", LINUX, WINDOWS)
    check("FROM nano\nRUN dir\n", LINUX)


def test_a_stage_of_the_builders_own_platform_may_run() -> None:
    check("FROM --platform=$BUILDPLATFORM golang AS b\nRUN make\nFROM nano\nCOPY --from=b /a /\n", WINDOWS)
    check("FROM --platform=linux/amd64 x AS b\nFROM b AS c\nRUN make\nFROM nano\nCOPY --from=c /a /\n", WINDOWS)
    with pytest.raises(LanguageError, match="line 2"):
        check("FROM --platform=windows/amd64 x AS b\nRUN make\nFROM nano\nCOPY --from=b /a /\n", LINUX)


def test_a_stage_that_is_not_reached_does_not_count() -> None:
    text = "FROM nano AS tests\nRUN dir\nFROM nano AS app\nCOPY a /\n"
    check(text, WINDOWS)
    with pytest.raises(LanguageError, match="line 2"):
        check(text, WINDOWS, target="tests")
