"""The namespaces in which the daemon and the shells of steps live, apart from the agent.

A step's shell text may do whatever its author likes, and the daemon does it whatever it is asked. So neither sees
the agent: it is not in their PID namespace, so that no `/proc/PID/environ` or `mem` of it exists; its private
directory lies below `/run`, which is new and empty there; and what it will execute later lies on a root file
system that is read-only there. A container that a step makes privileged is as strong as the builder's own root
and can undo this: what it then finds is the token of this one run.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from builder.environment import Paths

PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_ENCLOSE: Final = Path(__file__).with_name("enclose.sh")
_UNSHARE: Final = ("unshare", "--mount", "--propagation=private", "--pid", "--fork", "--kill-child")
_WORKSPACE: Final = "/workspace"
_HOME: Final = "/acb/home"
STEP: Final = "/run/step"
"""Where a shell finds the files that were made for it alone."""


class Sandbox:
    """Knows the words that start a program in such namespaces. Its end is the end of all that it started."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self.shared = paths.shared
        """What daemon and shells share: the daemon's socket and the files of steps."""

    @property
    def daemon(self) -> tuple[str, ...]:
        """The words before `dockerd`, which keeps its rights and the image store."""
        paths = self._paths
        kept = (paths.shared, paths.images, paths.workspace, paths.home)
        return (*_UNSHARE, "sh", str(_ENCLOSE), "daemon", *(f"{path}:{path}" for path in kept), "--")

    def shell(self, root: str, directory: str, place: Path, mounts: Sequence[tuple[str, str]] = ()) -> list[str]:
        """Return the words that run the shell text in the file `script` of `place`, in `directory`.

        `root` appears as `/workspace`, the home directory as `/acb/home`, `place` as `STEP`, and the first of each of
        `mounts` as the second. Sources that steps can write to must be given as open files: a link that a step
        puts there in the meantime would else lead to the agent's own directories.
        """
        paths = self._paths
        kept = [f"{paths.shared}:{paths.shared}", f"{root}:{_WORKSPACE}", f"{paths.home}:{_HOME}", f"{place}:{STEP}"]
        kept += [f"{source}:{target}" for source, target in mounts]
        words = ("env", "-C", directory, "sh", f"{STEP}/script")
        return [*_UNSHARE, "sh", str(_ENCLOSE), "shell", *kept, "--", *words]

    def prepare(self, bundle: Path) -> None:
        """Make the directories that are shared and put the trust store where the daemon can read it."""
        for path in (self._paths.workspace, self._paths.home, self._paths.shared):
            path.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(bundle, self.shared / "ca.pem")
