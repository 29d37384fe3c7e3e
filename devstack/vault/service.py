"""The one endpoint of a key vault that tasks need: `GET /secrets/NAME[/VERSION]?api-version=…`.

A secret is a file of the same name, its bytes the value. There is one version of each, the file as it is now.
"""

import hashlib
import re
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from devstack.entra.checking import TokenCheck
from devstack.web import Request, Response, json_response

_NAME = re.compile(r"[0-9A-Za-z-]{1,127}")


class VaultConfig(BaseModel):
    """The whole configuration. `readers` are the object ids that may read."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    secrets: Path
    readers: tuple[str, ...]
    entra_issuer: str
    entra_jwks_url: str
    audiences: tuple[str, ...]
    authorities: Path
    port: int
    certificate: Path
    key: Path


@dataclass(frozen=True)
class VaultService:
    """Answers for one vault."""

    config: VaultConfig
    check: TokenCheck

    def __call__(self, request: Request) -> Response:
        """Answer one request."""
        if request.method != "GET" or request.segments[:1] != ("secrets",):
            return _error(HTTPStatus.NOT_FOUND, "NotFound", "There is nothing here.")
        if not request.parameters("api-version"):
            return _error(HTTPStatus.BAD_REQUEST, "BadParameter", "api-version must be specified.")
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        reader = self.check(token) if scheme.lower() == "bearer" else None
        if reader is None:
            return _error(HTTPStatus.UNAUTHORIZED, "Unauthorized", "The request has no valid token.")
        if reader not in self.config.readers:
            return _error(HTTPStatus.FORBIDDEN, "Forbidden", f"{reader} may not read the secrets of this vault.")
        return self._read(request.segments[1:])

    def _read(self, names: tuple[str, ...]) -> Response:
        match names:
            case (name,) | (name, _) if _NAME.fullmatch(name):
                return self._secret(name, names[1:])
        return _error(HTTPStatus.BAD_REQUEST, "BadParameter", "The name of the secret is not well formed.")

    def _secret(self, name: str, version: tuple[str, ...]) -> Response:
        try:
            value = (self.config.secrets / name).read_bytes().decode()
        except (OSError, UnicodeDecodeError):
            value = None
        current = hashlib.sha256((value or "").encode()).hexdigest()[:32]
        if value is None or version not in {(), (current,)}:
            return _error(
                HTTPStatus.NOT_FOUND, "SecretNotFound", f"A secret called {name} was not found in this vault."
            )
        known_as = f"https://localhost:{self.config.port}/secrets/{name}/{current}"
        return json_response({"value": value, "id": known_as, "attributes": {"enabled": True}})


def _error(status: HTTPStatus, code: str, message: str) -> Response:
    headers = {"www-authenticate": "Bearer"} if status is HTTPStatus.UNAUTHORIZED else {}
    return json_response({"error": {"code": code, "message": message}}, status, headers)
