"""What the moby engine hands to buildx and to the daemon, and what it makes of their answers."""

import asyncio
import json
import stat
from base64 import urlsafe_b64decode
from pathlib import Path

import httpx
import pytest

from builder import process
from builder.engine.daemon import Daemon
from builder.engine.logins import header, write_config
from builder.engine.moby import MobyEngine
from builder.engine.protocol import ImageBuild, Write
from builder.faults import StepFailed
from shared.grant import NamedValue, Platform, RegistryLogin
from shared.images.references import Reference

DIGEST = "sha256:" + "d" * 64
TOKEN = RegistryLogin(registry="reg.example", token="b.t.k")
HUB = RegistryLogin(registry="docker.io", username="u", password="p:w")


class Buildx:
    """Stands for the docker client: remembers its call, prints, writes the metadata file."""

    def __init__(self, status: int = 0, output: bytes = b"#1 done\n", metadata: str = "") -> None:
        self.status = status
        self.output = output
        self.metadata = metadata or json.dumps({"containerimage.digest": DIGEST})
        self.argv: list[str] = []
        self.env: dict[str, str] = {}
        self.files: dict[str, str] = {}
        self.config: dict[str, object] = {}

    async def run(self, argv: list[str], *, env: dict[str, str], output: Write) -> int:
        return self.play(argv, env, output)

    def play(self, argv: list[str], env: dict[str, str], output: Write) -> int:
        self.argv, self.env = argv, env
        place = Path(self.option("file")).parent
        assert stat.S_IMODE(place.stat().st_mode) == 0o700
        self.files = {path.name: path.read_text() for path in place.iterdir() if path.is_file()}
        self.config = json.loads((place / "config/config.json").read_text())
        output(self.output)
        Path(self.option("metadata-file")).write_text(self.metadata)
        return self.status

    def option(self, name: str) -> str:
        return next(word.partition("=")[2] for word in self.argv if word.startswith(f"--{name}="))


@pytest.fixture
def buildx(monkeypatch: pytest.MonkeyPatch) -> Buildx:
    stand_in = Buildx()
    monkeypatch.setattr(process, "run", stand_in.run)
    monkeypatch.setattr(Daemon, "start", _at_once)
    return stand_in


async def _at_once(_: object) -> None:
    """Start nothing."""


def build(tmp_path: Path, **fields: object) -> tuple[str, bytes]:
    out = bytearray()
    engine = MobyEngine(tmp_path, tmp_path / "images", tmp_path / "ca.pem")
    request = ImageBuild(context=tmp_path, dockerfile="FROM scratch\n", **fields)  # type: ignore[arg-type] # by name
    return asyncio.run(engine.build(request, out.extend)), bytes(out)


def test_a_build_with_everything(tmp_path: Path, buildx: Buildx) -> None:
    digest, out = build(
        tmp_path,
        tags=(Reference.parse("reg.example/a:1"), Reference.parse("reg.example/b")),
        ignore="*.log\n",
        arguments=(NamedValue(name="A", value="1 2"), NamedValue(name="S", value="hidden", is_secret=True)),
        target="final",
        platforms=(Platform(architecture="arm64"), Platform(architecture="arm", variant="v7")),
        no_cache=True,
        logins=(TOKEN, HUB),
    )
    assert (digest, out) == (DIGEST, b"#1 done\n")
    assert buildx.argv[:6] == ["docker", "buildx", "build", "--progress=plain", "--provenance=false", "--sbom=false"]
    assert buildx.argv[8:] == [
        "--platform=linux/arm64,linux/arm/v7",
        "--tag=reg.example/a:1",
        "--tag=reg.example/b:latest",
        "--build-arg=A=1 2",
        "--build-arg=S",
        "--secret=id=S,env=S",
        "--target=final",
        "--no-cache",
        "--",
        str(tmp_path),
    ]
    assert buildx.env["S"] == "hidden"
    assert buildx.env["BUILDX_GIT_INFO"] == "false"
    assert not any(name.startswith("SLIPWAY") for name in buildx.env)
    assert buildx.files == {"Dockerfile": "FROM scratch\n", "Dockerfile.dockerignore": "*.log\n"}
    assert buildx.config == {
        "auths": {
            "reg.example": {"registrytoken": "b.t.k"},
            "https://index.docker.io/v1/": {"auth": "dTpwOnc="},
        }
    }


