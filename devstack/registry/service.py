"""The endpoints of the registry's token service.

    GET  /oauth2/token?service&scope      Basic           Docker token specification
    POST /oauth2/token                    form            refresh_token or password grant
    POST /oauth2/exchange                 form            ACR: an Entra token for a refresh token

Nobody is anonymous here: without a credential the answer is 401.
"""

import base64
import binascii
import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus

from devstack.entra.checking import TokenCheck
from devstack.registry import access
from devstack.registry.accounts import TokenServiceConfig
from devstack.registry.tokens import ACCESS_LIFE_SECONDS, Mint
from devstack.web import Request, Response, json_response

REFRESH_USER = "00000000-0000-0000-0000-000000000000"
"""ACR's user name that says: the password is a refresh token."""


@dataclass(frozen=True)
class TokenService:
    """Answers for each registry by a mint of its own: no token of one is worth anything at another."""

    config: TokenServiceConfig
    mints: Mapping[str, Mint]
    check_entra: TokenCheck

    def __call__(self, request: Request) -> Response:
        """Answer one request."""
        match (request.method, request.path):
            case ("GET", "/oauth2/token"):
                return self._get(request)
            case ("POST", "/oauth2/token"):
                return self._post(request.form)
            case ("POST", "/oauth2/exchange"):
                return self._exchange(request.form)
        return _error(HTTPStatus.NOT_FOUND, "NOT_FOUND", "There is nothing here.")

    def _get(self, request: Request) -> Response:
        mint = self._mint(request.parameters("service"))
        if mint is None:
            return self._wrong_service()
        name, password = _basic(request.headers.get("authorization", ""))
        account = self._account(mint, name, password)
        if account is None:
            return _unauthenticated()
        offline = "true" in request.parameters("offline_token")
        return self._answer(mint, account, request.parameters("scope"), with_refresh=offline)

    def _post(self, form: dict[str, str]) -> Response:
        mint = self._mint([form["service"]] if "service" in form else [])
        if mint is None:
            return self._wrong_service()
        match form.get("grant_type"):
            case "refresh_token":
                account = mint.account_of(form.get("refresh_token", ""))
            case "password":
                account = self._account(mint, form.get("username", ""), form.get("password", ""))
            case _:
                return _error(HTTPStatus.BAD_REQUEST, "UNSUPPORTED", "The grant type is not supported.")
        if account is None:
            return _unauthenticated()
        offline = form.get("access_type") == "offline"
        return self._answer(mint, account, [form.get("scope", "")], with_refresh=offline)

    def _exchange(self, form: dict[str, str]) -> Response:
        if form.get("grant_type") not in {"access_token", "access_token_refresh_token"}:
            return _error(HTTPStatus.BAD_REQUEST, "UNSUPPORTED", "The grant type is not supported.")
        mint = self._mint([form.get("service", "")])
        if mint is None:
            return self._wrong_service()
        account = self.check_entra(form.get("access_token", ""))
        if account is None or self.config.right_of(account) is None:
            return _unauthenticated()
        return json_response({"refresh_token": mint.refresh(account)})

    def _mint(self, named: Iterable[str]) -> Mint | None:
        """Pick the registry that is spoken of; None for one that is not known, or for several."""
        services = set(named) or {self.config.services[0]}
        return self.mints.get(services.pop()) if len(services) == 1 else None

    def _wrong_service(self) -> Response:
        known = ", ".join(self.config.services)
        return _error(HTTPStatus.BAD_REQUEST, "UNSUPPORTED", f"This service speaks for {known} alone.")

    def _account(self, mint: Mint, name: str, password: str) -> str | None:
        if name == REFRESH_USER:
            return mint.account_of(password)
        user = self.config.user(name, password)
        return user.name if user else None

    def _answer(self, mint: Mint, account: str, asked: Iterable[str], *, with_refresh: bool) -> Response:
        granted = access.grant(access.parse(asked), self.config.right_of(account))
        token = mint.access(account, granted)
        body: dict[str, object] = {
            "token": token,
            "access_token": token,
            "expires_in": ACCESS_LIFE_SECONDS,
            "issued_at": dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        if with_refresh:
            body["refresh_token"] = mint.refresh(account)
        return json_response(body)


def _basic(header: str) -> tuple[str, str]:
    """Read Basic credentials; anything else is a pair of empty texts."""
    kind, _, value = header.partition(" ")
    if kind.lower() != "basic":
        return "", ""
    try:
        name, _, password = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return name, password


def _error(status: HTTPStatus, code: str, message: str, headers: dict[str, str] | None = None) -> Response:
    return json_response({"errors": [{"code": code, "message": message}]}, status, headers)


def _unauthenticated() -> Response:
    message = "The credential is missing or does not hold."
    return _error(
        HTTPStatus.UNAUTHORIZED, "UNAUTHORIZED", message, {"www-authenticate": 'Basic realm="slipway registry"'}
    )
