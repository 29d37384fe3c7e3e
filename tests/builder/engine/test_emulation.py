"""Which machines need an emulator, and what the kernel is told about it."""

import platform as machine
from pathlib import Path

import pytest

from builder.engine import emulation
from builder.engine.emulation import PROCESSORS, emulate, is_native
from shared.grant import Platform

ARM64 = Platform(architecture="arm64")


@pytest.mark.parametrize(
    ("platform", "kernel", "native"),
    [
        (Platform(), "x86_64", True),
        (Platform(architecture="386"), "x86_64", True),
        (ARM64, "x86_64", False),
        (ARM64, "aarch64", True),
        (Platform(architecture="arm", variant="v7"), "aarch64", True),
        (Platform(), "aarch64", False),
        (Platform(architecture="riscv64"), "riscv64", True),
        (Platform(os="windows"), "x86_64", False),
    ],
)
def test_what_a_machine_runs_itself(platform: Platform, kernel: str, native: object) -> None:
    assert is_native(platform, kernel) is native


def test_the_head_of_a_file_is_told_as_elf_writes_it() -> None:
    arm64, s390x = PROCESSORS["arm64"].magic, PROCESSORS["s390x"].magic
    assert arm64.hex() == "7f454c46020101000000000000000000" + "0200b700"
    assert s390x.hex() == "7f454c46020201000000000000000000" + "00020016"
    assert all(len(one.magic) == len(one.mask) == 20 for one in PROCESSORS.values())


@pytest.mark.parametrize("processor", PROCESSORS.values())
def test_programs_and_shared_objects_count_of_any_system(processor: emulation.Processor) -> None:
    order = "little" if processor.is_little else "big"
    for kind, system in ((2, 0), (3, 0), (2, 3)):
        head = bytearray(processor.magic)
        head[7], head[16:18] = system, kind.to_bytes(2, order)  # type: ignore[arg-type] # one of the two
        assert bytes(a & b for a, b in zip(head, processor.mask, strict=True)) == bytes(
            a & b for a, b in zip(processor.magic, processor.mask, strict=True)
        )


@pytest.fixture
def handlers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in for the kernel's file system, which only root may mount."""
    folder = tmp_path / "binfmt"
    folder.mkdir()
    for name in ("register", "status"):
        (folder / name).touch()
    monkeypatch.setattr(emulation, "_mounted", lambda given: given)
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    return folder


def test_the_kernel_is_told_once(handlers: Path, tmp_path: Path) -> None:
    assert emulate(ARM64, tmp_path) is None
    told = (handlers / "register").read_text()
    assert told.startswith(r":slipway-arm64:M::\x7f\x45\x4c\x46\x02")
    assert told.endswith(":/usr/bin/qemu-aarch64:PF")


def test_a_handler_that_is_there_is_used(handlers: Path, tmp_path: Path) -> None:
    known = handlers / "qemu-aarch64"
    known.write_text(f"enabled\ninterpreter /x\nflags: F\noffset 0\nmagic {PROCESSORS['arm64'].magic.hex()}\n")
    assert emulate(ARM64, tmp_path) is None
    assert (handlers / "register").read_text() == ""
    known.write_text(known.read_text().replace("enabled", "disabled"))
    emulate(ARM64, tmp_path)
    assert (handlers / "register").read_text() != ""


def test_a_builder_that_may_not_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_folder: Path) -> Path:
        raise PermissionError

    monkeypatch.setattr(emulation, "_mounted", refuse)
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    assert emulate(ARM64, tmp_path) == "this builder may not emulate linux/arm64 (PermissionError)"
    assert emulate(Platform(), tmp_path) is None


def test_an_image_of_windows_needs_no_emulation(tmp_path: Path) -> None:
    assert emulate(Platform(os="windows"), tmp_path) is None


@pytest.mark.parametrize("platform", [Platform(os="freebsd"), Platform(architecture="loong64")])
def test_what_nobody_emulates_is_said(platform: Platform, tmp_path: Path) -> None:
    assert emulate(platform, tmp_path) == f"{platform} cannot be emulated on {machine.machine()}"
