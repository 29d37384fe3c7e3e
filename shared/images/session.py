"""A user of registries: credentials, tokens and redirects, as operations without a network.

What leaves for a host is decided here: every address passes the guard first, a redirect to another origin
loses the login, and nothing goes from https to http.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from shared.errors import Forbidden, Unauthenticated, Unavailable
from shared.images.credentials import (
    Basic,
    Bearer,
    Challenge,
    Credential,
    EntraToken,
    RefreshToken,
    Token,
    exchange_form,
    exchange_url,
    read_challenges,
    read_token,
    refresh_form,
    token_url,
)
from shared.images.exchange import Exchange, Request, Response, failure, join_url, split_url
from shared.images.references import DOCKER_HUB

type Guard = Callable[[str], object]
"""Raises for an address that must not be called; it is given the whole URL, and what it returns does not count."""

_API_HOSTS: Final = {DOCKER_HUB: "registry-1.docker.io"}
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_MAX_REDIRECTS: Final = 5
_TOKEN_LIMIT: Final = 256 * 1024
_REFRESH_LIFETIME: Final = 600
"""Seconds that an exchanged refresh token is kept: far less than Azure's three hours."""
_EXPIRY_MARGIN: Final = 10
_MAX_KEPT: Final = 4096


def allow_all(_url: str) -> None:
    """Guard nothing: for a process that may call any address anyway, such as a builder."""


def no_credentials(_registry: str) -> Credential | None:
    """Log in nowhere."""
    return None


@dataclass(frozen=True, slots=True)
class _Kept:
    value: str = field(repr=False)
    expires: float


