"""A container's standard output, kept in one file that never grows over a limit."""

import os
import threading
from dataclasses import dataclass
from pathlib import Path

LARGEST_LOG = 4 * 1024**2
"""Bytes. Azure keeps as much of a running container's log."""


@dataclass
class OutputFile:
    """Appends what a pipe gives to `path`. Over the limit the older half is dropped, at a line's start."""

    path: Path
    limit: int = LARGEST_LOG

    def follow(self, pipe: int) -> threading.Thread:
        """Copy from the pipe on a thread of its own until the pipe ends; the pipe is closed then."""
        thread = threading.Thread(target=self._copy, args=(pipe,), daemon=True)
        thread.start()
        return thread

    def _copy(self, pipe: int) -> None:
        with self.path.open("r+b" if self.path.exists() else "w+b", buffering=0) as log:
            size = log.seek(0, os.SEEK_END)
            while data := os.read(pipe, 65_536):
                log.write(data)
                size += len(data)
                if size > self.limit:
                    size = self._halve(log.fileno(), size)
        os.close(pipe)

    def _halve(self, log: int, size: int) -> int:
        kept = os.pread(log, self.limit // 2, size - self.limit // 2)
        kept = kept[kept.find(b"\n") + 1 :]
        os.ftruncate(log, 0)
        os.lseek(log, 0, os.SEEK_SET)
        os.write(log, kept)
        return len(kept)
