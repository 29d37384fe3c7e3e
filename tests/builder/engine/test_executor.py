"""What an executor's own help tells of it."""

import asyncio
from pathlib import Path

import pytest

from builder.engine.executor import NEEDED, Executor, ask
from builder.faults import EngineUnavailable

HELP = "Usage:\n  executor [flags]\n\nFlags:\n" + "".join(
    f"      --{name} string   Words.\n" for name in sorted(NEEDED)
)
SUCCESSOR = f"{HELP}  -s, --secret secret   As in --mount=type=secret.\n"


def read(version: str, text: str = SUCCESSOR) -> Executor:
    return Executor.read(text, f"Kaniko version :  {version}\n")


def test_flags_are_those_that_the_help_lists_and_no_word_of_its_sentences() -> None:
    assert read("v1.28.4").flags == NEEDED | {"secret"}


@pytest.mark.parametrize("name", sorted(NEEDED))
def test_what_lacks_a_flag_is_no_kaniko_to_build_with(name: str) -> None:
    with pytest.raises(EngineUnavailable, match=f"no --{name}"):
        read("v1.0.0", HELP.replace(f"--{name} ", "--another "))


def test_mounts_are_those_of_the_release() -> None:
    assert read("v1.24.0", HELP).mounts == frozenset()
    assert read("v1.27.2").mounts == {"cache", "secret"}
    assert read("v1.27.3-debug").mounts == {"bind", "cache", "secret"}
    assert read("v0.0.0-unset").mounts == {"cache", "secret"}
    assert read("v0.0.0-unset", f"{SUCCESSOR}      --image-format format   Words.\n").mounts == {
        "bind",
        "cache",
        "secret",
    }


def test_switches_are_set_where_the_release_has_them_off() -> None:
    assert "FF_KANIKO_RUN_MOUNT_SECRET" in read("v1.27.2").switches()
    assert "FF_KANIKO_RUN_MOUNT_SECRET" not in read("v1.28.0").switches()
    assert read("v1.28.0").switches()["FF_KANIKO_COPY_AS_ROOT"] == "true"


def test_a_version_that_is_not_told_is_left_out_of_sentences() -> None:
    assert str(read("")) == "kaniko"
    assert str(read("v1.28.4")) == "kaniko v1.28.4"


def test_flags_that_are_unknown_are_left_out() -> None:
    assert list(read("v1.28.4").optional(secret="a", image_format="oci")) == ["--secret=a"]


def test_a_program_of_another_machine_is_told_as_what_it_is(tmp_path: Path) -> None:
    program = tmp_path / "executor"
    program.write_bytes(b"\x7fELF?")
    program.chmod(0o755)
    with pytest.raises(EngineUnavailable, match="cannot be started"):
        asyncio.run(ask(program, {}))


def test_a_program_that_fails_is_told_with_its_last_words(tmp_path: Path) -> None:
    program = tmp_path / "executor"
    program.write_text("#!/bin/sh\necho 'no such thing'\nexit 3\n")
    program.chmod(0o755)
    with pytest.raises(EngineUnavailable, match="ends with status 3: no such thing"):
        asyncio.run(ask(program, {}))
