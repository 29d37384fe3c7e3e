"""Real registries on loopback: Debian's docker-registry, ready some 50 ms after its start."""

import hashlib
import json
import re
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from devstack.tls.authority import TlsFiles
from shared.images.manifests import INDEX_TYPES, MANIFEST_TYPES

BLOB_TYPE = "application/octet-stream"


@dataclass(frozen=True)
class LocalRegistry:
    """A running registry; `name` is what references call it, `http` may push to it, `folder` is its own."""

    name: str
    http: httpx.Client
    folder: Path
    scheme: str = "http"

    def url(self, path: str) -> str:
        return f"{self.scheme}://{self.name}/v2/{path}"

    def push_blob(self, repository: str, content: bytes) -> dict[str, Any]:
        """Push a blob; return its descriptor."""
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        started = self.http.post(self.url(f"{repository}/blobs/uploads/")).raise_for_status()
        location = httpx.URL(started.headers["location"]).copy_merge_params({"digest": digest})
        self.http.put(location, content=content, headers={"content-type": BLOB_TYPE}).raise_for_status()
        return {"mediaType": BLOB_TYPE, "digest": digest, "size": len(content)}

    def push(self, repository: str, target: str | None, note: str = "", **members: Any) -> dict[str, Any]:
        """Push an image that only `note` tells from others, under a tag or its digest; return its descriptor."""
        config = self.push_blob(repository, b"{}")
        image = {"mediaType": MANIFEST_TYPES[0], "config": config, "layers": [], "annotations": {"note": note}}
        return self.put(repository, target, image | members)

    def push_index(self, repository: str, tag: str, *platforms: str) -> dict[str, Any]:
        """Push one image per platform and an index of them; return the index's descriptor."""
        entries = [self.push(repository, None, platform) | {"platform": _platform(platform)} for platform in platforms]
        return self.put(repository, tag, {"mediaType": INDEX_TYPES[0], "manifests": entries})

    def put(self, repository: str, target: str | None, manifest: dict[str, Any]) -> dict[str, Any]:
        """Push a manifest as it is; return its descriptor."""
        body = json.dumps({"schemaVersion": 2} | manifest).encode()
        digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
        media_type = manifest["mediaType"]
        url = self.url(f"{repository}/manifests/{target or digest}")
        self.http.put(url, content=body, headers={"content-type": media_type}).raise_for_status()
        return {"mediaType": media_type, "digest": digest, "size": len(body)}


def _platform(text: str) -> dict[str, str]:
    return dict(zip(("os", "architecture", "variant"), text.split("/"), strict=False))


@contextmanager
def running_registry(
    folder: Path, auth: dict[str, Any], login: httpx.Auth | None, tls: TlsFiles | None = None
) -> Iterator[LocalRegistry]:
    """Run a registry until the end of the block, behind TLS if it is given the files for that."""
    folder.mkdir(parents=True)
    secured = {"tls": {"certificate": str(tls.leaf), "key": str(tls.leaf_key)}} if tls else {}
    config = {
        "version": 0.1,
        "log": {"accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(folder / "data")}, "delete": {"enabled": True}},
        "http": {"addr": "127.0.0.1:0"} | secured,
    } | ({"auth": auth} if auth else {})
    (folder / "config.json").write_text(json.dumps(config))
    command = ["docker-registry", "serve", str(folder / "config.json")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        try:
            lines: list[str] = []
            address = None
            while address is None:
                lines.append(process.stderr.readline())
                assert lines[-1], f"docker-registry did not start: {lines}"
                address = re.search(r"listening on (127\.0\.0\.1:\d+)", lines[-1])
            drain = threading.Thread(target=process.stderr.read, daemon=True)
            drain.start()
            trust = ssl.create_default_context(cafile=str(tls.authority)) if tls else True
            with httpx.Client(auth=login, trust_env=False, verify=trust) as http:
                yield LocalRegistry(address[1], http, folder, "https" if tls else "http")
        finally:
            process.kill()
            process.wait()
            drain.join()
