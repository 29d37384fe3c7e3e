"""One request to a git host's API: bounded, without redirects, every refusal a sentence, tokens in headers alone."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote, urlsplit

import httpx

from shared.errors import Unavailable
from shared.triggers.git.rest.model import NoApi, Refused

_LIMIT: Final = 4 * 1024**2
_LONGEST_WORDS: Final = 300
_PASSING: Final = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS})
_NOWHERE: Final = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED})
_MOVED: Final = range(300, 400)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a host answered; `body` is its JSON, None for anything else."""

    status: int
    headers: Mapping[str, str]
    body: Any

    @property
    def is_good(self) -> bool:
        """Whether the host did what it was asked."""
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES

    def member(self, name: str) -> str:
        """Return a member that the body must have. Raises NoApi."""
        if not isinstance(self.body, dict) or not isinstance(self.body.get(name), str | int):
            raise NoApi("What answers is not the API of a git host that is known here.")
        return str(self.body[name])

    def listed(self, name: str = "") -> list[dict[str, Any]]:
        """Return the objects in the body, or in a list that is a member of it."""
        found = self.body.get(name) if name and isinstance(self.body, dict) else self.body
        return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []

    @property
    def words(self) -> str:
        """What the host says of a refusal, in one line."""
        return " ".join(" ".join(_words(self.body)).split())[:_LONGEST_WORDS]


@dataclass(frozen=True, slots=True)
class Door:
    """The way to one API. `base` has no slash at its end; `headers` prove who asks."""

    client: httpx.Client
    base: str
    headers: Mapping[str, str] = field(repr=False)

    @property
    def host(self) -> str:
        """The host, as sentences name it."""
        return urlsplit(self.base).netloc

    def ask(self, method: str, path: str, body: object = None, **query: str) -> Answer:
        """Send one request and answer what came. Raises Unavailable for what may pass by itself."""
        content = None if body is None else json.dumps(body).encode()
        headers = {"Accept": "application/json", "User-Agent": "slipway", **self.headers}
        if content is not None:
            headers["Content-Type"] = "application/json"
        try:
            url = f"{self.base}{path}"
            with self.client.stream(method, url, params=query or None, content=content, headers=headers) as answer:
                text = _read(answer, self.host)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Unavailable(f"The git host {self.host} could not be asked ({type(error).__name__}).") from None
        found = Answer(answer.status_code, {k.lower(): v for k, v in answer.headers.items()}, _json(text))
        self._check_passing(found)
        return found

    def good(self, method: str, path: str, body: object = None, **query: str) -> Answer:
        """Send one request that must be done. Raises Refused with the host's words, NoApi, Unavailable."""
        answer = self.ask(method, path, body, **query)
        if not answer.is_good:
            raise self.refusal(answer)
        return answer

    def refusal(self, answer: Answer, why: str = "") -> Refused | NoApi:
        """Answer what a refusal is raised as; `why` goes before the host's own words."""
        if answer.status in {*_NOWHERE, HTTPStatus.UNAUTHORIZED} and answer.body is None and not why:
            return NoApi(f"{self.host} does not answer as the API of a git host that is known here.")
        if answer.status == HTTPStatus.UNAUTHORIZED and not why:
            why = "the access token is not valid there, or has expired"
        said = f" It said: {answer.words}" if answer.words else ""
        return Refused(f"The git host {self.host} refuses: {why or f'HTTP {answer.status}'}.{said}")

    def _check_passing(self, answer: Answer) -> None:
        spent = answer.headers.get("x-ratelimit-remaining") == "0" or "retry-after" in answer.headers
        is_limit = answer.status == HTTPStatus.FORBIDDEN and spent
        if answer.status in _PASSING or is_limit or answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            if answer.status == HTTPStatus.NOT_IMPLEMENTED:
                return
            raise Unavailable(f"The git host {self.host} answered {answer.status}.")
        if answer.status in _MOVED:
            raise NoApi(f"{self.host} sends the request elsewhere, which is not followed with a token.")


def segment(text: str) -> str:
    """Return one part of a path, whatever it holds."""
    return quote(text, safe="")


def _read(answer: httpx.Response, host: str) -> bytes:
    data = bytearray()
    for piece in answer.iter_bytes():
        data += piece
        if len(data) > _LIMIT:
            raise Unavailable(f"The git host {host} answered more than {_LIMIT} bytes.")
    return bytes(data)


def _json(text: bytes) -> Any:  # noqa: ANN401 - whatever the host answers
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _words(body: object) -> list[str]:
    """Collect the sentences that hosts put into refusals: `message`, `error`, `errors`, `detail` in all their forms."""
    match body:
        case str():
            return [body]
        case list():
            return [word for one in body[:5] for word in _words(one)]
        case dict():
            keys = ("message", "error", "error_description", "errors", "detail")
            return [word for key in keys if key in body for word in _words(body[key])]
    return []
