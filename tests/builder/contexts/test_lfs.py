"""Large files come in place of their pointers, from where the gate allows, and only if they are the right ones."""

import hashlib
import json
from pathlib import Path

import pytest

from builder.faults import ContextRefused
from shared.grant import Limits
from tests.builder.contexts.fetching import Fetch
from tests.builder.contexts.repositories import Repository, git
from tests.builder.contexts.web import Asked, Reply, Site, basic

pytestmark = pytest.mark.slow

CONTENT = b"a large file\n" * 5000
OID = hashlib.sha256(CONTENT).hexdigest()


def pointer(content: bytes = CONTENT) -> str:
    digest = hashlib.sha256(content).hexdigest()
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\nsize {len(content)}\n"


class LargeFileServer:
    """A server of the batch protocol; `href` is where it says that the file lies."""

    def __init__(self, site: Site, name: str = "/app.git/info/lfs") -> None:
        self.site = site
        self.href = f"{site.origin}/objects/{OID}?sig=s"
        self.header: dict[str, str] = {}
        self.content = CONTENT
        self.login: str | None = None
        self.batches: list[Asked] = []
        site.pages[f"{name}/objects/batch"] = self._batch
        site.pages[f"/objects/{OID}"] = self._object

    def _batch(self, asked: Asked) -> Reply:
        self.batches.append(asked)
        if self.login and asked.headers.get("authorization") != basic(self.login):
            return Reply(401)
        wanted = json.loads(asked.body)["objects"]
        action = {"href": self.href, "header": self.header}
        objects = [
            one
            | ({"actions": {"download": action}} if one["oid"] == OID else {"error": {"code": 404, "message": "no"}})
            for one in wanted
        ]
        return Reply(body=json.dumps({"transfer": "basic", "objects": objects}).encode())

    def _object(self, asked: Asked) -> Reply:
        if asked.headers.get("x-object-key", "") != self.header.get("X-Object-Key", ""):
            return Reply(403)
        return Reply(body=self.content)


@pytest.fixture
def fetch(site: Site, tmp_path: Path) -> Fetch:
    return Fetch.of(site, tmp_path)


@pytest.fixture
def repository(site: Site) -> Repository:
    one = Repository(site)
    attributes = "*.bin filter=lfs diff=lfs merge=lfs -text\n"
    one.commit({".gitattributes": attributes, "data/large.bin": pointer(), "small.txt": pointer()})
    return one


@pytest.fixture
def server(site: Site) -> LargeFileServer:
    return LargeFileServer(site)


def test_pointers_become_files(repository: Repository, server: LargeFileServer, fetch: Fetch) -> None:
    (repository.place / "data/large.bin").chmod(0o755)
    repository.commit({})
    server.header = {"X-Object-Key": "k"}
    fetch(repository.url)
    assert (fetch.root / "data/large.bin").read_bytes() == CONTENT
    assert (fetch.root / "data/large.bin").stat().st_mode & 0o777 == 0o755
    assert (fetch.root / "small.txt").read_text() == pointer()
    assert json.loads(server.batches[0].body) == {
        "operation": "download",
        "transfers": ["basic"],
        "hash_algo": "sha256",
        "objects": [{"oid": OID, "size": len(CONTENT)}],
    }


def test_a_repository_without_large_files_asks_nobody(site: Site, server: LargeFileServer, fetch: Fetch) -> None:
    plain = Repository(site, "plain.git")
    plain.commit({"f.bin": pointer()})
    fetch(plain.url)
    assert server.batches == []


def test_the_login_is_that_of_the_repository(repository: Repository, server: LargeFileServer, fetch: Fetch) -> None:
    repository.site.login = server.login = "x-access-token:t0ken"
    fetch(repository.url, token="t0ken")
    assert (fetch.root / "data/large.bin").read_bytes() == CONTENT


def test_another_host_never_sees_it(repository: Repository, server: LargeFileServer, fetch: Fetch) -> None:
    other = f"other.slipway.test:{repository.site.port}"

    async def here(_host: str, _port: int) -> tuple[str, ...]:
        return ("127.0.0.1",)

    fetch.allowed, fetch.resolver = (*fetch.allowed, other), here
    server.href = f"https://{other}/objects/{OID}"
    fetch(repository.url, token="t0ken")
    elsewhere = [asked for asked in repository.site.asked if asked.headers["host"] == other]
    assert [asked.headers.get("authorization") for asked in elsewhere] == [None]


