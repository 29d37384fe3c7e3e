"""Files that are whole or absent, whatever happens while they are written, and files that one process holds."""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SECRET_MODE = 0o600


def write(path: Path, content: str | bytes, *, mode: int = 0o644) -> None:
    """Replace `path` with `content` in one step. The mode holds from the first byte on."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = content.encode() if isinstance(content, str) else content
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            os.fchmod(stream.fileno(), mode)
            stream.write(data)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_if_changed(path: Path, content: str, *, mode: int = 0o644) -> None:
    """Like `write`, but leave an equal file alone."""
    if not path.is_file() or path.read_text() != content:
        write(path, content, mode=mode)


def write_secret(path: Path, content: str | bytes) -> None:
    """Like `write`, readable by the owner alone."""
    write(path, content, mode=SECRET_MODE)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file exclusively; waits for whoever holds it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield
