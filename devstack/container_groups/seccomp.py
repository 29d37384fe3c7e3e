"""A seccomp filter with the effect that Docker's default one has on a container with Docker's default capabilities.

Docker lists what is allowed; here is what that leaves out and programs do try: new namespaces, mounts, keys, BPF, and
what is root's alone. Source: https://docs.docker.com/engine/security/seccomp/, its table of blocked calls.
"""

from collections.abc import Sequence
from typing import Any, Final

_EPERM: Final = 1
_ENOSYS: Final = 38
_NEW_NAMESPACES: Final = (
    0x00020000,  # mount
    0x02000000,  # control group
    0x04000000,  # host name
    0x08000000,  # IPC
    0x10000000,  # user
    0x20000000,  # process
    0x40000000,  # network
)
"""The flags of `clone`, from linux/sched.h."""

_REFUSED: Final = (
    "acct", "add_key", "bpf", "clock_adjtime", "clock_settime", "create_module", "delete_module", "finit_module",
    "fsconfig", "fsmount", "fsopen", "fspick", "get_kernel_syms", "get_mempolicy", "init_module", "ioperm", "iopl",
    "io_uring_enter", "io_uring_register", "io_uring_setup", "kcmp", "kexec_file_load", "kexec_load", "keyctl",
    "lookup_dcookie", "mbind", "mount", "mount_setattr", "move_mount", "move_pages", "nfsservctl",
    "open_by_handle_at", "open_tree", "perf_event_open", "pivot_root", "process_vm_readv", "process_vm_writev",
    "query_module", "quotactl", "reboot", "request_key", "set_mempolicy", "setdomainname", "sethostname", "setns",
    "settimeofday", "stime", "swapoff", "swapon", "sysfs", "syslog", "umount", "umount2", "unshare", "uselib",
    "userfaultfd", "ustat", "vhangup", "vm86", "vm86old",
)  # fmt: skip


def _refuse(names: Sequence[str], error: int, flag: int | None = None) -> dict[str, Any]:
    rule: dict[str, Any] = {"names": list(names), "action": "SCMP_ACT_ERRNO", "errnoRet": error}
    if flag is not None:
        rule["args"] = [{"index": 0, "value": flag, "valueTwo": flag, "op": "SCMP_CMP_MASKED_EQ"}]
    return rule


FILTER: Final[dict[str, Any]] = {
    "defaultAction": "SCMP_ACT_ALLOW",
    "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32", "SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"],
    "syscalls": [
        _refuse(_REFUSED, _EPERM),
        *(_refuse(["clone"], _EPERM, flag) for flag in _NEW_NAMESPACES),
        # Its flags lie in memory, where no filter sees them; programs then use `clone`.
        _refuse(["clone3"], _ENOSYS),
    ],
}
