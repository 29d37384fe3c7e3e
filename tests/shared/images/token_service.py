"""A token service as Docker's specification and Azure's exchange describe it, for a real registry to trust."""

import base64
import datetime as dt
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

SERVICE = "registry.tests"
ISSUER = "tests"
ENTRA_TOKEN = "an-entra-token"
REFRESH_TOKEN = "a-refresh-token"
LOGIN = base64.b64encode(b"owner:opensesame").decode()


@dataclass
class TokenService:
    """Gives every scope to the owner; `asked` lists each request's method, path and scopes."""

    folder: Path
    port: int = 0
    asked: list[tuple[str, str, tuple[str, ...]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, ISSUER)])
        now = dt.datetime.now(dt.UTC)
        builder = x509.CertificateBuilder(name, name, self._key.public_key(), x509.random_serial_number())
        builder = builder.not_valid_before(now - dt.timedelta(days=1))
        builder = builder.not_valid_after(now + dt.timedelta(days=1))
        self._certificate = builder.sign(self._key, hashes.SHA256())
        pem = self._certificate.public_bytes(serialization.Encoding.PEM)
        (self.folder / "root.pem").write_bytes(pem)

    @property
    def registry_auth(self) -> dict[str, Any]:
        """What a docker-registry's configuration says to trust this service."""
        realm = f"http://127.0.0.1:{self.port}/oauth2/token"
        bundle = str(self.folder / "root.pem")
        return {"token": {"realm": realm, "service": SERVICE, "issuer": ISSUER, "rootcertbundle": bundle}}

    def access_token(self, scopes: tuple[str, ...]) -> str:
        """Sign a token for scopes as `repository:name:pull,push`."""
        access = []
        for scope in scopes:
            kind, name, actions = scope.split(":")
            access.append({"type": kind, "name": name, "actions": actions.split(",")})
        now = dt.datetime.now(dt.UTC)
        claims = {"iss": ISSUER, "aud": SERVICE, "sub": "owner", "access": access, "jti": "1"}
        times = {"iat": now, "nbf": now, "exp": now + dt.timedelta(minutes=5)}
        der = self._certificate.public_bytes(serialization.Encoding.DER)
        headers = {"x5c": [base64.b64encode(der).decode()]}
        return jwt.encode(claims | times, self._key, algorithm="ES256", headers=headers)

    def answer(self, method: str, path: str, values: dict[str, list[str]], login: str) -> tuple[int, dict[str, Any]]:
        """Answer one request, with its status."""
        scopes = tuple(" ".join(values.get("scope", [])).split())
        self.asked.append((method, path, scopes))
        token = {"access_token": self.access_token(scopes), "expires_in": 300}
        match method, path, values.get("grant_type", [""])[0]:
            case "GET", "/oauth2/token", _ if login == f"Basic {LOGIN}":
                return 200, token
            case "POST", "/oauth2/exchange", "access_token" if values["access_token"] == [ENTRA_TOKEN]:
                return 200, {"refresh_token": REFRESH_TOKEN}
            case "POST", "/oauth2/token", "refresh_token" if values["refresh_token"] == [REFRESH_TOKEN]:
                return 200, token
        return 401, {}


@contextmanager
def running_token_service(folder: Path) -> Iterator[TokenService]:
    """Run a token service on loopback."""
    service = TokenService(folder)

    class Door(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            self._reply(parts.path, parse_qs(parts.query))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            self._reply(self.path, parse_qs(body.decode()))

        def _reply(self, path: str, values: dict[str, list[str]]) -> None:
            status, answer = service.answer(self.command, path, values, self.headers.get("authorization", ""))
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is http.server's
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Door) as server:
        service.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield service
        finally:
            server.shutdown()
            thread.join()
