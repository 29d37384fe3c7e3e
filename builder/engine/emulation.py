"""Programs of other processors, run by QEMU: the kernel is told once which interpreter reads which kind of ELF file.

The kernel keeps these handlers for everybody, so one that is there already is used as it is. Ours are called
`slipway-<name>`, hold their interpreter open (flag F), so that no container has to bring it, and hand on the name by
which a program was called (flag P, Linux 5.12), by which busybox knows what it is. They stay for as long as their
file system is mounted somewhere (Linux 6.7 and later), so here until the builder ends, or until its machine does.
"""

import errno
import os
import platform as machine
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from shared.grant import Platform

_PREFIX: Final = "slipway-"
_PATIENCE: Final = 10


@dataclass(frozen=True, slots=True)
class Processor:
    """How ELF files of a processor begin, and the program that runs them."""

    interpreter: str
    machine: int
    bits: int = 64
    is_little: bool = True

    @property
    def magic(self) -> bytes:
        """The first bytes of an executable."""
        order: Literal["little", "big"] = "little" if self.is_little else "big"
        ident = b"\x7fELF" + bytes((self.bits // 32, 1 if self.is_little else 2, 1, 0)) + bytes(8)
        return ident + (2).to_bytes(2, order) + self.machine.to_bytes(2, order)

    @property
    def mask(self) -> bytes:
        """Which bits of them count: any operating system, and shared objects too."""
        kind = b"\xfe\xff" if self.is_little else b"\xff\xfe"
        return b"\xff" * 7 + b"\x00" + b"\xff" * 8 + kind + b"\xff\xff"


PROCESSORS: Final = {
    "arm": Processor("qemu-arm", 0x28, bits=32),
    "arm64": Processor("qemu-aarch64", 0xB7),
    "386": Processor("qemu-i386", 0x03, bits=32),
    "amd64": Processor("qemu-x86_64", 0x3E),
    "ppc64le": Processor("qemu-ppc64le", 0x15),
    "riscv64": Processor("qemu-riscv64", 0xF3),
    "s390x": Processor("qemu-s390x", 0x16, is_little=False),
}
"""By Go's names. Source of the numbers: the ELF specification's e_machine."""
_NATIVE: Final = {"x86_64": ("amd64", "386"), "aarch64": ("arm64", "arm"), "armv7l": ("arm",)}
INTERPRETERS: Final = Path("/usr/bin")


def is_native(platform: Platform, kernel: str) -> bool:
    """Whether a machine, by the name that its kernel gives it, runs programs of a platform itself."""
    return platform.os == "linux" and platform.architecture in _NATIVE.get(kernel, (kernel,))


def emulate(platform: Platform, private: Path) -> str | None:
    """See that programs of a platform run here; answer why they cannot. `private` is a directory of ours.

    An image of Windows is built without running any program of it, so nothing is needed for that.
    """
    kernel = machine.machine()
    if platform.os == "windows" or is_native(platform, kernel):
        return None
    processor = PROCESSORS.get(platform.architecture)
    if platform.os != "linux" or processor is None:
        return f"{platform} cannot be emulated on {kernel}"
    interpreter = INTERPRETERS / processor.interpreter
    try:
        folder = _mounted(private / "binfmt")
        if not _is_handled(folder, processor):
            _register(folder, platform.architecture, processor, interpreter)
    except (OSError, subprocess.SubprocessError) as fault:
        return f"this builder may not emulate {platform} ({type(fault).__name__})"
    return None


def _mounted(folder: Path) -> Path:
    """Show the kernel's handlers in a folder, and go on showing them."""
    folder.mkdir(mode=0o700, exist_ok=True)
    if not folder.is_mount():
        argv = ["mount", "-t", "binfmt_misc", "none", str(folder)]
        subprocess.run(argv, check=True, capture_output=True, timeout=_PATIENCE)
    return folder


def _is_handled(folder: Path, processor: Processor) -> bool:
    """Look for a handler in force that begins as ours would."""
    wanted = f"magic {processor.magic.hex()}"
    for path in folder.iterdir():
        if path.name in {"register", "status"}:
            continue
        lines = path.read_text(errors="replace").splitlines()
        if lines[:1] == ["enabled"] and wanted in lines:
            return True
    return False


def _register(folder: Path, name: str, processor: Processor, interpreter: Path) -> None:
    magic, mask = ("".join(f"\\x{byte:02x}" for byte in part) for part in (processor.magic, processor.mask))
    text = f":{_PREFIX}{name}:M::{magic}:{mask}:{interpreter}:PF"
    try:
        fd = os.open(folder / "register", os.O_WRONLY)
        try:
            os.write(fd, text.encode())
        finally:
            os.close(fd)
    except OSError as fault:
        if fault.errno != errno.EEXIST:  # another builder was faster
            raise
