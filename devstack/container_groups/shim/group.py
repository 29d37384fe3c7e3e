"""The containers of one group: some before the others, the rest side by side, in one network namespace."""

import os
import signal
from collections.abc import Iterator
from types import FrameType

from devstack.container_groups.orders import Exit, Order
from devstack.container_groups.shim.container import Container


class Containers:
    """All containers of this shim. SIGTERM to the shim ends them, at any moment."""

    def __init__(self, order: Order) -> None:
        self.first = Container(order)
        self._before = [Container(Order(**each)) for each in order.before]
        self._others = [Container(Order(**each)) for each in order.others]
        self._stopping = False

    def start(self, namespace: int) -> None:
        """Run those that come before to their end, then start the rest.

        Raises `OSError` with a sentence, and with everything ended, when one cannot be made or fails before.
        """
        signal.signal(signal.SIGTERM, self._stop)
        try:
            for container in self._before:
                self._start(container, namespace)
                self._run_before(container)
            for container in (self.first, *self._others):
                self._start(container, namespace)
        except OSError:
            self._kill()
            self.wait()
            raise

    def wait(self) -> None:
        """Return when all have ended; each one's end is written down as it comes."""
        while running := {container.init: container for container in self._all() if container.init}:
            pid, status = os.waitpid(-1, 0)
            if pid in running:
                self._note(running[pid], status)

    def failure(self, error: OSError) -> Exit:
        """Write down, and return, the end of a group that never ran."""
        ended = self.first.failure(error)
        ended.save(self.first.directory / "exit.json")
        return ended

    def remove(self) -> None:
        """Drop what runc knows of them."""
        for container in self._all():
            container.remove()

    def _start(self, container: Container, namespace: int) -> None:
        container.start(namespace)
        if self._stopping:
            container.kill()

    def _run_before(self, container: Container) -> None:
        code = 0
        while container.init:
            pid, status = os.waitpid(-1, 0)
            if pid == container.init:
                code = self._note(container, status).exit_code
        if code:
            name = container.order.container.rpartition(".")[2]
            raise OSError(0, f"The init container '{name}' ended with exit code {code}.")

    @staticmethod
    def _note(container: Container, status: int) -> Exit:
        ended = container.ended(status)
        ended.save(container.directory / "exit.json")
        return ended

    def _all(self) -> Iterator[Container]:
        yield from (*self._before, self.first, *self._others)

    def _stop(self, _signal: int, _frame: FrameType | None) -> None:
        self._stopping = True
        self._kill()

    def _kill(self) -> None:
        for container in self._all():
            container.kill()
