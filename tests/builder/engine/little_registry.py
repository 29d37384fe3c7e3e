"""A registry on the loopback with one base image, for whom shows the right token; and what an image holds."""

import gzip
import hashlib
import io
import json
import shutil
import subprocess
import tarfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from devstack.setup import mirror

TOKEN = "pull.token"
REPOSITORY = "base/busybox"
APPLETS = ("cat", "chmod", "echo", "env", "grep", "id", "ls", "mkdir", "ps", "rm", "sh", "sleep", "test", "touch")
_CACHE = Path.home() / ".cache" / "slipway"
_DOCKER = "application/vnd.docker"


def busybox(folder: Path) -> Path:
    """Return a busybox without libraries: the machine's, one of a builder made here, or Debian's."""
    known = [Path(shutil.which("busybox") or "/bin/busybox"), Path("/kaniko/bin/busybox"), Path("/busybox/busybox")]
    for path in (*known, *_CACHE.glob("builder-confined-*/root/kaniko/bin/busybox")):
        if path.is_file() and b"/ld-" not in path.read_bytes()[:8192]:
            return path
    package = mirror.fetch("busybox-static", "trixie", folder)
    subprocess.run(["dpkg-deb", "--extract", str(package), str(folder / "tree")], check=True)
    return next(path for path in (folder / "tree").glob("**/busybox") if path.is_file())


@dataclass(frozen=True)
class Registry:
    """Where the registry listens, and the reference of its base."""

    address: str
    base: str
    program: Path
    """The busybox that it is made of."""
    asked: list[tuple[str, bool]]
    """Paths, and whether the token came with them."""


def _layer(entries: Mapping[str, tuple[tarfile.TarInfo, bytes]]) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        for info, content in entries.values():
            tar.addfile(info, io.BytesIO(content))
    return raw.getvalue()


def _entry(name: str, content: bytes = b"", **fields: Any) -> dict[str, tuple[tarfile.TarInfo, bytes]]:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(content), 0o644
    for field, value in fields.items():
        setattr(info, field, value)
    return {name: (info, content)}


def _tree(program: bytes) -> tuple[bytes, bytes]:
    """Return two layers: a small system, and one that takes a file of it away."""
    folder: dict[str, Any] = {"type": tarfile.DIRTYPE, "mode": 0o755}
    entries = _entry("bin", **folder) | _entry("bin/busybox", program, mode=0o755)
    for applet in APPLETS:
        entries |= _entry(f"bin/{applet}", type=tarfile.SYMTYPE, linkname="busybox")
    for name in ("etc", "run", "var", "root"):
        entries |= _entry(name, **folder)
    entries |= _entry("tmp", **folder | {"mode": 0o1777}) | _entry("etc/old", b"old")
    entries |= _entry("etc/passwd", b"root:x:0:0::/root:/bin/sh\nsomebody:x:1000:1000::/home/somebody:/bin/sh\n")
    entries |= _entry("etc/group", b"root:x:0:\nsomebody:x:1000:\n") | _entry("etc/hosts", b"of the base\n")
    entries |= _entry("var/run", type=tarfile.SYMTYPE, linkname="/run")
    return _layer(entries), _layer(_entry("etc/.wh.old"))


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _image(program: bytes) -> tuple[str, dict[str, tuple[str, bytes]]]:
    """Return the manifest's digest, and all that a registry has of the image."""
    tars = _tree(program)
    blobs = [gzip.compress(tar, mtime=0) for tar in tars]
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Env": ["PATH=/bin", "OF=base"], "Cmd": ["/bin/sh"]},
        "rootfs": {"type": "layers", "diff_ids": [_digest(tar) for tar in tars]},
        "history": [{"created_by": "one"}, {"created_by": "two"}],
    }
    text = json.dumps(config).encode()
    described = [
        {"mediaType": kind, "size": len(blob), "digest": _digest(blob)}
        for kind, blob in [
            (f"{_DOCKER}.container.image.v1+json", text),
            *((f"{_DOCKER}.image.rootfs.diff.tar.gzip", blob) for blob in blobs),
        ]
    ]
    manifest_type = f"{_DOCKER}.distribution.manifest.v2+json"
    body = {"schemaVersion": 2, "mediaType": manifest_type, "config": described[0], "layers": described[1:]}
    manifest = json.dumps(body).encode()
    stored = {_digest(blob): ("application/octet-stream", blob) for blob in (text, *blobs)}
    return _digest(manifest), stored | {_digest(manifest): (manifest_type, manifest)}


@contextmanager
def serving(program: Path) -> Iterator[Registry]:
    """Serve a base made of a busybox until the end."""
    digest, stored = _image(program.read_bytes())
    asked: list[tuple[str, bool]] = []

    class Doors(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            is_known = self.headers.get("authorization") == f"Bearer {TOKEN}"
            asked.append((self.path, is_known))
            kind, body = stored.get(self.path.rpartition("/")[2], ("application/json", b"{}"))
            status = 200 if is_known and (self.path == "/v2/" or body != b"{}") else 404 if is_known else 401
            self.send_response(status)
            if status == 401:
                realm = f"http://127.0.0.1:{server.server_port}/token"
                self.send_header("www-authenticate", f'Bearer realm="{realm}",service="little"')
                body = b"{}"
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body)))
            if status == 200 and self.path != "/v2/":
                self.send_header("docker-content-digest", self.path.rpartition("/")[2])
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        do_HEAD = do_GET  # noqa: N815 - the names of http.server

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Doors)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    address = f"127.0.0.1:{server.server_port}"
    try:
        yield Registry(address, f"{address}/{REPOSITORY}@{digest}", program, asked)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def contents(layers: list[bytes]) -> dict[str, tuple[tarfile.TarInfo, bytes]]:
    """Lay layers over each other and return what an image then holds, by path."""
    found: dict[str, tuple[tarfile.TarInfo, bytes]] = {}
    for layer in layers:
        with tarfile.open(fileobj=io.BytesIO(gzip.decompress(layer))) as tar:
            for entry in tar:
                name = "/" + entry.name.strip("/").removeprefix("./")
                folder, _, last = name.rpartition("/")
                if last.startswith(".wh."):
                    gone = f"{folder}/{last.removeprefix('.wh.')}"
                    found = {one: kept for one, kept in found.items() if one != gone and not one.startswith(f"{gone}/")}
                elif name not in {"/", "/."}:
                    file = tar.extractfile(entry) if entry.isreg() else None
                    found[name] = (entry, file.read() if file else b"")
    return found
