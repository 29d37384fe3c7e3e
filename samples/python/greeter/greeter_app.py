"""A web application of one greeting."""

import os
from wsgiref.simple_server import make_server


def application(environ, start_response):
    """Greet whoever the path names."""
    name = environ.get("PATH_INFO", "/").strip("/") or "Python"
    body = f"Hello from {name}\n".encode()
    start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))])
    return [body]


def main():
    """Serve until stopped."""
    with make_server("", int(os.environ.get("PORT", "8080")), application) as server:
        server.serve_forever()
