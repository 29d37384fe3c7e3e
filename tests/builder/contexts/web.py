"""A web server with TLS on loopback that serves git repositories, files and whatever a test wants."""

import base64
import datetime as dt
import os
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

from devstack.tls.authority import TlsFiles, ensure

BACKEND = "/usr/lib/git-core/git-http-backend"


@dataclass(frozen=True)
class Asked:
    """One request as it arrived; header names in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes = b""


@dataclass(frozen=True)
class Reply:
    """One answer. `break_after` bytes of the body the connection is cut."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    break_after: int | None = None


type Page = Callable[[Asked], Reply]


@dataclass
class Site:
    """What is served: `pages` by path first, then `apps` by how the path begins, then git repositories below `folder`.

    With `login` (`user:password`), everything asks for it; `private` are paths and what is asked for below them.
    `smart` tells whether git's own protocol is spoken or plain files are served.
    """

    folder: Path
    bundle: Path
    port: int = 0
    pages: dict[str, Page] = field(default_factory=dict)
    apps: dict[str, Page] = field(default_factory=dict)
    login: str | None = None
    private: dict[str, str] = field(default_factory=dict)
    smart: bool = True
    asked: list[Asked] = field(default_factory=list)

    @property
    def origin(self) -> str:
        return f"https://localhost:{self.port}"

    @property
    def allowed(self) -> tuple[str, ...]:
        """What an operator has to allow for this site."""
        return (f"localhost:{self.port}",)

    def answer(self, asked: Asked) -> Reply:
        self.asked.append(asked)
        path = urlsplit(asked.path).path
        if path in self.pages:
            return self.pages[path](asked)
        app = next((app for start, app in self.apps.items() if path.startswith(start)), None)
        if app:
            return app(asked)
        login = self.login or next((one for below, one in self.private.items() if path.startswith(below)), None)
        if login and asked.headers.get("authorization") != basic(login):
            return Reply(401, headers={"WWW-Authenticate": 'Basic realm="tests"'})
        return self._git(asked) if self.smart else self._file(path)

    def _file(self, path: str) -> Reply:
        place = self.folder / path.lstrip("/")
        return Reply(body=place.read_bytes()) if place.is_file() else Reply(404)

    def _git(self, asked: Asked) -> Reply:
        parts = urlsplit(asked.path)
        environment = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(self.folder),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "safe.directory",
            "GIT_CONFIG_VALUE_0": "*",
            "REQUEST_METHOD": asked.method,
            "PATH_INFO": parts.path,
            "QUERY_STRING": parts.query,
            "CONTENT_TYPE": asked.headers.get("content-type", ""),
            "CONTENT_LENGTH": str(len(asked.body)),
            "HTTP_CONTENT_ENCODING": asked.headers.get("content-encoding", ""),
            "GIT_PROTOCOL": asked.headers.get("git-protocol", ""),
        }
        done = subprocess.run([BACKEND], input=asked.body, env=environment, capture_output=True, check=False)
        head, _, body = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().splitlines() if line)
        return Reply(int(headers.pop("Status", "200").split()[0]), body, headers)


def basic(login: str) -> str:
    return "Basic " + base64.b64encode(login.encode()).decode()


@contextmanager
def running_site(folder: Path, tls: TlsFiles | None = None, port: int = 0) -> Iterator[Site]:
    """Serve until the end of the block, with a certificate of its own if none is given, on any port if none is."""
    folder.mkdir(parents=True)
    tls = tls or ensure(folder / "tls", dt.datetime.now(dt.UTC))
    (folder / "served").mkdir()
    site = Site(folder / "served", tls.authority)

    class Door(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            if self.headers.get("transfer-encoding") == "chunked":
                body = self._chunks()
            headers = {name.lower(): value for name, value in self.headers.items()}
            reply = site.answer(Asked(self.command, self.path, headers, body))
            self.close_connection = True
            self.send_response(reply.status)
            for name, value in ({"Content-Length": str(len(reply.body))} | reply.headers).items():
                self.send_header(name, value)
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(reply.body[: reply.break_after])

        def _chunks(self) -> bytes:
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is http.server's
            pass

    for verb in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"):
        setattr(Door, f"do_{verb}", Door.serve)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tls.leaf, tls.leaf_key)
    with _Server(("127.0.0.1", port), Door) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        site.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield site
        finally:
            server.shutdown()
            thread.join()


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """Clients break off on purpose here."""
