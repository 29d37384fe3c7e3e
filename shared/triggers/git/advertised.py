"""Where the refs of a repository are now, asked by git's own protocol over HTTPS.

Source: git's documentation of the smart HTTP protocol, `GET …/info/refs?service=git-upload-pack` in version 0.
"""

import base64
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import urljoin, urlsplit

import httpx

from shared.contexts import GitContext, origin
from shared.errors import Forbidden, InvalidRequest, NotFound, SlipwayError, TooLarge, Unavailable

MAX_BYTES = 64 * 1024 * 1024
"""Of one answer: about a million refs."""
SERVICE = "git-upload-pack"
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
    return ask(client, repository, token, lambda answer: dict(_refs(_lines(limited(answer.iter_bytes(), MAX_BYTES)))))


def ask[Kind](
    client: httpx.Client,
    repository: GitContext,
    token: str | None,
    read: Callable[[httpx.Response], Kind],
    more: Mapping[str, str] | None = None,
) -> Kind:
    """Answer what `read` makes of the host's advertisement, which may stand at another https address.

    `more` headers are sent beside git's own. Raises as `read_refs` does.
    """
    url = f"{repository.url.rstrip('/')}/info/refs?service={SERVICE}"
    for _ in range(_REDIRECTS + 1):
        headers = {"Accept": f"application/x-{SERVICE}-advertisement", **headers_for(repository, url, token)}
        with answering(), client.stream("GET", url, headers=headers | dict(more or {})) as answer:
            if answer.is_redirect:
                url = _following(url, answer.headers.get("location", ""))
                continue
            check(answer, "advertisement", has_token=bool(token))
            return read(answer)
    raise InvalidRequest("The repository's host redirects too often.")


@contextmanager
def answering() -> Iterator[None]:
    """Raise Unavailable for what fails on the way to the repository's host."""
    try:
        yield
    except httpx.ConnectError as fault:
        raise Unavailable(f"The repository's host was not reached: {fault}") from None
    except httpx.HTTPError as fault:
        raise Unavailable(f"The repository's host does not answer ({type(fault).__name__}).") from None


def headers_for(repository: GitContext, url: str, token: str | None) -> dict[str, str]:
    """Answer the headers of every request; the token is among them at the repository's own host alone."""
    headers = {"User-Agent": "git/2.40 (slipway)"}
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


def check(answer: httpx.Response, what: str, *, has_token: bool) -> None:
    """Raise what a status or a content type means that is not the one of `what` (advertisement or result)."""
    fault = _fault(answer.status_code, has_token=has_token)
    if fault is not None:
        raise fault
    if answer.headers.get("content-type", "").partition(";")[0] != f"application/x-{SERVICE}-{what}":
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


def limited(parts: Iterable[bytes], most: int) -> Iterator[bytes]:
    """Answer the parts up to `most` bytes. Raises TooLarge."""
    read = 0
    for part in parts:
        read += len(part)
        if read > most:
            raise TooLarge(f"The repository's host answers with more than {most} bytes.")
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
