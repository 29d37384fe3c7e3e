"""Layers of an image laid into a root file system that is in use.

Source: https://github.com/opencontainers/image-spec/blob/main/layer.md (whiteouts, attributes). Names are resolved
inside the root, links included. What is spared (mounts, the files that the group's network is told by) stays as it is.
"""

import contextlib
import os
import shutil
import stat
import tarfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from builder.contexts.decompress import decompressed
from builder.contexts.tree import components

_MARK: Final = ".wh."
_OPAQUE: Final = ".wh..wh..opq"
_ATTRIBUTE: Final = "SCHILY.xattr."
_MOST_LINKS: Final = 40
_PIECE: Final = 1024**2


@dataclass(frozen=True, slots=True)
class Root:
    """A root file system at `top`. `spared` are paths that no layer changes, nor anything below them."""

    top: Path = Path("/")
    spared: frozenset[Path] = field(default_factory=frozenset)

    def lay(self, layer: Path) -> None:
        """Lay one layer over what is there. Raises OSError, TarError, and what `decompressed` and reading it raise."""
        made: set[Path] = set()
        with (
            layer.open("rb") as raw,
            decompressed(raw) as stream,
            tarfile.open(fileobj=stream, mode="r|", encoding="utf-8", errors="surrogateescape") as tar,
        ):
            for member in tar:
                self._entry(tar, member, made)

    def _entry(self, tar: tarfile.TarFile, member: tarfile.TarInfo, made: set[Path]) -> None:
        parts = components(member.name.lstrip("/"))
        if not parts:
            return
        folder, last = self._folder(parts[:-1]), parts[-1]
        if last == _OPAQUE:
            self._clear(folder, made)
        elif last.startswith(_MARK):
            self._remove(folder / last.removeprefix(_MARK))
        elif not self._spares(folder / last):
            self._place(tar, member, folder / last)
            made.update((folder / last, *(folder / last).parents))

    def _place(self, tar: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
        """Make what an entry describes, in place of what was there."""
        if not (member.isdir() and _is_directory(path)):
            if not self._remove(path):
                return
            if not self._make(tar, member, path):
                return
        os.chown(path, member.uid, member.gid, follow_symlinks=False)
        if not member.issym():
            path.chmod(stat.S_IMODE(member.mode))  # after chown, which takes set-user-id away
        for name, value in member.pax_headers.items():
            if name.startswith(_ATTRIBUTE):
                with contextlib.suppress(OSError):  # a kind that this file system or container does not have
                    content = value.encode("utf-8", "surrogateescape")
                    os.setxattr(path, name.removeprefix(_ATTRIBUTE), content, follow_symlinks=False)
        os.utime(path, (member.mtime, member.mtime), follow_symlinks=False)

    def _make(self, tar: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> bool:
        """Make a new file; return whether it is one with attributes of its own."""
        if member.isdir():
            path.mkdir()
        elif member.issym():
            path.symlink_to(member.linkname)
        elif member.islnk():
            parts = components(member.linkname.lstrip("/"))
            os.link(self._folder(parts[:-1]) / parts[-1], path, follow_symlinks=False)
            return False
        elif member.isfifo():
            os.mkfifo(path)
        elif member.ischr() or member.isblk():
            kind = stat.S_IFCHR if member.ischr() else stat.S_IFBLK
            try:
                os.mknod(path, kind | 0o600, os.makedev(member.devmajor, member.devminor))
            except PermissionError:
                return False
        else:
            with path.open("xb") as out:
                if content := tar.extractfile(member):
                    shutil.copyfileobj(content, out, _PIECE)
        return True

    def _folder(self, parts: tuple[str, ...]) -> Path:
        """Return where a directory really is, followed through links inside the root, made where it is missing."""
        place, left, links = self.top, list(reversed(parts)), 0
        while left:
            part = left.pop()
            if part == "..":
                place = place if place == self.top else place.parent
                continue
            step = place / part
            if step.is_symlink():
                links += 1
                if links > _MOST_LINKS:
                    raise OSError(f"too many links on the way to {'/'.join(parts)}")
                target = str(step.readlink())
                place = self.top if target.startswith("/") else place
                left.extend(part for part in reversed(target.split("/")) if part not in {"", "."})
                continue
            if not step.is_dir() and self._remove(step):
                step.mkdir()
            place = step
        return place

    def _spares(self, path: Path) -> bool:
        return path in self.spared or not self.spared.isdisjoint(path.parents)

    def _remove(self, path: Path) -> bool:
        """Remove what is there but for what is spared; return whether nothing is left."""
        if self._spares(path):
            return False
        if not _is_directory(path):
            path.unlink(missing_ok=True)
            return True
        free = [self._remove(child) for child in path.iterdir()]
        if all(free):
            path.rmdir()
        return all(free)

    def _clear(self, folder: Path, made: set[Path]) -> None:
        """Remove what lower layers have put into a directory."""
        for child in folder.iterdir():
            if child not in made:
                self._remove(child)
            elif _is_directory(child):
                self._clear(child, made)


def _is_directory(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()
