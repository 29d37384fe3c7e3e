"""The confined engine with its directories, and a registry in memory that it pushes to."""

import asyncio
import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx

from builder.engine.kaniko import KanikoEngine
from builder.engine.protocol import ImageBuild
from shared.grant import RegistryLogin
from shared.images.references import Reference

TAG = Reference.parse("reg.example/app:v1")
LOGIN = RegistryLogin(registry="reg.example", token="push.token")


class Registry:
    """A registry in memory: blobs by digest, manifests by tag, and the requests that came."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[str, tuple[str, bytes]] = {}
        self.asked: list[str] = []
        self.tokens: set[str] = set()
        self.refuse = 0

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.method)
        self.tokens.add(request.headers.get("authorization", ""))
        path, name = request.url.path, request.url.path.rpartition("/")[2]
        if not self.tokens - {""}:
            challenge = {"www-authenticate": 'Bearer realm="https://reg.example/token",service="s"'}
            return httpx.Response(401, headers=challenge, stream=httpx.ByteStream(b""))
        if self.refuse:
            return _empty(self.refuse)
        return self._put(request, path, name) if request.method in {"POST", "PUT"} else self._found(request, name)

    def _found(self, request: httpx.Request, name: str) -> httpx.Response:
        if request.method == "HEAD":
            return _empty(200 if name in self.blobs else 404)
        kind, body = self.manifests.get(name) or ("application/octet-stream", self.blobs.get(name))
        return _empty(404) if body is None else _answer(kind, body)

    def _put(self, request: httpx.Request, path: str, name: str) -> httpx.Response:
        if request.method == "POST":
            return _empty(202, {"location": "/v2/app/blobs/uploads/1?state=x"})
        if "/manifests/" in path:
            self.manifests[name] = (request.headers["content-type"], request.content)
            return _empty(201)
        assert int(request.headers["content-length"]) == len(request.content)
        digest = request.url.params["digest"]
        assert digest == f"sha256:{hashlib.sha256(request.content).hexdigest()}"
        self.blobs[digest] = request.content
        return _empty(201)


def _answer(kind: str, body: bytes) -> httpx.Response:
    headers = {"content-type": kind, "content-length": str(len(body))}
    return httpx.Response(200, headers=headers, stream=httpx.ByteStream(body))


def _empty(status: int, headers: dict[str, str] | None = None) -> httpx.Response:
    return httpx.Response(status, headers=headers, stream=httpx.ByteStream(b""))


RECORDING = Path(__file__).with_name("recording_executor.py")


class Bench:
    """An engine with its directories, its registry and its output."""

    def __init__(self, root: Path, executor: Path) -> None:
        self.registry = Registry()
        self.output = bytearray()
        self.context, self.private, self.home = root / "context", root / "private", executor.parent
        for directory in (self.context, self.private):
            directory.mkdir()
        (self.context / "hello").write_text("hello\n")
        (root / "ca.pem").touch()
        self._http = httpx.AsyncClient(transport=httpx.MockTransport(self._read))
        self.engine = KanikoEngine(executor, self.private, root / "shared", root / "ca.pem", self._http)

    async def _read(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        return self.registry.answer(request)

    def build(self, text: str = "FROM scratch\nCOPY . /\n", **fields: Any) -> str:
        return asyncio.run(self.engine.build(self.request(text, **fields), self.output.extend))

    def request(self, text: str, **fields: Any) -> ImageBuild:
        return replace(ImageBuild(context=self.context, dockerfile=text, tags=(TAG,)), **fields)

    def push(self) -> str:
        return asyncio.run(self.engine.push(TAG, LOGIN, self.output.extend))

    @property
    def calls(self) -> list[dict[str, Any]]:
        """What each build was given, in their order."""
        return [json.loads(line) for line in (self.private / "record.json").read_text().splitlines()]

    @property
    def record(self) -> dict[str, Any]:
        """What the last one was given."""
        return self.calls[-1]
