"""The contract of everything that can bring a context."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from shared.grant import RunVariables


@dataclass(frozen=True, slots=True)
class Context:
    """The files of a run below `root`; from git also revision, branch, and the repository's address without login."""

    root: Path
    commit: str = ""
    branch: str = ""
    repository: str = ""

    def told(self, variables: RunVariables) -> RunVariables:
        """Answer the run's variables, with this commit and branch where the run's cause names none."""
        return variables.model_copy(
            update={"commit": variables.commit or self.commit, "branch": variables.branch or self.branch}
        )


class ContextSource(Protocol):
    """Brings the files of one run.

    `fetch` fills the empty directory `root` and may be called once. Passing faults of the network are
    retried inside. It raises ContextRefused, one sentence without address or token, when the files
    cannot be had or may not be unpacked; what it wrote until then is of no use.
    """

    async def fetch(self, root: Path) -> Context:
        """Bring the files."""
        ...