def test_nothing_of_a_build_stays_behind(tmp_path: Path, buildx: Buildx) -> None:
    build(tmp_path, logins=(TOKEN,))
    assert buildx.argv
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["PATH", "LD_PRELOAD", "DOCKER_HOST", "BUILDX_GIT_INFO", "SSL_CERT_FILE"])
def test_a_secret_argument_must_not_steer_the_client(tmp_path: Path, buildx: Buildx, name: str) -> None:
    with pytest.raises(StepFailed, match=name):
        build(tmp_path, arguments=(NamedValue(name=name, value="/tmp/x", is_secret=True),))  # noqa: S108 -- a value
    assert not buildx.argv


@pytest.mark.parametrize("name", ["GOOGLE_KEY", "LDAP_PASSWORD", "DOCKER_PASSWORD", "HTTP_PROXY", "NPM_TOKEN"])
def test_usual_names_of_secrets_are_fine(tmp_path: Path, buildx: Buildx, name: str) -> None:
    build(tmp_path, arguments=(NamedValue(name=name, value="v", is_secret=True),))
    assert buildx.env[name] == "v"


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (
            b'--\nERROR: failed to solve: process "/bin/sh -c exit 37" did not complete: exit code: 37\n',
            'exit status 1: process "/bin/sh -c exit 37" did not complete: exit code: 37',
        ),
        (b"ERROR: failed to build: failed to solve: x\n", "exit status 1: x"),
        (b"ERROR: no builder found\n", "exit status 1: no builder found"),
        (b"", "exit status 1"),
    ],
)
def test_a_failed_build_says_why(tmp_path: Path, buildx: Buildx, output: bytes, message: str) -> None:
    buildx.status, buildx.output = 1, output
    with pytest.raises(StepFailed) as raised:
        build(tmp_path)
    assert raised.value.message == message


def push(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: list[object], status: int = 200) -> tuple[str, bytes]:
    def answer(request: httpx.Request) -> httpx.Response:
        assert request.url.path == "/images/reg.example/a/push"
        assert request.url.params["tag"] == "1"
        auth = json.loads(urlsafe_b64decode(request.headers["X-Registry-Auth"]))
        assert auth == {"serveraddress": "reg.example", "registrytoken": "b.t.k"}
        return httpx.Response(status, text="\n".join(json.dumps(line) for line in lines))

    client = httpx.AsyncClient(transport=httpx.MockTransport(answer), base_url="http://docker")
    monkeypatch.setattr(Daemon, "start", _at_once)
    monkeypatch.setattr(Daemon, "client", lambda _: client)
    out = bytearray()
    engine = MobyEngine(tmp_path, tmp_path / "images", tmp_path / "ca.pem")
    return asyncio.run(engine.push(Reference.parse("reg.example/a:1"), TOKEN, out.extend)), bytes(out)


def test_a_push_prints_each_state_once_and_returns_the_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digest, out = push(
        tmp_path,
        monkeypatch,
        [
            {"status": "The push refers to repository [reg.example/a]"},
            {"status": "Pushing", "id": "l1", "progressDetail": {"current": 1}},
            {"status": "Pushing", "id": "l1", "progressDetail": {"current": 2}},
            {"status": "Pushed", "id": "l1"},
            {"status": f"1: digest: {DIGEST} size: 5"},
        ],
    )
    assert digest == DIGEST
    assert out.decode().splitlines() == [
        "The push refers to repository [reg.example/a]",
        "l1: Pushing",
        "l1: Pushed",
        f"1: digest: {DIGEST} size: 5",
    ]


@pytest.mark.parametrize(
    ("lines", "status", "words"),
    [
        ([{"error": "denied: no", "errorDetail": {"message": "denied: no"}}], 200, "denied: no"),
        ([{"message": "no such image"}], 404, "no such image"),
        ([{"status": "odd"}], 200, "did not tell the digest"),
    ],
)
def test_a_failed_push_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: list[object], status: int, words: str
) -> None:
    with pytest.raises(StepFailed, match=words):
        push(tmp_path, monkeypatch, lines, status)


def test_the_login_file_is_private_and_holds_the_last_logins_only(tmp_path: Path) -> None:
    write_config(tmp_path / "c", [HUB])
    write_config(tmp_path / "c", [TOKEN])
    path = tmp_path / "c/config.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(json.loads(path.read_text())["auths"]) == ["reg.example"]


def test_a_password_goes_into_the_header_as_one() -> None:
    assert json.loads(urlsafe_b64decode(header(HUB))) == {
        "serveraddress": "https://index.docker.io/v1/",
        "username": "u",
        "password": "p:w",
    }
