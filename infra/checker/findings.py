"""What the checker has to say."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, order=True)
class Finding:
    """One fault of one file; lines count from 1."""

    file: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}"


@dataclass(frozen=True)
class Tree:
    """The checkout that is checked: its root, and its files as paths below it."""

    root: Path

    @property
    def infra(self) -> Path:
        """The folder of the Bicep files."""
        return self.root / "infra"

    def name(self, path: Path) -> str:
        """Name a file as findings do."""
        return path.relative_to(self.root).as_posix()
