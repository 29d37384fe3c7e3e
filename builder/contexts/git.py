"""A git repository: one commit of it with its submodules and large files, or a directory in there."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from builder.contexts.gate import Gate
from builder.contexts.git_objects import Census, Wanted, choose, is_commit, patterns, submodule_url, submodules
from builder.contexts.git_program import Git, GitFailed, Remedy, login
from builder.contexts.lfs import LargeFiles, endpoint, pointers
from builder.contexts.source import Context
from builder.contexts.tree import components, directory, opened
from builder.contexts.tunnel import Tunnel
from builder.faults import ContextRefused
from shared.contexts import GitContext
from shared.grant import Limits

_DEEPEST: Final = 10
_MOST_SUBMODULES: Final = 200


@dataclass(frozen=True, slots=True)
class GitRepository:
    """A repository behind https. `http` goes through `gate`; `bundle` holds the authorities to trust.

    Only one commit is fetched where the server can do that, everything otherwise. `.git` stays, with the
    repository's address and without a login. `private` is a directory that no step can read.
    """

    context: GitContext
    token: str | None
    http: httpx.AsyncClient
    gate: Gate
    bundle: Path
    private: Path
    limits: Limits

    async def fetch(self, root: Path) -> Context:
        """Fetch and check out, submodules included."""
        await self.gate.addresses(self.gate.check_url(self.context.url))
        with tempfile.TemporaryDirectory(dir=self.private, prefix="git-") as home:
            async with Tunnel(self.gate, self.limits.archive_bytes) as tunnel:
                known = login(self.context, self.token)
                git = Git(Path(home), self.bundle, tunnel, self.limits, known)
                clone = _Clone(git, Census(self.limits), LargeFiles(self.http, known, Path(home)))
                wanted, commit = await clone.main(root, self.context)
        return Context(directory(root, self.context.directory), commit, wanted.branch, self.context.url)


@dataclass(slots=True)
class _Clone:
    """One repository and all that hangs on it, counted together."""

    git: Git
    census: Census
    large: LargeFiles
    modules: int = 0

    async def main(self, root: Path, context: GitContext) -> tuple[Wanted, str]:
        """Check out what the context names."""
        await self._init(root, context.url)
        listing = ""
        if not is_commit(context.reference):
            listing = await self.git.call(root, "ls-remote", "--symref", "origin", *patterns(context.reference))
        wanted = choose(context.reference, listing)
        if wanted is None:
            what = f"branch, tag or commit {context.reference!r}" if context.reference else "commit yet"
            raise ContextRefused(f"the repository has no {what}")
        return wanted, await self._check_out(root, context.url, wanted, 0)

    async def _init(self, root: Path, url: str) -> None:
        await self.git.run(root, "init", "--quiet", "--template=")
        await self.git.run(root, "remote", "add", "origin", url)

    async def _check_out(self, root: Path, url: str, wanted: Wanted, depth: int) -> str:
        commit = await self._fetch(root, wanted)
        reader = self.census.reader()
        await self.git.run(root, "ls-tree", "-r", "-z", "-l", "--full-tree", commit, output=reader)
        await self.git.run(root, "checkout", "--quiet", "--force", "--detach", commit)
        await self._large_files(root, url, commit)
        if reader.links:
            await self._submodules(root, url, commit, reader.links, depth + 1)
        return commit

    async def _large_files(self, root: Path, url: str, commit: str) -> None:
        found = await pointers(self.git, root)
        for one in found:
            self.census.count(one.size)
        if found:
            await self.large.fetch(root, await endpoint(self.git, root, commit, url), found)

    async def _fetch(self, root: Path, wanted: Wanted) -> str:
        """Fetch one commit, or all of the repository if that cannot be asked for, and return it in full."""
        if not wanted.is_short:
            try:
                await self.git.call(root, "fetch", "--quiet", "--no-tags", "--depth=1", "origin", wanted.refspec)
            except GitFailed as fault:
                if fault.remedy is not Remedy.ANOTHER_WAY:
                    raise
            else:
                return await self._commit(root, "FETCH_HEAD")
        if wanted.ref:
            await self.git.call(root, "fetch", "--quiet", "--no-tags", "origin", wanted.refspec)
            return await self._commit(root, "FETCH_HEAD")
        await self.git.call(root, "fetch", "--quiet", "--tags", "origin", "+refs/heads/*:refs/remotes/origin/*")
        return await self._commit(root, wanted.commit)

    async def _commit(self, root: Path, name: str) -> str:
        try:
            return await self.git.ask(root, "rev-parse", "--verify", "--end-of-options", f"{name}^{{commit}}")
        except GitFailed:
            shown = "what it was asked for" if name == "FETCH_HEAD" else f"the commit {name}"
            raise ContextRefused(f"the repository does not have {shown}") from None

    async def _submodules(self, root: Path, url: str, commit: str, links: dict[str, str], depth: int) -> None:
        try:
            listing = await self.git.ask(root, "config", "--null", f"--blob={commit}:.gitmodules", "--list")
        except GitFailed:
            listing = ""
        known = submodules(listing)
        for path, revision in links.items():
            address = known.get(path, "")
            if address is None:
                continue
            if not address:
                raise ContextRefused(f"the submodule {path!r} has no address in .gitmodules")
            await self._submodule(root, path, submodule_url(url, path, address), Wanted(commit=revision), depth)

    async def _submodule(self, root: Path, path: str, url: str, wanted: Wanted, depth: int) -> None:
        self.modules += 1
        if depth > _DEEPEST or self.modules > _MOST_SUBMODULES:
            raise ContextRefused(
                f"the repository has more than {_MOST_SUBMODULES} submodules, or nests them more than {_DEEPEST} deep"
            )
        parts = components(path)
        with opened(root, parts, create=True):
            place = root.joinpath(*parts)
        try:
            await self._init(place, url)
            await self._check_out(place, url, wanted, depth)
        except ContextRefused as fault:
            raise ContextRefused(f"submodule {path!r}: {fault.message}") from None
