"""The OCI runtime configuration (`config.json`) of one container group.

A privileged group gets what `docker run --privileged` gives: every capability that this machine can
pass on, no seccomp filter, writable control groups, `/proc/sys` and `/sys`, every device. **Its root user
is as strong as root on this machine**: it can make a device node of the disk and mount it, or set a
kernel-wide sysctl. That is what a private dockerd needs, and why build steps never run in the group
itself but in that daemon's own containers, which have none of it. `/proc/sysrq-trigger` stays read-only.

Any other group gets Docker's 14 default capabilities, masked paths and read-only kernel interfaces,
which is what Azure publishes for containers without `privileged`, and a seccomp filter with the effect of Docker's
(`seccomp`): Azure does not say whether it has one, so the stricter case is the one to live with.
"""

import json
import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from devstack.container_groups.seccomp import FILTER
from devstack.container_groups.spec import ContainerSpec

OCI_VERSION = "1.0.2"
_CPU_PERIOD = 100_000
_PROCESSES = 8192
"""One group's processes and threads; a fork bomb ends here and not at the machine's own limit."""

_DOCKER_CAPABILITIES = (
    "CAP_AUDIT_WRITE", "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_MKNOD",
    "CAP_NET_BIND_SERVICE", "CAP_NET_RAW", "CAP_SETFCAP", "CAP_SETGID", "CAP_SETPCAP", "CAP_SETUID",
    "CAP_SYS_CHROOT",
)  # fmt: skip
_CAPABILITY_NUMBERS = (
    "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_SETGID",
    "CAP_SETUID", "CAP_SETPCAP", "CAP_LINUX_IMMUTABLE", "CAP_NET_BIND_SERVICE", "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_IPC_LOCK", "CAP_IPC_OWNER", "CAP_SYS_MODULE", "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT", "CAP_SYS_PTRACE", "CAP_SYS_PACCT", "CAP_SYS_ADMIN", "CAP_SYS_BOOT", "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE", "CAP_SYS_TIME", "CAP_SYS_TTY_CONFIG", "CAP_MKNOD", "CAP_LEASE", "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL", "CAP_SETFCAP", "CAP_MAC_OVERRIDE", "CAP_MAC_ADMIN", "CAP_SYSLOG", "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND", "CAP_AUDIT_READ", "CAP_PERFMON", "CAP_BPF", "CAP_CHECKPOINT_RESTORE",
)  # fmt: skip
"""In the order of linux/capability.h: the position is the bit."""

_MASKED = (
    "/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
    "/proc/sched_debug", "/proc/scsi", "/proc/timer_list", "/proc/timer_stats", "/sys/devices/virtual/powercap",
    "/sys/firmware",
)  # fmt: skip
_READ_ONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")
_EXTRA_DEVICES = ("/dev/fuse", "/dev/net/tun", "/dev/kmsg", "/dev/loop-control", *(f"/dev/loop{n}" for n in range(8)))
_DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Machine:
    """What this machine can give: its capabilities, its limit of open files, device nodes by path."""

    capabilities: frozenset[str]
    open_files: int
    devices: tuple[dict[str, Any], ...]


@dataclass(frozen=True)
class Placement:
    """Where one container of a group lives on this machine."""

    hostname: str
    cgroup: str
    namespace: str
    """Path at which the network namespace can be opened."""
    docker_data: str
    """Directory behind `/var/lib/docker` of a privileged group: overlays do not nest on overlays."""
    names: str = ""
    """Directory of the files that are bound over /etc/hosts and its like, so that they outlive a wiped root."""
    volumes: str = ""
    """Directory of the group's volumes."""


def capabilities_of(mask: int) -> frozenset[str]:
    """Name the capabilities of a mask as `/proc/*/status` prints it."""
    return frozenset(name for bit, name in enumerate(_CAPABILITY_NUMBERS) if mask >> bit & 1)


def oci_config(
    spec: ContainerSpec, image_command: Iterable[str], image_env: Iterable[str], place: Placement, machine: Machine
) -> dict[str, Any]:
    """Return the configuration of the group's container; the root file system is `rootfs` beside it."""
    privileged = spec.privileged
    return {
        "ociVersion": OCI_VERSION,
        "hostname": place.hostname,
        "root": {"path": "rootfs", "readonly": False},
        "process": _process(spec, tuple(image_command), image_env, place, machine),
        "mounts": _mounts(place, privileged=privileged) + _volumes(spec, place),
        "linux": {
            "cgroupsPath": f"/{place.cgroup}",
            "namespaces": [
                *({"type": kind} for kind in ("pid", "mount", "ipc", "uts", "cgroup")),
                {"type": "network", "path": place.namespace},
            ],
            "resources": _resources(spec),
            "devices": list(machine.devices) if privileged else [],
            "maskedPaths": [] if privileged else list(_MASKED),
            "readonlyPaths": ["/proc/sysrq-trigger"] if privileged else list(_READ_ONLY),
        }
        | ({} if privileged else {"seccomp": FILTER}),
    }


