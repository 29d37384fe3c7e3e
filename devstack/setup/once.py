"""Things that are made once per machine: safe when interrupted, and when two processes want the same."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from devstack import files, progress

READY = ".ready"
"""Written last: a directory without it is a torso and is made anew."""


@dataclass(frozen=True)
class Made:
    """A directory named after what it is made from, and how to fill it."""

    title: str
    directory: Path
    fill: Callable[[Path], None]

    @property
    def is_ready(self) -> bool:
        """Whether the directory is there and whole."""
        return (self.directory / READY).exists()

    def ensure(self) -> Path:
        """Make the directory unless it is there; whoever else makes it is waited for.

        It is filled in its final place, because programs that pip and npm install know where they lie.
        """
        if self.is_ready:
            return self.directory
        with progress.step(self.title), files.locked(self.directory.with_name(self.directory.name + ".lock")):
            if not self.is_ready:
                shutil.rmtree(self.directory, ignore_errors=True)
                self.directory.mkdir(parents=True)
                self.fill(self.directory)
                files.write(self.directory / READY, "")
        return self.directory
