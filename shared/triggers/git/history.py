"""Which commits lie between two, asked by git's own protocol over HTTPS.

Source: git's documentation, gitprotocol-v2: `fetch` with one `want`, one `have` and `done`; with `filter tree:0`
where the host offers it, so that commits come without files.
"""

from collections.abc import Iterator

import httpx

from shared.contexts import GitContext
from shared.errors import InvalidRequest, Unavailable
from shared.triggers.git.advertised import SERVICE, answering, ask, check, headers_for, limited
from shared.triggers.git.packs import first_parents

MAX_BYTES = 16 * 1024 * 1024
"""Of one answer: with a filter about 100,000 commits."""
_MAX_OFFER = 1024 * 1024
_VERSION = {"Git-Protocol": "version=2"}
_FLUSH, _DELIMITER = b"0000", b"0001"
_HEAD = 4
_DATA, _FAULT = 1, 3
_SHA1_DIGITS = 40


def read_between(
    client: httpx.Client, repository: GitContext, token: str | None, newer: str, older: str
) -> tuple[str, ...] | None:
    """Answer the commits after `older` and before `newer` by first parents, oldest first.

    None when `older` is not among the first parents of `newer`. Raises as `advertised.read_refs` does.
    """
    url, offered = ask(client, repository, token, _offer, _VERSION)
    if offered is None:
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
    return _between(first_parents(_pack(told), len(newer) // 2), newer, older)


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
    last = [f"want {newer}", f"have {older}", "done"]
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


def _between(parents: dict[str, str], newer: str, older: str) -> tuple[str, ...] | None:
    found: list[str] = []
    commit = parents.get(newer, "")
    while commit and commit != older:
        if commit not in parents or len(found) > len(parents):
            return None
        found.append(commit)
        commit = parents[commit]
    return tuple(reversed(found)) if commit else None
