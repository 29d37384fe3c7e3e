"""A double of everything that a builder talks to, behind one httpx transport."""

import asyncio
import gzip
import io
import json
import tarfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from builder.agent import Life, serve
from builder.environment import Environment, Paths
from shared.grant import Contents, DockerBuild, EncodedTask, Grant, Report, RunVariables, Source, Work
from tests.builder.engine.scripted import ScriptedEngine

REGISTRY = "localreg.example:7455"
BASE = "sha256:" + "b" * 64

type Answer = Callable[[httpx.Request], httpx.Response]


def packed(files: Mapping[str, str | bytes]) -> bytes:
    """Make an archive as az does: a nameless directory first."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        top = tarfile.TarInfo("")
        top.type, top.mode = tarfile.DIRTYPE, 0o755
        tar.addfile(top)
        for name, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return gzip.compress(raw.getvalue(), 1)


@dataclass
class World:
    """The app, storage and registries. Each kind of call can be given other answers, one per call."""

    directory: Path
    engine: ScriptedEngine = field(default_factory=ScriptedEngine)
    files: dict[str, str | bytes] = field(default_factory=lambda: {"Dockerfile": "FROM scratch\n"})
    build: DockerBuild = field(default_factory=lambda: DockerBuild(docker_file_path="Dockerfile"))
    grant: dict[str, Any] = field(default_factory=dict)
    scripted: dict[str, list[Answer | int | Exception]] = field(default_factory=dict)
    always: dict[str, int | Answer] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    logins: list[dict[str, Any]] = field(default_factory=list)
    log: bytearray = field(default_factory=bytearray)
    appends: list[bytes] = field(default_factory=list)
    result: bytes | None = None
    reports: list[Report] = field(default_factory=list)
    manifests: dict[str, str] = field(default_factory=dict)
    bodies: dict[str, bytes] = field(default_factory=dict)
    """Manifests that the registry has whole, by `repository:tag`, and below its blobs."""
    blobs: set[str] = field(default_factory=set)
    told: list[Contents] = field(default_factory=list)
    """What images hold."""
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    draining: asyncio.Event = field(default_factory=asyncio.Event)

    def run_task(self, text: str, **fields: Any) -> None:
        """Execute a task that came with its request."""
        self.grant["work"] = Work(encoded_task=EncodedTask(task_content=text, **fields))
        self.grant["source"] = Source()
        assert asyncio.run(asyncio.wait_for(self.live(), 20)) == 0

    @property
    def text(self) -> str:
        """The log."""
        return self.log.decode()

    @property
    def report(self) -> Report:
        """The one report."""
        (one,) = self.reports
        return one

    def make_grant(self) -> Grant:
        values: dict[str, Any] = {
            "run_id": "ca1",
            "group": "g1",
            "epoch": 3,
            "run_token": "run-token-of-ca1",
            "work": Work(docker_build=self.build),
            "source": Source(archive_url="https://blobs.example/sources/a.tar.gz?sig=s"),
            "variables": RunVariables(id="ca1", registry=REGISTRY, registry_name="localreg", date="20260102-030405z"),
            "timeout_seconds": 600,
            "heartbeat_seconds": 0.01,
            "log_url": "https://blobs.example/logs/ca1?sp=a&sig=s",
            "result_url": "https://blobs.example/results/ca1?sp=cw&sig=s",
        }
        return Grant(**(values | self.grant))

    async def live(self) -> int:
        """Let one builder live from its start to its exit."""
        environment = Environment("https://app.example", "g1", "group-token")
        paths = Paths(self.directory / "private", self.directory / "workspace", self.directory / "images")
        paths = replace(paths, home=self.directory / "home")
        paths.private.mkdir(exist_ok=True)
        (paths.private / "ca.pem").touch()
        async with httpx.AsyncClient(transport=httpx.MockTransport(self._answer)) as http:
            return await serve(environment, Life(paths, lambda: self.engine, http, draining=self.draining))

    async def called(self, call: str, times: int = 1) -> None:
        """Wait until a call has been made so many times."""
        while self.calls.count(call) < times:
            self.changed.clear()
            await self.changed.wait()

    def _answer(self, request: httpx.Request) -> httpx.Response:
        call = self._name(request)
        self.calls.append(call)
        self.changed.set()
        steps = self.scripted.get(call, [])
        given = steps.pop(0) if steps else self.always.get(call)
        if isinstance(given, Exception):
            raise given
        if isinstance(given, int):
            if call in {"sources", "registry"}:
                return _streamed(given)
            return httpx.Response(given, json={"reason": f"{given} as told"})
        return given(request) if given else self.ordinary(call, request)

    @staticmethod
    def _name(request: httpx.Request) -> str:
        match request.url.host:
            case "app.example":
                return request.url.path.rpartition("/")[2]
            case "blobs.example":
                return request.url.path.split("/")[1]
        return "registry"

    def ordinary(self, call: str, request: httpx.Request) -> httpx.Response:
        """Answer as a healthy service does."""
        answers: dict[str, Answer] = {
            "claim": self.claimed,
            "leave": lambda _: httpx.Response(200, json={}),
            "heartbeat": lambda _: httpx.Response(200, json={"epoch": 3}),
            "login": self._login,
            "report": self._report,
            "contents": self._contents,
            "sources": lambda _: _streamed(200, packed(self.files), {"ETag": '"1"'}),
            "logs": self.append,
            "results": self._store,
            "registry": self._manifest,
        }
        return answers[call](request)

    def claimed(self, _request: httpx.Request) -> httpx.Response:
        """Give the run."""
        return httpx.Response(200, text=self.make_grant().model_dump_json(by_alias=True))

    def _login(self, request: httpx.Request) -> httpx.Response:
        self.logins.append(json.loads(request.content))
        return httpx.Response(200, json={"registry": REGISTRY, "token": f"registry-token-{len(self.logins)}"})

    def _report(self, request: httpx.Request) -> httpx.Response:
        self.reports.append(Report.model_validate_json(request.content))
        return httpx.Response(200, json={})

    def _contents(self, request: httpx.Request) -> httpx.Response:
        self.told.append(Contents.model_validate_json(request.content))
        return httpx.Response(200, json={})

    def append(self, request: httpx.Request) -> httpx.Response:
        """Append a block as Azure does."""
        position = request.headers["x-ms-blob-condition-appendpos"]
        if int(position) != len(self.log):
            return httpx.Response(412)
        self.log += request.content
        self.appends.append(request.content)
        return httpx.Response(201)

    def _store(self, request: httpx.Request) -> httpx.Response:
        assert request.headers["If-None-Match"] == "*"
        if self.result is not None:
            return httpx.Response(409)
        self.result = request.content
        return httpx.Response(201)

    def _manifest(self, request: httpx.Request) -> httpx.Response:
        if "/blobs/" in request.url.path:
            return _streamed(200 if request.url.path.rpartition("/")[2] in self.blobs else 404)
        name = request.url.path.removeprefix("/v2/").replace("/manifests/", ":")
        body = self.bodies.get(name, b"") if request.method == "GET" else b""
        digest = self.manifests.get(name)
        if digest is None and request.url.netloc.decode() == REGISTRY and self.engine.built:
            digest = self.engine.digest(self.engine.built[-1])
        if digest is None:
            return _streamed(404)
        media_type = "application/vnd.oci.image.manifest.v1+json"
        return _streamed(200, body, headers={"Docker-Content-Digest": digest, "Content-Type": media_type})


def _streamed(status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> httpx.Response:
    return httpx.Response(status, stream=httpx.ByteStream(body), headers=headers)


def lines(text: str) -> list[str]:
    """Return the lines of a log without their times."""
    return [_undated(line) for line in text.removesuffix("\r\n").split("\r\n")]


def _undated(line: str) -> str:
    dated = len(line) >= 20 and line[4] == line[7] == "/" and line[19] == " "
    return line[20:] if dated else line


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
def undated() -> Callable[[str], Iterable[str]]:
    return lines
