"""Runs a program in a root of its own as in Azure's Standard groups: 14 capabilities, a filter like Docker's.

Where we may make namespaces and mounts, the program gets them. Where we are confined ourselves, it is as we are, and
sees a `/proc` and a `/dev` that hold just what kaniko looks at.
"""

import contextlib
import ctypes
import os
import shutil
import signal
import stat
import sys
from pathlib import Path

from devstack.container_groups.bundle import _CAPABILITY_NUMBERS, _DOCKER_CAPABILITIES
from devstack.container_groups.seccomp import FILTER

_MS_BIND, _MS_PRIVATE, _MS_REC = 4096, 1 << 18, 16384
_PR_SET_PDEATHSIG, _PR_CAPBSET_DROP = 1, 24
_ALLOW, _REFUSE, _MASKED = 0x7FFF0000, 0x00050000, 7
_NO_NEW_PRIVILEGES = 3
_DEVICES = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9)}
NAMES = {"hosts": "127.0.0.1 localhost\n", "hostname": "confined\n", "resolv.conf": ""}
_MOUNTED = "25 24 0:5 / {} rw - tmpfs tmpfs rw\n"
_LIBC = ctypes.CDLL(None, use_errno=True)
PROGRAM = """#!{python}
import sys
sys.path.insert(0, {checkout!r})
from tests.builder.engine import confining
confining.main({root!r})
"""


class _Comparison(ctypes.Structure):
    _fields_ = (("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64))


def may_make_namespaces() -> bool:
    """Whether this process may, which one under Azure's profile may not."""
    child = os.fork()
    if not child:
        with contextlib.suppress(OSError):
            os.unshare(os.CLONE_NEWNS)
            os._exit(0)
        os._exit(1)
    return os.waitpid(child, 0)[1] == 0


def main(root: str) -> None:
    """Become `/kaniko/real` in `root`, with the words and the environment that we were given."""
    words = ["/kaniko/real", *(word.replace(root, "") for word in sys.argv[1:])]
    environment = {name: value.replace(root, "") for name, value in os.environ.items()}
    if may_make_namespaces():
        library = ctypes.CDLL("libseccomp.so.2")
        os.unshare(os.CLONE_NEWNS | os.CLONE_NEWPID | os.CLONE_NEWIPC | os.CLONE_NEWUTS)
        if child := os.fork():
            sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        _mount_all(Path(root))
        os.chroot(root)
        os.chdir("/")
        _confine(library)
    else:
        _pretend(Path(root))
        os.chroot(root)
        os.chdir("/")
    os.execve(words[0], words, environment)  # noqa: S606 - what we are for


def _mount(source: str, target: Path, kind: str = "", flags: int = 0) -> None:
    if _LIBC.mount(source.encode(), str(target).encode(), kind.encode(), flags, None):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(target))


def _mount_all(root: Path) -> None:
    _mount("none", Path("/"), flags=_MS_REC | _MS_PRIVATE)
    for name, kind in (("proc", "proc"), ("dev", "tmpfs")):
        (root / name).mkdir(exist_ok=True)
        _mount(kind, root / name, kind)
    _make_devices(root / "dev")
    (root / "etc").mkdir(exist_ok=True)
    for name, text in NAMES.items():
        source = root / "kaniko" / f"{name}.name"
        source.write_text(text)
        (root / "etc" / name).touch()
        _mount(str(source), root / "etc" / name, flags=_MS_BIND)


def _make_devices(folder: Path) -> None:
    for name, numbers in _DEVICES.items():
        with contextlib.suppress(FileExistsError):
            os.mknod(folder / name, stat.S_IFCHR | 0o666, os.makedev(*numbers))
            (folder / name).chmod(0o666)


def _pretend(root: Path) -> None:
    """Put down what kaniko reads of a `/proc`, and what it and programs open in a `/dev`."""
    own = root / "proc" / "self"
    own.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        # kaniko learns its folder from it, and a busybox starts its own programs by it.
        (own / "exe").symlink_to("/kaniko/busybox")
    (own / "mountinfo").write_text("".join(_MOUNTED.format(place) for place in ("/", "/proc", "/dev")))
    (root / "dev").mkdir(exist_ok=True)
    _make_devices(root / "dev")
    (root / "etc").mkdir(exist_ok=True)


def _confine(library: ctypes.CDLL) -> None:
    kept = {_CAPABILITY_NUMBERS.index(name) for name in _DOCKER_CAPABILITIES}
    last = int(Path("/proc/sys/kernel/cap_last_cap").read_text())
    _filter_calls(library)
    for number in set(range(last + 1)) - kept:
        _LIBC.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0)


def _filter_calls(library: ctypes.CDLL) -> None:
    library.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(library.seccomp_init(ctypes.c_uint32(_ALLOW)))
    library.seccomp_attr_set(context, _NO_NEW_PRIVILEGES, ctypes.c_uint32(0))
    for rule in FILTER["syscalls"]:
        action = ctypes.c_uint32(_REFUSE | rule["errnoRet"])
        compared = [_Comparison(one["index"], _MASKED, one["value"], one["valueTwo"]) for one in rule.get("args", [])]
        array = (_Comparison * len(compared))(*compared)
        for name in rule["names"]:
            if (number := library.seccomp_syscall_resolve_name(name.encode())) >= 0:
                library.seccomp_rule_add_array(context, action, number, len(compared), array)
    if library.seccomp_load(context):
        raise OSError("the filter of calls cannot be loaded")


def make(root: Path, executor: Path, shell: Path, checkout: Path) -> Path:
    """Lay out a root around an executor and a busybox, and return the program that stands for it outside.

    What else lies in a folder that is called `kaniko`, as in kaniko's own images, comes along.
    """
    home = root / "kaniko"
    if executor.parent.name == "kaniko":
        shutil.copytree(executor.parent, home, symlinks=True, copy_function=_link)
    for place in (home / "slipway", root / "tmp"):
        place.mkdir(parents=True, exist_ok=True)
    _link(str(executor), str(home / "real"))
    _link(str(shell), str(home / "busybox"))
    program = home / "executor"
    program.unlink(missing_ok=True)
    program.write_text(PROGRAM.format(python=sys.executable, checkout=str(checkout), root=str(root)))
    program.chmod(0o755)
    return program


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
