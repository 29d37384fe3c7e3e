"""Known attacks on programs that fetch with git, each against a real git, and that they would work without our care.

The rows: an option in place of a ref (CVE-2019-13139), transports that run programs or read the machine, legal
names of refs that are commands elsewhere, directories that leave the checkout (CVE-2026-33748), submodules and
links into `.git` (CVE-2024-32002, CVE-2025-48384), pointers of large files that lie.
"""

import asyncio
import contextlib
import os
import subprocess
from pathlib import Path

import pytest

from builder.contexts.gate import Gate
from builder.contexts.git_program import Git, GitFailed
from builder.contexts.tunnel import Tunnel
from builder.faults import ContextRefused
from shared.grant import Limits
from shared.network import Allowed
from tests.builder.contexts.fetching import Fetch
from tests.builder.contexts.repositories import Repository, git
from tests.builder.contexts.web import Site


@pytest.fixture
def repository(site: Site) -> Repository:
    one = Repository(site)
    one.commit({"Dockerfile": "FROM scratch\n", "hooks/post-checkout": "#!/bin/sh\n"}, "first")
    return one


@pytest.fixture
def fetch(site: Site, tmp_path: Path) -> Fetch:
    return Fetch.of(site, tmp_path)


@pytest.fixture
def ran(tmp_path: Path) -> Path:
    """Name a file that a command of the attacker would make."""
    return tmp_path / "ran"


