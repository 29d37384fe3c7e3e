"""Real git repositories for the tests' site to serve."""

import os
import subprocess
from pathlib import Path

from tests.builder.contexts.web import Site

_WHO = {
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    **{f"GIT_{who}_{what}": "t@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
}


def git(place: Path, *arguments: str) -> str:
    environment = {"PATH": os.environ["PATH"], **_WHO}
    argv = ["git", "-c", "protocol.file.allow=always", *arguments]
    return subprocess.run(argv, cwd=place, env=environment, capture_output=True, check=True, text=True).stdout.strip()


class Repository:
    """A repository to be served, with a work tree to commit from."""

    def __init__(self, site: Site, name: str = "app.git") -> None:
        self.site = site
        self.place = site.folder / name
        self.url = f"{site.origin}/{name}"
        git(site.folder, "init", "-q", "-b", "main", name)

    def commit(self, files: dict[str, str], message: str = "more") -> str:
        for name, text in files.items():
            path = self.place / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        git(self.place, "add", "--all")
        git(self.place, "commit", "-q", "--allow-empty", "-m", message)
        return git(self.place, "rev-parse", "HEAD")

    def link(self, name: str, target: str) -> None:
        (self.place / name).parent.mkdir(parents=True, exist_ok=True)
        (self.place / name).symlink_to(target)

    def add_submodule(self, other: "Repository", url: str, path: str) -> None:
        """Name the head of another repository at `path`, without fetching it."""
        git(self.place, "config", "-f", ".gitmodules", f"submodule.{path}.path", path)
        git(self.place, "config", "-f", ".gitmodules", f"submodule.{path}.url", url)
        git(self.place, "add", ".gitmodules")
        head = git(other.place, "rev-parse", "HEAD")
        git(self.place, "update-index", "--add", "--cacheinfo", f"160000,{head},{path}")
        (self.place / path).mkdir(parents=True)
