"""What a context string means: a git repository, an archive, an artifact of a registry, or a local path.

The rules are those of ACR Tasks, so that the same text means the same here as in az; what is not fetched for
reasons of safety (anything but https) is refused with a sentence. No network here.
"""

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit, urlunsplit

from shared.errors import InvalidRequest
from shared.network import HTTPS_PORT

REFUSED: Final = "The context cannot be fetched: "
"""How the sentence of a refused address begins."""
_LONGEST: Final = 4096
_SHORTEST_TOKEN: Final = 16
_SCHEME: Final = re.compile(r"https?://")
_GIT_URL: Final = re.compile(r"https?://.*\.git(?:#.+)?", re.DOTALL)
_GIT_PREFIXES: Final = ("git://", "git@", "github.com/")
_HOST: Final = re.compile(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+")
_UNSAFE: Final = re.compile(r"[\x00-\x20\x7f\\]")
_REFERENCE: Final = re.compile(r"(?![-/])(?!.*(?:\.\.|//|@\{|/\.|\.lock/))[^\x00-\x20\x7f~^:?*\[\\]+(?<![/.])")
_SIGNATURES: Final = frozenset({"sig", "x-amz-signature", "x-goog-signature", "token", "access_token", "private_token"})


class ContextKind(StrEnum):
    """The classes of context strings, in the order in which they are tried."""

    GIT = "git"
    ARCHIVE = "archive"
    ARTIFACT = "artifact"
    LOCAL = "local"


@dataclass(frozen=True, slots=True)
class GitContext:
    """A git repository: its https address without login and fragment, and what of it is wanted.

    `reference` is a branch, a tag, a full ref or a commit, empty for the default branch; `directory` is
    relative to the repository's root, empty for the root. `username` and `password` are the address's own.
    """

    url: str
    reference: str = ""
    directory: str = ""
    username: str = ""
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class ArchiveContext:
    """An archive behind https. `url` has no login any more, but its query may be a signature."""

    url: str = field(repr=False)
    username: str = ""
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class ArtifactContext:
    """An artifact of a registry, as an image reference."""

    reference: str


type RemoteContext = GitContext | ArchiveContext | ArtifactContext


def classify(text: str) -> ContextKind:
    """Tell what ACR Tasks takes the text for; whether it can be fetched is another question."""
    if _GIT_URL.fullmatch(text) or text.startswith(_GIT_PREFIXES) or _is_azure_repos(text):
        return ContextKind.GIT
    if _SCHEME.match(text):
        return ContextKind.ARCHIVE
    return ContextKind.ARTIFACT if text[:6].lower() == "oci://" else ContextKind.LOCAL


def is_address(text: str) -> bool:
    """Tell whether a text is the address of something on the web, which only https ones may be fetched from."""
    return _SCHEME.match(text) is not None


def read_context(text: str) -> RemoteContext:
    """Read the address of a remote context.

    Raises InvalidRequest, which never quotes a login or a query, for a local path, for anything but https, for
    an address that different programs could read differently, and for a reference that git does not allow.
    """
    match classify(text):
        case ContextKind.GIT:
            return read_repository(f"https://{text}" if text.startswith("github.com/") else text)
        case ContextKind.ARCHIVE:
            parts = _https(text)
            return ArchiveContext(_bare(parts, parts.query), unquote(parts.username or ""), _password(parts))
        case ContextKind.ARTIFACT:
            return ArtifactContext(_plain(text)[6:])
        case ContextKind.LOCAL:
            raise _refused("it is neither an https address nor an oci:// one")


def read_repository(text: str) -> GitContext:
    """Read the https address of a git repository, whatever its path ends in. Raises InvalidRequest."""
    parts = _https(text)
    if parts.query:
        raise _refused("the address of a git repository has no query")
    name, _, directory = unquote(parts.fragment).partition(":")
    return GitContext(
        url=_bare(parts),
        reference=check_reference(name) if name else "",
        directory=directory,
        username=unquote(parts.username or ""),
        password=_password(parts),
    )


def secret_parts(text: str) -> tuple[str, ...]:
    """Return what of an address must never be shown: passwords, and signatures or tokens in the query.

    A long user name without a password is taken for an access token, which git hosts accept there.
    """
    try:
        parts = urlsplit(text)
    except ValueError:
        return ()
    name, _, password = parts.netloc.rpartition("@")[0].partition(":")
    secret = password or (name if len(name) >= _SHORTEST_TOKEN else "")
    found = [secret, unquote(secret)]
    found += [value for name, value in parse_qsl(parts.query) if name.lower() in _SIGNATURES]
    return tuple(dict.fromkeys(part for part in found if part))


def check_reference(reference: str) -> str:
    """Return a branch, tag, ref or commit that git can hold and no program takes for an option.

    The rules are those of `git check-ref-format`. Raises InvalidRequest.
    """
    if not _REFERENCE.fullmatch(reference) or reference.endswith(".lock") or reference.startswith("."):
        raise InvalidRequest(f"'{reference[:200]}' is not the name of a branch, a tag or a commit.")
    return reference


def origin(url: str) -> tuple[str, int]:
    """Return the host, in lower case, and the port of an https address that `read_context` accepted."""
    parts = urlsplit(url)
    return (parts.hostname or "").lower(), parts.port or HTTPS_PORT


def _is_azure_repos(text: str) -> bool:
    try:
        parts = urlsplit(text)
        host = parts.hostname or ""
    except ValueError:
        return False
    return text.startswith("https://") and bool(host) and "/_git/" in parts.path and not parts.query


def _https(text: str) -> SplitResult:
    """Split an address that every program reads in the same way."""
    if not _plain(text).startswith("https://"):
        raise _refused("only https addresses are fetched")
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise _refused("it is not an address") from None
    if not _HOST.fullmatch(host) or port == 0 or "@" in parts.netloc.rpartition("@")[0]:
        raise _refused("its host is missing or unclear")
    return parts


def _plain(text: str) -> str:
    if len(text) > _LONGEST or _UNSAFE.search(text):
        raise _refused("it contains blanks, backslashes or control characters, or is longer than 4096 characters")
    return text


def _bare(parts: SplitResult, query: str = "") -> str:
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, query, ""))


def _password(parts: SplitResult) -> str:
    return unquote(parts.password or "")


def _refused(why: str) -> InvalidRequest:
    return InvalidRequest(f"{REFUSED}{why}.", target="sourceLocation")