def test_lfsconfig_names_another_server(repository: Repository, server: LargeFileServer, fetch: Fetch) -> None:
    del repository.site.pages["/app.git/info/lfs/objects/batch"]
    LargeFileServer(repository.site, "/elsewhere")
    repository.commit({".lfsconfig": f"[lfs]\n\turl = {repository.site.origin}/elsewhere\n"})
    fetch(repository.url)
    assert (fetch.root / "data/large.bin").read_bytes() == CONTENT
    assert server.batches == []


@pytest.mark.parametrize(
    "url", ["http://localhost/x", "file:///etc", "ssh://h/x", "https://169.254.169.254/x", "https://localhost/x"]
)
def test_a_server_where_nothing_may_go(repository: Repository, fetch: Fetch, url: str) -> None:
    repository.commit({".lfsconfig": f"[lfs]\n\turl = {url}\n"})
    with pytest.raises(ContextRefused, match=r"not behind an https address|is not called"):
        fetch(repository.url)


@pytest.mark.parametrize("href", ["http://localhost/x", "file:///etc/passwd", "https://10.0.0.1/x", "https://[/", "x"])
def test_a_file_where_nothing_may_go(repository: Repository, server: LargeFileServer, fetch: Fetch, href: str) -> None:
    server.href = href
    with pytest.raises(ContextRefused):
        fetch(repository.url)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"b" * len(CONTENT), "gave another file for 'data/large.bin'"),
        (CONTENT[:-1], "gave another file"),
        (CONTENT + b"x", "larger than"),
    ],
)
def test_another_file_than_the_pointer_says(
    repository: Repository, server: LargeFileServer, fetch: Fetch, content: bytes, words: str
) -> None:
    server.content = content
    with pytest.raises(ContextRefused, match=words):
        fetch(repository.url)
    assert (fetch.root / "data/large.bin").read_text() == pointer()


def test_a_file_that_the_server_does_not_have(repository: Repository, server: LargeFileServer, fetch: Fetch) -> None:
    repository.commit({"missing.bin": pointer(b"another one")})
    with pytest.raises(ContextRefused, match=r"does not have the file 'missing\.bin'"):
        fetch(repository.url)
    assert len(server.batches) == 1


@pytest.mark.parametrize(
    "reply", [Reply(403), Reply(body=b"<html>"), Reply(body=b"{}"), Reply(body=b"x" * 9 * 1024**2)]
)
def test_an_answer_that_is_none(repository: Repository, fetch: Fetch, reply: Reply) -> None:
    repository.site.pages["/app.git/info/lfs/objects/batch"] = lambda _: reply
    with pytest.raises(ContextRefused, match="LFS server"):
        fetch(repository.url)


def test_large_files_count(repository: Repository, server: LargeFileServer, fetch: Fetch) -> None:
    fetch.limits = Limits(unpacked_bytes=len(CONTENT))
    with pytest.raises(ContextRefused, match="larger than"):
        fetch(repository.url)
    assert server.batches == []


def test_what_only_looks_like_a_pointer_stays(repository: Repository, server: LargeFileServer, fetch: Fetch) -> None:
    link = repository.place / "link.bin"
    link.symlink_to("data/large.bin")
    repository.commit({"text.bin": "no pointer\n", "long.bin": pointer() + "x" * 2000, "data/large.bin": "replaced\n"})
    fetch(repository.url)
    assert (fetch.root / "link.bin").is_symlink()
    assert (fetch.root / "text.bin").read_text() == "no pointer\n"
    assert server.batches == []


def test_submodules_have_their_own_server(
    site: Site, server: LargeFileServer, fetch: Fetch, repository: Repository
) -> None:
    outer = Repository(site, "outer.git")
    outer.add_submodule(repository, "../app.git", "inner")
    outer.commit({})
    fetch(outer.url)
    assert (fetch.root / "inner/data/large.bin").read_bytes() == CONTENT
    assert len(server.batches) == 1
    assert git(fetch.root / "inner", "remote", "get-url", "origin") == repository.url
