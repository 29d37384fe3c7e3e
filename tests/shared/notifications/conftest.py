"""A receiver on loopback."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest


@dataclass
class Webhook:
    """Answers as told and keeps what it got."""

    url: str = ""
    allows: str = "*"
    statuses: list[int] = field(default_factory=list)
    """What the next events are answered; 200 after these."""
    retry_after: str = ""
    asked: list[dict[str, str]] = field(default_factory=list)
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in self.got]


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    """Run a receiver."""
    told = Webhook()

    class Door(BaseHTTPRequestHandler):
        def do_OPTIONS(self) -> None:
            told.asked.append({name.lower(): value for name, value in self.headers.items()})
            self.send_response(200)
            self.send_header("WebHook-Allowed-Origin", told.allows)
            self.end_headers()

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            told.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(told.statuses.pop(0) if told.statuses else 200)
            if told.retry_after:
                self.send_header("Retry-After", told.retry_after)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Door) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        told.url = f"https://127.0.0.1:{server.server_port}/hook"
        yield told
        server.shutdown()
        thread.join()