def _process(
    spec: ContainerSpec, command: tuple[str, ...], image_env: Iterable[str], place: Placement, machine: Machine
) -> dict[str, Any]:
    wanted = frozenset(_CAPABILITY_NUMBERS if spec.privileged else _DOCKER_CAPABILITIES)
    capabilities = sorted(wanted & machine.capabilities)
    own = {"PATH": _DEFAULT_PATH, "HOSTNAME": place.hostname, "HOME": "/root"}
    environment = own | dict(line.split("=", 1) for line in image_env) | dict(spec.environment)
    return {
        "terminal": False,
        "user": {"uid": 0, "gid": 0},
        "args": list(spec.command or command),
        "env": [f"{name}={value}" for name, value in environment.items()],
        "cwd": "/",
        "capabilities": dict.fromkeys(("bounding", "effective", "permitted"), capabilities),
        "rlimits": [{"type": "RLIMIT_NOFILE", "hard": machine.open_files, "soft": machine.open_files}],
        "noNewPrivileges": False,
    }


def _mounts(place: Placement, *, privileged: bool) -> list[dict[str, Any]]:
    kernel = ["nosuid", "noexec", "nodev", "rw" if privileged else "ro"]
    mounts = [
        _mount("/proc", "proc", "proc", ["nosuid", "noexec", "nodev"]),
        _mount("/dev", "tmpfs", "tmpfs", ["nosuid", "strictatime", "mode=755", "size=65536k"]),
        _mount("/dev/pts", "devpts", "devpts", ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "gid=5"]),
        _mount("/dev/shm", "tmpfs", "shm", ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]),  # noqa: S108 - the container's
        _mount("/dev/mqueue", "mqueue", "mqueue", ["nosuid", "noexec", "nodev"]),
        _mount("/sys", "sysfs", "sysfs", kernel),
        _mount("/sys/fs/cgroup", "cgroup", "cgroup", [*kernel, "relatime"]),
    ]
    if privileged:
        mounts.append(_mount("/var/lib/docker", "bind", place.docker_data, ["bind", "rw"]))
    return mounts


def _volumes(spec: ContainerSpec, place: Placement) -> list[dict[str, Any]]:
    names = ("hosts", "hostname", "resolv.conf") if place.names and not spec.privileged else ()
    bound = [_mount(f"/etc/{name}", "bind", f"{place.names}/{name}", ["bind", "rw"]) for name in names]
    return bound + [
        _mount(mount.path, "bind", f"{place.volumes}/{mount.volume}", ["bind", "ro" if mount.read_only else "rw"])
        for mount in spec.mounts
    ]


def _mount(destination: str, kind: str, source: str, options: list[str]) -> dict[str, Any]:
    return {"destination": destination, "type": kind, "source": source, "options": options}


def _resources(spec: ContainerSpec) -> dict[str, Any]:
    devices = [{"allow": spec.privileged, "access": "rwm"}]
    return {
        "devices": devices,
        "memory": {"limit": spec.memory},
        "cpu": {"quota": max(1000, int(spec.cpu * _CPU_PERIOD)), "period": _CPU_PERIOD},
        "pids": {"limit": _PROCESSES},
    }


def read_machine() -> Machine:
    """Look at the machine that this process runs on."""
    import resource  # noqa: PLC0415 - the only effect of this module

    status = Path("/proc/self/status").read_text(encoding="ascii")
    bounding = next(line.split()[1] for line in status.splitlines() if line.startswith("CapBnd"))
    return Machine(
        capabilities=capabilities_of(int(bounding, 16)),
        open_files=resource.getrlimit(resource.RLIMIT_NOFILE)[1],
        devices=tuple(_device(path) for path in _EXTRA_DEVICES if Path(path).exists()),
    )


def _device(path: str) -> dict[str, Any]:
    found = Path(path).stat()
    kind = "b" if Path(path).is_block_device() else "c"
    return {
        "path": path, "type": kind, "major": os.major(found.st_rdev), "minor": os.minor(found.st_rdev),
        "fileMode": stat.S_IMODE(found.st_mode), "uid": 0, "gid": 0,
    }  # fmt: skip


def encode(config: dict[str, Any]) -> str:
    """Return the text of `config.json`."""
    return json.dumps(config, separators=(",", ":"))
