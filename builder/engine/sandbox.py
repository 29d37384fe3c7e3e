"""The namespaces in which the daemon and the shells of steps live, apart from the agent.

A step's shell text may do whatever its author likes, and the daemon does it whatever it is asked. So neither sees
the agent: it is not in their PID namespace, so that no `/proc/PID/environ` or `mem` of it exists; its private
directory lies below `/run`, which is new and empty there; and what it will execute later lies on a root file
system that is read-only there. A container that a step makes privileged is as strong as the builder's own root
and can undo this: what it then finds is the token of this one run.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from builder.environment import Paths

PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_ENCLOSE: Final = Path(__file__).with_name("enclose.sh")
_UNSHARE: Final = ("unshare", "--mount", "--propagation=private", "--pid", "--fork", "--kill-child")
WORKSPACE: Final = "/workspace"
HOME: Final = "/acb/home"
STEP: Final = "/run/step"
"""Where a shell finds the files that were made for it alone."""


@dataclass(frozen=True, slots=True)
class Share:
    """A directory and where it appears.

    `identity` is its device and inode: a link or another directory that is put in its place is not taken for it.
    """

    source: Path
    target: str
    identity: str

    @classmethod
    def of(cls, source: Path, target: str = "") -> Self:
        """Take the directory as it is now; it must not be a link."""
        found = source.lstat()
        return cls(source, target or str(source), f"{found.st_dev}.{found.st_ino}")

    def __str__(self) -> str:
        return f"{self.source}:{self.target}:{self.identity}"


class Sandbox:
    """Knows the words that start a program in such namespaces. Its end is the end of all that it started."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self.shared = paths.shared
        """What daemon and shells share: the daemon's socket and the files of steps."""

    @property
    def trust(self) -> Path:
        """The certificate authorities that daemon and shells trust."""
        return self.shared / "ca.pem"

    @property
    def daemon(self) -> tuple[str, ...]:
        """The words before `dockerd`, which keeps its rights and the image store."""
        paths = self._paths
        kept = [Share.of(path) for path in (paths.shared, paths.images, paths.workspace, paths.home)]
        return (*_UNSHARE, "sh", str(_ENCLOSE), "daemon", *map(str, kept), "--")

    def shell(self, root: "Share", directory: str, place: Path, mounts: Sequence["Share"] = ()) -> list[str]:
        """Return the words that run the shell text in the file `script` of `place`, in `directory`.

        `root` is what appears as `/workspace`, `place` appears as `STEP`, the home directory as `/acb/home`.
        """
        paths = self._paths
        kept = (Share.of(paths.shared), root, Share.of(paths.home, HOME), Share.of(place, STEP), *mounts)
        words = ("env", "-C", directory, "sh", f"{STEP}/script")
        return [*_UNSHARE, "sh", str(_ENCLOSE), "shell", *map(str, kept), "--", *words]

    def prepare(self, bundle: Path) -> None:
        """Make the directories that are shared and put the trust store where the daemon can read it."""
        paths = self._paths
        for path in (paths.workspace, paths.home, paths.shared, paths.images):
            path.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(bundle, self.trust)
