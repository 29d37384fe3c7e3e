"""Each row of docs/contexts.md: the real az gives the location, and the image holds the file that was meant.

One server stands in for the git hosts under their own names; the runs of all rows are under way together.
"""

import datetime as dt
import io
import tarfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from devstack.stack import names
from devstack.tls.authority import issue
from tests.builder.contexts.repositories import Repository, git
from tests.builder.contexts.test_lfs import CONTENT, OID, LargeFileServer, pointer
from tests.builder.contexts.web import Reply, Site, running_site
from tests.system.pushed import contents
from tests.system.test_az_contexts import push

if TYPE_CHECKING:
    from tests.system.conftest import Said, Stack

pytestmark = pytest.mark.slow
TOKEN = "a-token-of-a-private-repository"
DOCKERFILE = "FROM scratch\nCOPY . /context/\n"
_AT_ONCE = 3

PUBLIC = "https://github.com/contoso/app.git"
PRIVATE = "contoso/private.git"
AZURE = "contoso/project/_git/app"
SECRET = "contoso/secret/_git/app"

BUILDS = {
    "local folder": ("{folder}", "local"),
    "default branch": (PUBLIC, "newest"),
    "branch": (f"{PUBLIC}#feature/x", "branch"),
    "pull request": (f"{PUBLIC}#pull/23/head", "pull request"),
    "subfolder": (f"{PUBLIC}#main:sub/folder", "folder"),
    "subfolder of the default branch": (f"{PUBLIC}#:sub/folder", "folder"),
    "commit": (f"{PUBLIC}#{{commit}}", "first"),
    "short commit": (f"{PUBLIC}#{{short}}", "first"),
    "annotated tag": (f"{PUBLIC}#v1", "first"),
    "without https": ("github.com/contoso/app.git#feature/x", "branch"),
    "submodule and large file": (f"{PUBLIC}#whole", "whole"),
    "any host": ("https://git.slipway.test/contoso/app.git", "newest"),
    "Azure DevOps": (f"https://dev.azure.com/{AZURE}", "azure"),
    "Azure DevOps, subfolder": (f"https://dev.azure.com/{AZURE}#main:sub", "azure folder"),
    "Azure DevOps, older name": ("https://contoso.visualstudio.com/project/_git/app#main", "older name"),
    "token in the address": (f"https://{TOKEN}@github.com/{PRIVATE}", "private"),
    "remote tarball": ("{origin}/app.tar.gz", "tarball"),
    "artifact": ("{artifact}", "artifact"),
}
"""The row, its location and the text of the file `page` there."""

TASKS = {
    "GitHub with a token": (f"https://github.com/{PRIVATE}#main", TOKEN, "private"),
    "Azure DevOps with a token": (f"https://dev.azure.com/{SECRET}#main:sub", TOKEN, "azure secret"),
    "artifact": ("{artifact}", "", "artifact"),
}


@dataclass(frozen=True)
class Places:
    """What stands in the braces of a location."""

    folder: Path
    origin: str
    artifact: str
    commit: str

    def fill(self, location: str) -> str:
        values = {"folder": self.folder, "origin": self.origin, "artifact": self.artifact}
        return location.format(**values, commit=self.commit, short=self.commit[:7])


