"""Images that the run has built, for a build that stands on them: kaniko takes its bases from registries alone.

So for as long as such a build lasts there is one, on loopback, that has nothing else and takes nothing. Whoever shares
the builder's network can read from it: steps of the same run, whose images these are.
"""

import contextlib
import shutil
import threading
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final, override

from builder.bases import values
from builder.engine.protocol import ImageBuild
from builder.oci.layout import Layout
from shared.dockerfile import parse, renamed, resolve
from shared.errors import LanguageError
from shared.images.references import Reference

_REPOSITORY: Final = "own"
_PIECE: Final = 1024**2
_PATIENCE: Final = 60.0


@contextlib.contextmanager
def served(build: ImageBuild, made: Mapping[Reference, Layout]) -> Iterator[str]:
    """Return the Dockerfile's text with names by which it gets those of its bases that are among `made`.

    They hold inside the context only. Raises LanguageError for a Dockerfile that cannot be read.
    """
    bases = resolve(parse(build.dockerfile), values(build.arguments), build.target, build.platforms[0])
    own = {image.reference: made[image.reference] for image in bases.images if image.reference in made}
    if not own:
        yield build.dockerfile
        return
    server = _Server(tuple(own.values()))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        place = f"127.0.0.1:{server.server_port}/{_REPOSITORY}"
        names = {reference: f"{place}@{layout.manifest.digest}" for reference, layout in own.items()}
        yield renamed(build.dockerfile, bases, names)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, layouts: tuple[Layout, ...]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.layouts = layouts

    def find(self, path: str) -> tuple[Path, str] | None:
        """Return the file of a manifest or blob, and its media type."""
        kind, _, digest = path.removeprefix(f"/v2/{_REPOSITORY}/").partition("/")
        for layout in self.layouts if kind in {"manifests", "blobs"} else ():
            known = {blob.digest: "application/octet-stream" for blob in layout.blobs}
            if kind == "manifests":
                known = {layout.manifest.digest: layout.manifest.media_type}
            with contextlib.suppress(LanguageError):
                if digest in known and (file := layout.blob(digest)).is_file():
                    return file, known[digest]
        return None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = _PATIENCE

    def do_HEAD(self) -> None:
        """Say what a GET would bring."""
        self._answer()

    def do_GET(self) -> None:
        """Bring a manifest or a blob by its digest."""
        if file := self._answer():
            with file.open("rb") as content:
                shutil.copyfileobj(content, self.wfile, _PIECE)

    def _answer(self) -> Path | None:
        server = self.server
        found = server.find(self.path) if isinstance(server, _Server) else None
        if found is None:
            self.send_response(HTTPStatus.OK if self.path == "/v2/" else HTTPStatus.NOT_FOUND)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return None
        file, media_type = found
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(file.stat().st_size))
        self.send_header("Docker-Content-Digest", self.path.rpartition("/")[2])
        self.end_headers()
        return file

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the build's log is the run's."""
