"""Requests and answers as values, and what a registry's refusals mean. No network here.

An operation is a generator that yields each request and is sent its answer; `client.py` drives it, with a
blocking or an asynchronous HTTP client.
"""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, urljoin, urlsplit

from shared.errors import (
    Forbidden,
    InvalidRequest,
    NotFound,
    SlipwayError,
    Throttled,
    Unauthenticated,
    Unavailable,
)

REQUEST_SECONDS: Final = 60.0
_DEFAULT_PAUSE: Final = 60
_MAX_PAUSE: Final = 6 * 3600
"""Seconds: Docker Hub counts pulls in windows of six hours."""


@dataclass(frozen=True, slots=True)
class Sink:
    """Where the body of a 200 goes piece by piece: at most `limit` bytes, within `seconds`."""

    write: Callable[[bytes], object]
    limit: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that is sent as a body, `size` bytes long, of a known digest, within `seconds`."""

    path: Path
    size: int
    digest: str
    seconds: float = 3600.0


@dataclass(frozen=True, slots=True)
class Request:
    """One request. `limit` bounds the body of the answer, in bytes; `subject` names the image for errors.

    With `sink`, whose bounds hold instead, a large body goes there and not into the answer. `content` is the body
    that is sent; a large one is an `upload`.
    """

    method: str
    url: str
    subject: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    form: Mapping[str, str] | None = field(default=None, repr=False)
    content: bytes | None = field(default=None, repr=False)
    limit: int = 1024**2
    sink: Sink | None = field(default=None, repr=False)
    upload: Upload | None = None

    @property
    def seconds(self) -> float:
        """How long the request may take, body included."""
        bounds = self.sink or self.upload
        return bounds.seconds if bounds else REQUEST_SECONDS


@dataclass(frozen=True, slots=True)
class Response:
    """One answer; header names in lower case."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)


type Exchange[T] = Generator[Request, Response, T]
"""An operation: run it with `client.perform` or `client.perform_async`."""


_MEANINGS: Final[Mapping[int, tuple[type[SlipwayError], str]]] = {
    HTTPStatus.BAD_REQUEST: (InvalidRequest, "the registry refuses the request"),
    HTTPStatus.UNAUTHORIZED: (Unauthenticated, "the registry does not accept the login"),
    HTTPStatus.FORBIDDEN: (Forbidden, "the login does not allow it"),
    HTTPStatus.NOT_FOUND: (NotFound, "not found"),
    HTTPStatus.METHOD_NOT_ALLOWED: (InvalidRequest, "the registry does not do that"),
}


def failure(response: Response, subject: str, *, logged_in: bool = True) -> SlipwayError:
    """Return the error that an answer other than success stands for; it names the subject and the status."""
    kind, meaning = _MEANINGS.get(response.status, (Unavailable, "the registry gives no usable answer"))
    if response.status == HTTPStatus.UNAUTHORIZED and not logged_in:
        meaning = "it is private or does not exist, since the registry asks for a login"
    told = f"{subject}: {meaning} (HTTP {response.status})."
    if response.status == HTTPStatus.TOO_MANY_REQUESTS:
        told = f"{subject}: the registry asks for a pause (HTTP {response.status})."
        return Throttled(told, retry_after=pause(response))
    return kind(told)


def split_url(url: str, subject: str) -> SplitResult:
    """Split an address that a registry gave. Raises `Unavailable` where it is none."""
    try:
        parts = urlsplit(url)
        valid = bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid:
        raise Unavailable(f"{subject}: the registry names an address that is none.")
    return parts


def join_url(base: str, location: str, subject: str) -> str:
    """Return the address that `location` means at `base`. Raises `Unavailable` where it is none."""
    try:
        url = urljoin(base, location)
    except ValueError:
        url = ""
    split_url(url, subject)
    return url


def pause(response: Response, now: datetime | None = None) -> int:
    """Return the seconds that Retry-After asks for, given as a number or as a date; one minute without it."""
    text = response.headers.get("retry-after", "").strip()
    if text.isdecimal():
        return min(int(text[:9]), _MAX_PAUSE)
    try:
        wait = parsedate_to_datetime(text) - (now or datetime.now(UTC))
    except (TypeError, ValueError):
        return _DEFAULT_PAUSE
    return min(max(int(wait.total_seconds()), 1), _MAX_PAUSE)