class Session:
    """Credentials by registry name, and the tokens that they bought; safe for several threads.

    `plain_http` names the registries that are called without TLS. `clock` counts seconds.
    """

    def __init__(
        self,
        credentials: Callable[[str], Credential | None] = no_credentials,
        *,
        guard: Guard,
        plain_http: frozenset[str] = frozenset(),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._credentials = credentials
        self._guard = guard
        self._plain_http = plain_http
        self._clock = clock
        self._kept: dict[tuple[str, str], _Kept] = {}

    def base(self, registry: str) -> str:
        """Return the address of the registry, without a slash at its end."""
        scheme = "http" if registry in self._plain_http else "https"
        return f"{scheme}://{_API_HOSTS.get(registry, registry)}"

    def ask(self, request: Request, *, registry: str, scope: str) -> Exchange[Response]:
        """Send a request, logged in if the registry wants it, and return the answer, whatever its status but 401.

        `scope` is what a token must allow, as Docker's token specification writes it.
        """
        login = _Login(self, registry, scope, request.subject, self._credentials(registry))
        header = login.known()
        response = yield from self.follow(request, header)
        if response.status != HTTPStatus.UNAUTHORIZED:
            return response
        fresh = yield from login.answer(response)
        if fresh is not None and fresh != header:
            response = yield from self.follow(request, fresh)
        if response.status == HTTPStatus.UNAUTHORIZED:
            self.forget(registry, scope)
            raise failure(response, request.subject, logged_in=login.credential is not None)
        return response

    def follow(self, request: Request, authorization: str | None = None) -> Exchange[Response]:
        """Send a request and follow redirects of GET and HEAD."""
        for _ in range(_MAX_REDIRECTS + 1):
            headers = dict(request.headers) | ({"authorization": authorization} if authorization else {})
            self._guard(request.url)
            response = yield replace(request, headers=headers)
            location = response.headers.get("location")
            if response.status not in _REDIRECTS or not location or request.method not in ("GET", "HEAD"):
                return response
            url = join_url(request.url, location, request.subject)
            if _origin(url) != _origin(request.url):
                authorization = None
            self._check_scheme(url, allowed=urlsplit(request.url).scheme, subject=request.subject)
            request = replace(request, url=url)
        raise Unavailable(f"{request.subject}: the registry redirects more than {_MAX_REDIRECTS} times.")

    def check_realm(self, url: str, registry: str, subject: str) -> None:
        """Refuse a token service that is not reached as safely as the registry itself."""
        self._check_scheme(url, allowed=urlsplit(self.base(registry)).scheme, subject=subject)

    def kept(self, registry: str, purpose: str) -> str | None:
        """Return what `keep` was given, until it expires."""
        found = self._kept.get((registry, purpose))
        return found.value if found and self._clock() < found.expires else None

    def keep(self, registry: str, purpose: str, value: str, seconds: float) -> None:
        """Remember a token for the time that it holds, less a margin."""
        if len(self._kept) >= _MAX_KEPT:
            self._kept.clear()
        self._kept[registry, purpose] = _Kept(value, self._clock() + seconds - min(_EXPIRY_MARGIN, seconds / 2))

    def forget(self, registry: str, purpose: str) -> None:
        """Drop a token that the registry no longer accepts."""
        self._kept.pop((registry, purpose), None)

    def _check_scheme(self, url: str, *, allowed: str, subject: str) -> None:
        if split_url(url, subject).scheme not in ("https", allowed):
            raise Forbidden(f"{subject}: the registry sends us to an address that is not https.")


@dataclass(frozen=True, slots=True)
class _Login:
    """One login at one registry, for one scope."""

    session: Session
    registry: str
    scope: str
    subject: str
    credential: Credential | None

    def known(self) -> str | None:
        """Return the Authorization header that needs no question: a fixed token, or one that still holds."""
        if isinstance(self.credential, Bearer):
            return f"Bearer {self.credential.token}"
        return self.session.kept(self.registry, self.scope)

    def answer(self, refusal: Response) -> Exchange[str | None]:
        """Answer the challenge of a 401; None where the credential does not fit any."""
        self.session.forget(self.registry, self.scope)
        challenges = read_challenges(refusal.headers.get("www-authenticate", ""))
        for challenge in sorted(challenges, key=lambda challenge: challenge.scheme != "bearer"):
            match challenge.scheme, self.credential:
                case "bearer", Basic() | RefreshToken() | EntraToken() | None:
                    token = yield from self._token(challenge)
                    header = f"Bearer {token.value}"
                    self.session.keep(self.registry, self.scope, header, token.lifetime)
                    return header
                case "basic", Basic() as basic:
                    self.session.keep(self.registry, self.scope, basic.header, float("inf"))
                    return basic.header
        return None

    def _token(self, challenge: Challenge) -> Exchange[Token]:
        self.session.check_realm(challenge.realm, self.registry, self.subject)
        asked = challenge.parameters.get("scope", "")
        scopes = [self.scope, asked] if asked and asked != self.scope else [self.scope]
        match self.credential:
            case EntraToken() as entra:
                refresh = yield from self._exchanged(challenge, entra)
                return (yield from self._refreshed(challenge, scopes, refresh))
            case RefreshToken() as refresh_token:
                return (yield from self._refreshed(challenge, scopes, refresh_token.token))
            case Basic() as basic:
                return (yield from self._fetched(challenge, scopes, basic.header))
        return (yield from self._fetched(challenge, scopes, None))

    def _fetched(self, challenge: Challenge, scopes: Sequence[str], authorization: str | None) -> Exchange[Token]:
        request = Request("GET", token_url(challenge, scopes), self.subject, limit=_TOKEN_LIMIT)
        response = yield from self.session.follow(request, authorization)
        return self._read(response, "token", "access_token")

    def _refreshed(self, challenge: Challenge, scopes: Sequence[str], refresh: str) -> Exchange[Token]:
        return (yield from self._posted(challenge.realm, refresh_form(challenge, scopes, refresh), "access_token"))

    def _exchanged(self, challenge: Challenge, entra: EntraToken) -> Exchange[str]:
        if known := self.session.kept(self.registry, "refresh"):
            return known
        host = urlsplit(challenge.realm).netloc
        if host not in entra.hosts | {urlsplit(self.session.base(self.registry)).netloc}:
            raise Forbidden(f"{self.subject}: the registry asks for the Entra token on another host, {host}.")
        form = exchange_form(challenge, entra.token)
        token = yield from self._posted(exchange_url(challenge), form, "refresh_token")
        self.session.keep(self.registry, "refresh", token.value, _REFRESH_LIFETIME)
        return token.value

    def _posted(self, url: str, form: dict[str, str], answer: str) -> Exchange[Token]:
        request = Request("POST", url, self.subject, form=form, limit=_TOKEN_LIMIT)
        response = yield from self.session.follow(request)
        return self._read(response, answer)

    def _read(self, response: Response, *names: str) -> Token:
        match response.status:
            case HTTPStatus.OK:
                token = read_token(response.body, *names)
            case HTTPStatus.BAD_REQUEST | HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
                self.session.forget(self.registry, "refresh")
                raise Unauthenticated(
                    f"{self.subject}: the registry's token service refuses the login (HTTP {response.status})."
                )
            case _:
                raise failure(response, self.subject)
        if token is None:
            raise Unavailable(f"{self.subject}: the registry's token service answers without a token.")
        return token


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    default = {"https": 443, "http": 80}.get(parts.scheme)
    return parts.scheme, parts.hostname, parts.port or default
