"""What git prints about refs, trees and submodules, as values. No process here."""

import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from builder.faults import ContextRefused
from shared.contexts import read_repository
from shared.errors import InvalidRequest
from shared.grant import Limits

_HEADS: Final = "refs/heads/"
_LONGEST_LINE: Final = 64 * 1024
_FULL: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_SHORT: Final = re.compile(r"[0-9a-fA-F]{4,64}")
_RELATIVE: Final = ("./", "../")
_SUBMODULE: Final = re.compile(r"submodule\.(.*)\.(path|url|update)", re.DOTALL)
_GITLINK: Final = b"160000"


@dataclass(frozen=True, slots=True)
class Wanted:
    """One commit of a repository: a full ref (or `HEAD`), or a commit in full or shortened; and its branch."""

    ref: str = ""
    commit: str = ""
    branch: str = ""

    @property
    def refspec(self) -> str:
        """What a fetch asks for; a branch or tag is kept under its usual local name."""
        if self.ref.startswith(_HEADS):
            return f"+{self.ref}:refs/remotes/origin/{self.ref.removeprefix(_HEADS)}"
        return f"+{self.ref}:{self.ref}" if self.ref.startswith("refs/tags/") else self.ref or self.commit

    @property
    def is_short(self) -> bool:
        """Whether it is a commit that a server cannot be asked for."""
        return bool(self.commit) and not _FULL.fullmatch(self.commit)


def is_commit(reference: str) -> bool:
    """Tell whether a reference is a commit in full, for which no server needs to be asked."""
    return _FULL.fullmatch(reference.lower()) is not None


def patterns(reference: str) -> tuple[str, ...]:
    """Return the refs that a reference may mean, in the order in which they are taken."""
    if not reference:
        return ("HEAD",)
    if reference == "HEAD" or reference.startswith("refs/"):
        return (reference,)
    return (f"refs/heads/{reference}", f"refs/tags/{reference}", f"refs/{reference}")


def choose(reference: str, listing: str) -> Wanted | None:
    """Return what a reference means, given `git ls-remote --symref` of its patterns; None if it is not there.

    A full commit is always itself, whatever a branch is called; a short one only if no ref has its name.
    """
    if is_commit(reference):
        return Wanted(commit=reference.lower())
    links, refs = _listed(listing)
    for ref in patterns(reference):
        if ref in refs:
            target = links.get(ref, ref)
            return Wanted(ref=ref, branch=target.removeprefix(_HEADS) if target.startswith(_HEADS) else "")
    return Wanted(commit=reference.lower()) if _SHORT.fullmatch(reference) else None


def _listed(listing: str) -> tuple[dict[str, str], set[str]]:
    links, refs = dict[str, str](), set[str]()
    for line in listing.splitlines():
        left, _, ref = line.partition("\t")
        if left.startswith("ref: "):
            links[ref] = left.removeprefix("ref: ")
        elif ref:
            refs.add(ref)
    return links, refs


@dataclass(slots=True)
class Census:
    """Counts what the trees of a context hold together, and stops where that is too much.

    `git ls-tree -r -z -l` is fed piece by piece: a tree can name itself a thousand times a thousand times.
    """

    limits: Limits
    entries: int = 0
    size: int = 0

    def reader(self) -> "TreeReader":
        """Return a reader for one more tree."""
        return TreeReader(self)

    def count(self, size: int) -> None:
        """Count one entry of `size` bytes. Raises ContextRefused."""
        self.entries += 1
        self.size += size
        if self.entries > self.limits.entries:
            raise ContextRefused(f"the repository has more than {self.limits.entries} files")
        if self.size > self.limits.unpacked_bytes:
            raise ContextRefused(f"the files of the repository are larger than {self.limits.unpacked_bytes} bytes")


@dataclass(slots=True)
class TreeReader:
    """Takes the output of one `git ls-tree -r -z -l`; `links` are the submodules, path to commit."""

    census: Census
    links: dict[str, str] = field(default_factory=dict)
    _rest: bytes = b""

    def __call__(self, data: bytes) -> None:
        """Take one piece. Raises ContextRefused as soon as there is too much."""
        *lines, self._rest = (self._rest + data).split(b"\0")
        if len(self._rest) > _LONGEST_LINE:
            raise ContextRefused("the repository holds a name that is longer than 64 KiB")
        for line in lines:
            head, _, path = line.partition(b"\t")
            mode, _, name, size = head.split()
            self.census.count(int(size) if size.isdigit() else 0)
            if mode == _GITLINK:
                self.links[path.decode("utf-8", "surrogateescape")] = name.decode()


def submodules(settings: str) -> dict[str, str | None]:
    """Return the addresses of submodules by path, given `git config --null --list` of `.gitmodules`.

    The address of a submodule with `update = none` is None: it is not fetched.
    """
    found: dict[str, dict[str, str]] = {}
    for entry in settings.split("\0"):
        key, _, value = entry.partition("\n")
        if match := _SUBMODULE.fullmatch(key):
            found.setdefault(match[1], {})[match[2]] = value
    return {
        one["path"]: None if one.get("update") == "none" else one.get("url", "")
        for one in found.values()
        if "path" in one
    }


def submodule_url(parent: str, path: str, url: str) -> str:
    """Return the https address of a submodule, without a login, given that of the repository that names it.

    Raises ContextRefused that names the submodule's path.
    """
    try:
        return read_repository(_absolute(parent, url)).url
    except InvalidRequest:
        raise ContextRefused(f"the submodule {path!r} is not behind an https address") from None


def _absolute(parent: str, url: str) -> str:
    """Return what a relative address means: `..` takes a folder off the parent's own."""
    if not url.startswith(_RELATIVE):
        return url
    parts = urlsplit(parent)
    folders = parts.path.rstrip("/").split("/")
    for step in url.split("/"):
        if step == "..":
            del folders[max(1, len(folders) - 1) :]
        elif step not in {"", "."}:
            folders.append(step)
    return urlunsplit((parts.scheme, parts.netloc, "/".join(folders), "", ""))
