"""Start one container from its order, end it, say how it ended."""

import os
import re
import signal
import subprocess
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from devstack.container_groups.orders import Exit, Order, Started
from devstack.container_groups.shim import kernel
from devstack.container_groups.shim.output import OutputFile

_DRAIN_SECONDS = 2.0
_FAILED_TO_START = 128


@dataclass
class Container:
    """One container of this shim. `init` is its first process, 0 while there is none."""

    order: Order
    init: int = 0
    started: str | None = None
    output: threading.Thread | None = None

    @property
    def directory(self) -> Path:
        """The container's directory."""
        return Path(self.order.directory)

    def start(self, namespace: int) -> None:
        """Run the bundle inside the network namespace given as an open file.

        Raises `OSError` with runc's own sentence when the container cannot be made.
        """
        self._prepare(namespace)
        pipe_read, pipe_write = os.pipe()
        self.output = OutputFile(self.directory / "output.log").follow(pipe_read)
        try:
            self._run(pipe_write)
        finally:
            os.close(pipe_write)
        self.started = _now()
        self.init = int((self.directory / "init.pid").read_text(encoding="ascii"))
        Started(self.started).save(self.directory / "started.json")

    def ended(self, status: int) -> Exit:
        """Return how the first process ended; every process of the container is gone by then."""
        self.init = 0
        if self.output:
            self.output.join(_DRAIN_SECONDS)
        code = os.waitstatus_to_exitcode(status)
        code = code if code >= 0 else 128 - code
        return Exit(exit_code=code, reason=self._reason(code), finished=_now(), started=self.started)

    def failure(self, error: OSError) -> Exit:
        """Return the end of a container that never ran."""
        message = error.strerror or str(error)
        return Exit(exit_code=_FAILED_TO_START, reason="FailedToStart", finished=_now(), message=message)

    def remove(self) -> None:
        """Drop runc's state and the control groups."""
        command = ["runc", "--root", self.order.runc_root, "delete", "--force", self.order.container]
        subprocess.run(command, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def _prepare(self, namespace: int) -> None:
        for name in ("upper", "work", "docker", "bundle/rootfs"):
            (self.directory / name).mkdir(parents=True, exist_ok=True)
        self._write_names()
        lower, upper, work = self.order.lower, self.directory / "upper", self.directory / "work"
        kernel.mount_overlay(lower, str(upper), str(work), str(self.directory / "bundle" / "rootfs"))
        (self.directory / "network").touch()
        kernel.bind(f"/proc/self/fd/{namespace}", str(self.directory / "network"))

    def _write_names(self) -> None:
        for etc in (self.directory / "upper" / "etc", self.directory / "names"):
            etc.mkdir(exist_ok=True)
            self._write_names_into(etc)

    def _write_names_into(self, etc: Path) -> None:
        own = {"localhost": "127.0.0.1", self.order.hostname: "127.0.0.1", **self.order.hosts}
        lines = "".join(f"{address}\t{name}\n" for name, address in own.items())
        (etc / "hosts").write_text(lines, encoding="utf-8")
        (etc / "hostname").write_text(f"{self.order.hostname}\n", encoding="utf-8")
        (etc / "resolv.conf").write_text(f"nameserver {self.order.resolver}\n", encoding="utf-8")

    def _run(self, output: int) -> None:
        log = self.directory / "runc.log"
        command = [
            "runc", "--root", self.order.runc_root, "--log", str(log), "run", "--detach",
            "--bundle", str(self.directory / "bundle"), "--pid-file", str(self.directory / "init.pid"),
            self.order.container,
        ]  # fmt: skip
        done = subprocess.run(command, check=False, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        if done.returncode != 0:
            raise OSError(_last_error(log) or f"runc ended with status {done.returncode}")

    def kill(self) -> None:
        """Kill the first process; the kernel then kills the whole PID namespace."""
        if self.init:
            os.kill(self.init, signal.SIGKILL)

    def _reason(self, code: int) -> str:
        if code == 0:
            return "Completed"
        return "OOMKilled" if code == 128 + signal.SIGKILL and _oom_kills(self.order.cgroup) else "Error"


def _oom_kills(cgroup: str) -> int:
    """Count what the kernel killed for lack of memory, under either version of control groups."""
    root = Path("/sys/fs/cgroup")
    for path in (root / "memory" / cgroup / "memory.oom_control", root / cgroup / "memory.events"):
        if path.exists() and (found := re.search(r"^oom_kill (\d+)$", path.read_text(encoding="ascii"), re.MULTILINE)):
            return int(found[1])
    return 0


def _last_error(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.exists() else []
    found = re.search(r'level=error msg="((?:[^"\\]|\\.)*)"', lines[-1]) if lines else None
    return found[1].replace('\\"', '"') if found else ""


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