@pytest.fixture(scope="module")
def site(stack: "Stack", tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    place = tmp_path_factory.mktemp("git-hosts")
    tls = issue(stack.target.layout.tls, place / "tls", ("localhost", *names.GIT_HOSTS), dt.datetime.now(dt.UTC))
    with running_site(place / "site", tls, stack.target.ports.guest) as running:
        yield running


def page(text: str, below: str = "") -> dict[str, str]:
    return {f"{below}Dockerfile": DOCKERFILE, f"{below}page": text}


def folder(place: Path, text: str) -> Path:
    place.mkdir(parents=True)
    for name, content in page(text).items():
        (place / name).write_text(content)
    return place


def app(site: Site) -> str:
    """Make the repository of most rows; return its first commit."""
    inner = Repository(site, "contoso/inner.git")
    inner.commit({"deep": "from a submodule"})
    one = Repository(site, "contoso/app.git")
    first = one.commit(page("first"))
    git(one.place, "tag", "-a", "-m", "annotated", "v1", first)
    for ref, text in (("refs/heads/feature/x", "branch"), ("refs/pull/23/head", "pull request")):
        git(one.place, "update-ref", ref, one.commit({"page": text}))
    one.commit(page("newest") | page("folder", "sub/folder/"))
    git(one.place, "checkout", "-q", "-b", "whole")
    one.add_submodule(inner, "../inner.git", "lib/inner")
    one.commit({"page": "whole", "large.bin": pointer(), ".gitattributes": "*.bin filter=lfs -text\n"})
    git(one.place, "symbolic-ref", "HEAD", "refs/heads/main")
    LargeFileServer(site, "/contoso/app.git/info/lfs").href = f"https://github.com/objects/{OID}?sig=s"
    return first


@pytest.fixture(scope="module")
def places(stack: "Stack", site: Site, tmp_path_factory: pytest.TempPathFactory) -> Places:
    first = app(site)
    Repository(site, PRIVATE).commit(page("private"))
    Repository(site, AZURE).commit(page("azure") | page("azure folder", "sub/"))
    Repository(site, "project/_git/app").commit(page("older name"))
    Repository(site, SECRET).commit(page("azure secret", "sub/"))
    site.private |= {f"/{one}": f"x-access-token:{TOKEN}" for one in (PRIVATE, SECRET)}
    local = tmp_path_factory.mktemp("local")
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w:gz") as tar:
        tar.add(folder(local / "tarball", "tarball"), "")
    site.pages["/app.tar.gz"] = lambda _: Reply(body=raw.getvalue())
    artifact = push(stack, folder(local / "layer" / "artifact", "artifact"), "contexts/table:v1")
    return Places(folder(local / "folder", "local"), site.origin, artifact, first)


def image(kind: str, row: str) -> str:
    return f"contexts/{kind}-{row.lower().replace(' ', '-').replace(',', '')}"


def run_build(stack: "Stack", row: str, location: str) -> "Said":
    return stack.az("acr", "build", "-r", names.REGISTRY, "-t", f"{image('build', row)}:v1", location)


def run_task(stack: "Stack", row: str, location: str, token: str) -> "Said":
    """Create a task of this context, run it, and delete it."""
    of = ("-r", names.REGISTRY, "-n", image("task", row).rpartition("/")[2])
    given = ("-c", location, "-t", f"{image('task', row)}:v1", "-f", "Dockerfile")
    login = ("--git-access-token", token) if token else ()
    off = ("--commit-trigger-enabled", "false", "--base-image-trigger-enabled", "false", "-o", "none")
    made = stack.az("acr", "task", "create", *of, *given, *login, *off)
    assert made.code == 0, made.err
    try:
        return stack.az("acr", "task", "run", *of)
    finally:
        stack.az("acr", "task", "delete", *of, "-y")


@pytest.fixture(scope="module")
def said(stack: "Stack", places: Places) -> "dict[str, Said]":
    """Ask az for each row; answer what it said."""

    def build(row: str) -> "Said":
        return run_build(stack, row, places.fill(BUILDS[row][0]))

    def task(row: str) -> "Said":
        location, token, _ = TASKS[row]
        return run_task(stack, row, places.fill(location), token)

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        tasks, builds = pool.map(task, TASKS), pool.map(build, BUILDS)
        asked = {f"task: {row}": one for row, one in zip(TASKS, tasks, strict=True)}
        return asked | dict(zip(BUILDS, builds, strict=True))


@pytest.mark.parametrize("row", BUILDS)
def test_a_quick_build_of_every_location(stack: "Stack", said: "dict[str, Said]", row: str) -> None:
    check(stack, said[row], image("build", row), BUILDS[row][1])


@pytest.mark.parametrize("row", TASKS)
def test_a_task_of_a_location(stack: "Stack", said: "dict[str, Said]", row: str) -> None:
    check(stack, said[f"task: {row}"], image("task", row), TASKS[row][2])


def check(stack: "Stack", said: "Said", repository: str, text: str) -> None:
    assert said.code == 0, said.out + said.err
    assert TOKEN not in said.out
    files = contents(stack, repository, "v1").files
    assert files["context/page"].content.decode() == text
    if text == "whole":
        assert files["context/lib/inner/deep"].content == b"from a submodule"
        assert files["context/large.bin"].content == CONTENT
