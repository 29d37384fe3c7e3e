"""Where the refs of a repository are now, asked by git's own protocol over HTTPS.

Source: git's documentation of the smart HTTP protocol, `GET …/info/refs?service=git-upload-pack` in version 0.
"""

import base64
import re
from collections.abc import Iterable, Iterator
from urllib.parse import urljoin, urlsplit

import httpx

from shared.contexts import GitContext, origin
from shared.errors import Forbidden, InvalidRequest, NotFound, SlipwayError, TooLarge, Unavailable

MAX_BYTES = 64 * 1024 * 1024
"""Of one answer: about a million refs."""
_SERVICE = "git-upload-pack"
_REDIRECTS = 3
_TOKEN_USERS = {"bitbucket.org": "x-token-auth"}
_DEFAULT_USER = "x-access-token"
_LINE = re.compile(rb"([0-9a-f]{40}|[0-9a-f]{64}) (refs/[^\x00\n]+)(?:\x00[^\n]*)?\n?")
_HEAD = 4


def read_refs(client: httpx.Client, repository: GitContext, token: str | None) -> dict[str, str]:
    """Answer the commit (for an annotated tag the tag object) of each ref by its full name.

    The token goes to the repository's own host alone. Raises Forbidden, NotFound, Unavailable, InvalidRequest or
    TooLarge, each with a sentence for the task's owner.
    """
    url = f"{repository.url.rstrip('/')}/info/refs?service={_SERVICE}"
    for _ in range(_REDIRECTS + 1):
        headers = _headers(repository, url, token)
        try:
            with client.stream("GET", url, headers=headers) as answer:
                if answer.is_redirect:
                    url = _following(url, answer.headers.get("location", ""))
                    continue
                _check(answer, has_token=bool(token))
                return dict(_refs(_lines(_limited(answer.iter_bytes()))))
        except httpx.ConnectError as fault:
            raise Unavailable(f"The repository's host was not reached: {fault}") from None
        except httpx.HTTPError as fault:
            raise Unavailable(f"The repository's host does not answer ({type(fault).__name__}).") from None
    raise InvalidRequest("The repository's host redirects too often.")


def _headers(repository: GitContext, url: str, token: str | None) -> dict[str, str]:
    headers = {"Accept": f"application/x-{_SERVICE}-advertisement", "User-Agent": "git/2.40 (slipway)"}
    host, _ = origin(repository.url)
    if token and origin(url) == origin(repository.url):
        user = repository.username or _TOKEN_USERS.get(host, _DEFAULT_USER)
        headers["Authorization"] = "Basic " + base64.b64encode(f"{user}:{token}".encode()).decode()
    return headers


def _following(url: str, location: str) -> str:
    following = urljoin(url, location)
    if urlsplit(following).scheme != "https":
        raise InvalidRequest("The repository's host redirects to an address that is not https.")
    return following


def _check(answer: httpx.Response, *, has_token: bool) -> None:
    fault = _fault(answer.status_code, has_token=has_token)
    if fault is not None:
        raise fault
    if answer.headers.get("content-type", "").partition(";")[0] != f"application/x-{_SERVICE}-advertisement":
        raise InvalidRequest("The repository's host does not speak git's smart protocol at this address.")


def _fault(status: int, *, has_token: bool) -> SlipwayError | None:
    if status in {401, 403}:
        token = (
            "does not accept the task's access token" if has_token else "wants an access token, and the task has none"
        )
        return Forbidden(f"The repository's host {token} (HTTP {status}).")
    if status == httpx.codes.NOT_FOUND:
        return NotFound("The repository does not exist, or the task's access token may not read it (HTTP 404).")
    if status != httpx.codes.OK:
        return Unavailable(f"The repository's host answers with HTTP {status}.")
    return None


def _limited(parts: Iterable[bytes]) -> Iterator[bytes]:
    read = 0
    for part in parts:
        read += len(part)
        if read > MAX_BYTES:
            raise TooLarge(f"The repository lists its refs in more than {MAX_BYTES} bytes.")
        yield part


def _lines(parts: Iterable[bytes]) -> Iterator[bytes]:
    """Answer the payload of each pkt-line; flush packets are left out. Raises InvalidRequest."""
    held = b""
    for part in parts:
        held += part
        while len(held) >= _HEAD:
            try:
                size = int(held[:_HEAD], 16)
            except ValueError:
                raise InvalidRequest("The repository's list of refs cannot be read.") from None
            if size and size < _HEAD:
                raise InvalidRequest("The repository's list of refs cannot be read.")
            if len(held) < max(size, _HEAD):
                break
            if size:
                yield held[_HEAD:size]
            held = held[max(size, _HEAD) :]
    if held:
        raise InvalidRequest("The repository's list of refs breaks off.")


def _refs(lines: Iterable[bytes]) -> Iterator[tuple[str, str]]:
    for line in lines:
        found = _LINE.fullmatch(line)
        if found and not found[2].endswith(b"^{}"):
            yield found[2].decode(errors="replace"), found[1].decode()