def as_others_call(place: Path, *arguments: str) -> None:
    """Call git as a program does that takes no care; what it answers does not matter."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(place)}
    subprocess.run(["git", *arguments], cwd=place, env=environment, capture_output=True, check=False)


def ours(place: Path, *arguments: str) -> str:
    """Call git as the builder does, with nothing allowed but public addresses."""

    async def call() -> str:
        async with Tunnel(Gate(Allowed()), 1000) as tunnel:
            home = place / "home"
            home.mkdir()
            return await Git(home, place / "bundle", tunnel, Limits(), None).call(place, *arguments)

    return asyncio.run(asyncio.wait_for(call(), 30))


class TestOptionsInPlaceOfNames:
    def test_the_attack_works_where_nobody_takes_care(self, repository: Repository, tmp_path: Path, ran: Path) -> None:
        git(tmp_path, "init", "-q", "victim")
        victim = tmp_path / "victim"
        git(victim, "remote", "add", "origin", str(repository.place))
        as_others_call(victim, "fetch", "--depth", "1", "origin", f"--upload-pack=touch {ran};")
        assert ran.exists()

    @pytest.mark.parametrize("option", ["--upload-pack={0}", "-u{0}", "--exec={0}", "%2D%2Dupload-pack={0}", "-"])
    def test_an_option_as_reference(self, repository: Repository, fetch: Fetch, ran: Path, option: str) -> None:
        with pytest.raises(ContextRefused, match="not the name of a branch"):
            fetch(f"{repository.url}#{option.format(f'touch${{IFS}}{ran}')}")
        assert not ran.exists()

    @pytest.mark.parametrize("name", ["--upload-pack=touch${IFS}x", "$(touch${IFS}x)", "`id`", "{{.Run.ID}}"])
    def test_a_branch_that_is_called_so_is_data(self, repository: Repository, fetch: Fetch, name: str) -> None:
        head = git(repository.place, "rev-parse", "HEAD")
        git(repository.place, "update-ref", f"refs/heads/{name}", head)
        context = fetch(f"{repository.url}#refs/heads/{name}")
        assert (context.commit, context.branch) == (head, name)
        assert not (fetch.root / "x").exists()


class TestTransports:
    def test_files_are_read_where_nobody_takes_care(self, repository: Repository, tmp_path: Path) -> None:
        as_others_call(tmp_path, "clone", "-q", f"file://{repository.place}", "taken")
        assert (tmp_path / "taken/Dockerfile").exists()

    @pytest.mark.parametrize(
        "address",
        [
            "ext::sh -c touch% {ran}",
            "file://{place}",
            "{place}",
            "ssh://-oProxyCommand=touch%20{ran}/x",
            "git@host/x",
            "git://localhost/x",
            "http://localhost/x",
            "fd::17",
        ],
    )
    def test_even_a_git_that_is_given_one_calls_https_alone(
        self, repository: Repository, tmp_path: Path, ran: Path, address: str
    ) -> None:
        """The second line: no such address gets past the reading of contexts."""
        with pytest.raises(GitFailed):
            ours(tmp_path, "ls-remote", address.format(ran=ran, place=repository.place))
        assert not ran.exists()

    @pytest.mark.parametrize(
        "address",
        [
            "ext::sh -c id .git",
            "file:///etc/x.git",
            "/etc/x.git",
            "../x.git",
            "ssh://-oProxyCommand=id/x.git",
            "git@host/x.git",
            "git@host:x.git",
            "git://host/x.git",
            "http://host/x.git",
            "https://a.com\\@169.254.169.254/x.git",
        ],
    )
    def test_an_address_of_another_kind_is_no_context(self, fetch: Fetch, address: str) -> None:
        with pytest.raises(ContextRefused, match="context cannot be fetched"):
            fetch(address)


@pytest.mark.slow
class TestLeavingTheCheckout:
    @pytest.mark.parametrize(
        "directory", ["..", "../outside", "hooks/../..", "out", "through/x", "%2e%2e", ".git/../.."]
    )
    def test_a_directory_outside(self, repository: Repository, fetch: Fetch, directory: str) -> None:
        (fetch.folder / "outside").mkdir()
        repository.link("out", "../outside")
        repository.link("through", "..")
        repository.commit({})
        with pytest.raises(ContextRefused):
            fetch(f"{repository.url}#main:{directory}")

    @pytest.mark.parametrize(
        ("mode", "name"),
        [
            ("120000 blob", b".git"),
            ("160000 commit", b".git"),
            ("120000 blob", b".GIT"),
            ("100644 blob", b"../b"),
            ("160000 commit", b".."),
        ],
    )
    def test_a_tree_that_git_would_not_write(
        self, repository: Repository, fetch: Fetch, mode: str, name: bytes
    ) -> None:
        """A link or a repository in place of `.git`, and names with folders in them."""
        number, kind = mode.split()
        wanted = "HEAD:Dockerfile" if kind == "blob" else "HEAD"
        entry = number.encode() + b" " + name + b"\0" + bytes.fromhex(git(repository.place, "rev-parse", wanted))
        branch(repository, raw_tree(repository, entry), "evil")
        with pytest.raises(ContextRefused):
            fetch(f"{repository.url}#evil")
        assert not (fetch.folder / "b").exists()

    def test_a_submodule_below_a_link_that_goes_out(self, site: Site, repository: Repository, fetch: Fetch) -> None:
        """The tree holds the same name twice, as a link and as a folder with a submodule (CVE-2024-32002)."""
        outside = fetch.folder / "outside"
        outside.mkdir()
        inner = Repository(site, "inner.git")
        inner.commit({"payload": "x"})
        gitlink = b"160000 sub\0" + bytes.fromhex(git(inner.place, "rev-parse", "HEAD"))
        inside = bytes.fromhex(raw_tree(repository, gitlink))
        link = bytes.fromhex(blob(repository, "../outside"))
        modules = bytes.fromhex(blob(repository, f'[submodule "s"]\n\tpath = lib/sub\n\turl = {inner.url}\n'))
        entries = b"100644 .gitmodules\0" + modules + b"120000 lib\0" + link + b"40000 lib\0" + inside
        branch(repository, raw_tree(repository, entries), "evil")
        with contextlib.suppress(ContextRefused):  # versions of git differ in which of the two they keep
            fetch(f"{repository.url}#evil")
        assert list(outside.iterdir()) == []

    def test_a_submodule_whose_path_ends_in_a_carriage_return_runs_nothing(
        self, site: Site, repository: Repository, fetch: Fetch, ran: Path
    ) -> None:
        """The path with and without its last character are two places (CVE-2025-48384)."""
        inner = Repository(site, "inner.git")
        inner.commit({"post-checkout": f"#!/bin/sh\ntouch {ran}\n"})
        (inner.place / "post-checkout").chmod(0o755)
        inner.commit({})
        repository.link("sub", ".git/modules/sub/hooks")
        repository.add_submodule(inner, inner.url, "sub\r")
        repository.commit({})
        fetch(repository.url)
        assert not ran.exists()
        assert (fetch.root / "sub\r/post-checkout").exists()


@pytest.mark.slow
class TestPointersThatLie:
    @pytest.mark.parametrize(
        "text",
        [
            "oid sha256:../../../../etc/passwd\nsize 3\n",
            "oid sha256:" + "a" * 64 + "\nsize -1\n",
            "oid sha256:" + "a" * 64 + "\nsize 9" + "9" * 30 + "\n",
        ],
    )
    def test_what_is_no_pointer_stays_as_it_is(self, repository: Repository, fetch: Fetch, text: str) -> None:
        pointer = f"version https://git-lfs.github.com/spec/v1\n{text}"
        repository.commit({"large": pointer, ".gitattributes": "large filter=lfs\n"})
        fetch(repository.url)
        assert (fetch.root / "large").read_text() == pointer

    def test_a_size_over_the_limit_is_refused_before_it_is_asked_for(
        self, site: Site, repository: Repository, fetch: Fetch
    ) -> None:
        pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'a' * 64}\nsize 999999999999999\n"
        repository.commit({"large": pointer, ".gitattributes": "large filter=lfs\n"})
        with pytest.raises(ContextRefused, match="larger than"):
            fetch(repository.url)
        assert not [asked for asked in site.asked if "lfs" in asked.path]

    def test_a_link_is_never_written_through(self, repository: Repository, fetch: Fetch) -> None:
        """A link whose target reads like a pointer is a link."""
        text = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'a' * 64}\nsize 3\n"
        entry = b"120000 large\0" + bytes.fromhex(blob(repository, text))
        branch(repository, raw_tree(repository, entry), "linked")
        fetch(f"{repository.url}#linked")
        assert (fetch.root / "large").is_symlink()


def blob(repository: Repository, text: str) -> str:
    return _written(repository, "blob", text.encode())


def raw_tree(repository: Repository, entries: bytes) -> str:
    return _written(repository, "tree", entries)


def branch(repository: Repository, tree: str, name: str) -> None:
    commit = git(repository.place, "commit-tree", tree, "-m", name)
    git(repository.place, "update-ref", f"refs/heads/{name}", commit)


def _written(repository: Repository, kind: str, body: bytes) -> str:
    argv = ["git", "hash-object", "-t", kind, "--literally", "-w", "--stdin"]
    return (
        subprocess.run(argv, cwd=repository.place, input=body, capture_output=True, check=True).stdout.decode().strip()
    )
