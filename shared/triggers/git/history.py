"""Which commits lie between two, and which of them ask for no build, asked by git's own protocol over HTTPS.

Source: git's documentation, gitprotocol-v2: `fetch` with one `want`, one `have` and `done`; with `filter tree:0`
where the host offers it, so that commits come without files. Of one commit alone: `deepen 1` in place of the `have`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import httpx

from shared.contexts import GitContext
from shared.errors import InvalidRequest, Unavailable
from shared.triggers.git.advertised import SERVICE, answering, ask, check, headers_for, limited
from shared.triggers.git.packs import Commit, commits
from shared.triggers.git.reading import asks_to_skip

MAX_BYTES = 16 * 1024 * 1024
"""Of one answer: with a filter about 100,000 commits."""
_MAX_OFFER = 1024 * 1024
_VERSION = {"Git-Protocol": "version=2"}
_FLUSH, _DELIMITER = b"0000", b"0001"
_HEAD = 4
_DATA, _FAULT = 1, 3
_SHA1_DIGITS = 40


@dataclass(frozen=True, slots=True)
class History:
    """What leads to a commit."""

    between: tuple[str, ...] | None
    """The commits after an older one and before it by first parents, oldest first; None when that is not among them."""
    asking: frozenset[str]
    """Which of them, itself included, ask for no build by their messages."""


def read_history(client: httpx.Client, repository: GitContext, token: str | None, newer: str, older: str) -> History:
    """Answer what lies between two commits; without an `older` one, what the newer says alone.

    Raises as `advertised.read_refs` does.
    """
    url, offered = ask(client, repository, token, _offer, _VERSION)
    if offered is None or not (older or "shallow" in offered):
        raise Unavailable("The repository's host does not speak version 2 of git's protocol.")
    headers = {
        "Accept": f"application/x-{SERVICE}-result",
        "Content-Type": f"application/x-{SERVICE}-request",
        **_VERSION,
        **headers_for(repository, url, token),
    }
    body = _request(newer, older, has_filter="filter" in offered)
    with answering(), client.stream("POST", f"{url}/{SERVICE}", headers=headers, content=body) as answer:
        check(answer, "result", has_token=bool(token))
        told = b"".join(limited(answer.iter_bytes(), MAX_BYTES))
    known = commits(_pack(told), len(newer) // 2)
    between = _between(known, newer, older)
    asking = (one for one in (*(between or ()), newer) if one in known and asks_to_skip(known[one].message))
    return History(between, frozenset(asking))


def _offer(answer: httpx.Response) -> tuple[str, list[str] | None]:
    """Answer the repository's address and what its host's `fetch` can do; None where there is no version 2."""
    lines = list(_packets(b"".join(limited(answer.iter_bytes(), _MAX_OFFER))))
    url = str(answer.url).partition("?")[0].removesuffix("/info/refs")
    if b"version 2\n" not in lines:
        return url, None
    found = next((line for line in lines if line.partition(b"=")[0].strip() == b"fetch"), None)
    return url, None if found is None else found.decode(errors="replace").strip().partition("=")[2].split()


def _request(newer: str, older: str, *, has_filter: bool) -> bytes:
    hashing = [] if len(newer) == _SHA1_DIGITS else ["object-format=sha256"]
    arguments = ["no-progress", "ofs-delta", *(["filter tree:0"] if has_filter else [])]
    last = [f"want {newer}", f"have {older}" if older else "deepen 1", "done"]
    head = b"".join(map(_packet, ["command=fetch", *hashing]))
    return head + _DELIMITER + b"".join(map(_packet, [*arguments, *last])) + _FLUSH


def _packet(text: str) -> bytes:
    return f"{len(text) + _HEAD + 1:04x}{text}\n".encode()


def _packets(told: bytes) -> Iterator[bytes]:
    """Answer the payload of each pkt-line; those without one are left out. Raises InvalidRequest."""
    at = 0
    while at < len(told):
        try:
            size = int(told[at : at + _HEAD], 16)
        except ValueError:
            raise InvalidRequest("The answer of the repository's host cannot be read.") from None
        if at + max(size, _HEAD) > len(told):
            raise InvalidRequest("The answer of the repository's host breaks off.")
        if size > _HEAD:
            yield told[at + _HEAD : at + size]
        at += max(size, _HEAD)


def _pack(told: bytes) -> bytes:
    packets = _packets(told)
    for packet in packets:
        if packet.startswith(b"ERR "):
            raise InvalidRequest("The repository's host refuses to tell its history.")
        if packet == b"packfile\n":
            break
    pieces = []
    for packet in packets:
        if packet[0] == _FAULT:
            raise Unavailable("The repository's host failed while it told its history.")
        if packet[0] == _DATA:
            pieces.append(packet[1:])
    return b"".join(pieces)


def _between(known: Mapping[str, Commit], newer: str, older: str) -> tuple[str, ...] | None:
    found: list[str] = []
    commit = known[newer].parent if newer in known else ""
    while commit and commit != older:
        if commit not in known or len(found) > len(known):
            return None
        found.append(commit)
        commit = known[commit].parent
    return tuple(reversed(found)) if commit else None
