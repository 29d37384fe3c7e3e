"""Real repositories, served by git itself over TLS, are fetched as asked, and nothing else is."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from builder.faults import ContextRefused
from shared.grant import Limits
from tests.builder.contexts.fetching import Fetch
from tests.builder.contexts.repositories import Repository, git
from tests.builder.contexts.web import Reply, Site

TOKEN = "t0ken-of-a-private-repository"


@pytest.fixture
def repository(site: Site) -> Repository:
    one = Repository(site)
    one.commit({"Dockerfile": "FROM scratch\n", "sub/dir/file": "deep\n"}, "first")
    return one


@pytest.fixture
def fetch(site: Site, tmp_path: Path) -> Fetch:
    return Fetch.of(site, tmp_path)


def test_the_default_branch(repository: Repository, fetch: Fetch) -> None:
    head = repository.commit({"new": "2\n"})
    context = fetch(repository.url)
    assert (context.commit, context.branch, context.root) == (head, "main", fetch.root)
    assert (fetch.root / "new").read_text() == "2\n"
    assert git(fetch.root, "rev-list", "--count", "HEAD") == "1"
    assert git(fetch.root, "remote", "get-url", "origin") == repository.url
    assert list(fetch.private.iterdir()) == []


REFERENCES = {
    "main": "main",
    "feature/x": "feature/x",
    "refs/heads/feature/x": "feature/x",
    "v1": "",
    "v2-annotated": "",
    "refs/tags/v1": "",
    "pull/7/head": "",
    "refs/pull/7/head": "",
    "pull/7/merge": "",
    "{commit}": "",
    "{short}": "",
    "HEAD": "main",
}


@pytest.mark.slow
@pytest.mark.parametrize("reference", REFERENCES)
def test_every_kind_of_reference(repository: Repository, fetch: Fetch, reference: str) -> None:
    _check_reference(repository, fetch, repository.url, reference)


@pytest.mark.slow
@pytest.mark.parametrize("reference", ["main", "v2-annotated", "pull/7/head", "{short}"])
def test_a_server_of_plain_files(repository: Repository, fetch: Fetch, reference: str) -> None:
    """It cannot give one commit alone: everything is fetched."""
    repository.site.smart = False
    _check_reference(repository, fetch, f"{repository.url}/.git", reference)


def _check_reference(repository: Repository, fetch: Fetch, url: str, reference: str) -> None:
    """Fetch by a reference that, unless it is the default branch, names a commit before the newest."""
    wanted = repository.commit({"wanted": "yes\n"})
    if reference == "v2-annotated":
        git(repository.place, "tag", "-a", "-m", "annotated", reference, wanted)
    elif reference not in {"main", "HEAD"} and not reference.startswith("{"):
        git(repository.place, "update-ref", _ref(reference), wanted)
    if reference not in {"main", "HEAD"}:
        repository.commit({"wanted": "no\n"})
    git(repository.place, "update-server-info")
    context = fetch(f"{url}#{reference}".format(commit=wanted, short=wanted[:9]))
    assert (context.commit, context.branch) == (wanted, REFERENCES[reference])
    assert (fetch.root / "wanted").read_text() == "yes\n"


def _ref(reference: str) -> str:
    kinds = {"v1": "refs/tags/", "pull/7/head": "refs/", "pull/7/merge": "refs/", "feature/x": "refs/heads/"}
    return kinds.get(reference, "") + reference


def test_a_full_commit_wins_over_a_branch_of_its_name(repository: Repository, fetch: Fetch) -> None:
    first = git(repository.place, "rev-parse", "HEAD")
    later = repository.commit({"x": "1"})
    git(repository.place, "update-ref", f"refs/heads/{first}", later)
    assert fetch(f"{repository.url}#{first}").commit == first


def test_a_branch_wins_over_a_tag_of_its_name(repository: Repository, fetch: Fetch) -> None:
    tagged = git(repository.place, "rev-parse", "HEAD")
    git(repository.place, "update-ref", "refs/tags/both", tagged)
    later = repository.commit({"x": "1"})
    git(repository.place, "update-ref", "refs/heads/both", later)
    assert fetch(f"{repository.url}#both").commit == later


@pytest.mark.slow
@pytest.mark.parametrize(
    "reference", ["nope", "v9", "pull/8/head", "refs/heads/nope", "0" * 40, "abcdef1", "--upload-pack=id"]
)
def test_a_reference_that_is_not_there(repository: Repository, fetch: Fetch, reference: str) -> None:
    with pytest.raises(ContextRefused, match=r"the repository (?:has no|does not have)|not the name"):
        fetch(f"{repository.url}#{reference}")


def test_an_empty_repository(site: Site, fetch: Fetch) -> None:
    with pytest.raises(ContextRefused, match="has no commit yet"):
        fetch(Repository(site, "empty.git").url)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("directory", "inside"),
    [("sub/dir", "sub/dir"), ("link", "sub/dir"), ("top/dir", "sub/dir"), ("./sub//dir/", "sub/dir"), ("sub/up", "")],
)
def test_a_directory_of_the_repository(repository: Repository, fetch: Fetch, directory: str, inside: str) -> None:
    repository.link("link", "sub/dir")
    repository.link("top", "/sub")
    repository.link("sub/up", "..")
    repository.commit({})
    assert fetch(f"{repository.url}#main:{directory}").root == fetch.root / inside


def test_names_in_every_script(repository: Repository, fetch: Fetch) -> None:
    repository.commit({"größe/日本 b/Dockerfile": "FROM scratch\n", "größe/日本 b/ñ": "1"})
    git(repository.place, "branch", "ветка")
    context = fetch(f"{repository.url}#ветка:gr%C3%B6%C3%9Fe/日本%20b")
    assert (context.branch, context.root) == ("ветка", fetch.root / "größe/日本 b")
    assert (context.root / "ñ").read_text() == "1"


@pytest.mark.slow
@pytest.mark.parametrize("directory", ["../x", "sub/../../x", "out", "nosub", "Dockerfile", "etc", "loop"])
def test_a_directory_that_is_none_or_outside(repository: Repository, fetch: Fetch, directory: str) -> None:
    repository.link("out", "../../../../etc")
    repository.link("etc", "/etc")
    repository.link("loop", "loop")
    repository.commit({})
    with pytest.raises(ContextRefused):
        fetch(f"{repository.url}#main:{directory}")


def test_a_private_repository(
    repository: Repository, site: Site, fetch: Fetch, capfd: pytest.CaptureFixture[str]
) -> None:
    site.login = f"x-access-token:{TOKEN}"
    fetch(repository.url, token=TOKEN)
    assert (fetch.root / "Dockerfile").exists()
    left = [path for path in fetch.root.rglob("*") if path.is_file() and TOKEN.encode() in path.read_bytes()]
    assert left == []
    assert TOKEN not in "".join(capfd.readouterr())
    assert all(TOKEN not in asked.path for asked in site.asked)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("user", "token", "name"),
    [
        ("", TOKEN, "x-access-token"),
        ("somebody@", TOKEN, "somebody"),
        (f"{TOKEN}@", None, "x-access-token"),
        (f"somebody:{TOKEN}@", None, "somebody"),
    ],
)
def test_who_logs_in(repository: Repository, fetch: Fetch, user: str, token: str | None, name: str) -> None:
    repository.site.login = f"{name}:{TOKEN}"
    fetch(repository.url.replace("https://", f"https://{user}"), token=token)
    assert TOKEN not in git(fetch.root, "config", "--list", "--local")


@pytest.mark.parametrize("token", [None, "wrong"])
def test_a_login_that_is_missing_or_wrong(repository: Repository, site: Site, fetch: Fetch, token: str | None) -> None:
    site.login = "x-access-token:right"
    with pytest.raises(ContextRefused, match="asks for a login, or does not accept"):
        fetch(repository.url, token=token)


def test_a_token_with_a_line_break_is_refused(repository: Repository, fetch: Fetch) -> None:
    with pytest.raises(ContextRefused, match="line break") as raised:
        fetch(repository.url, token="a\nhost=evil.example")
    assert "evil" not in raised.value.message


def test_a_repository_that_is_not_there(site: Site, fetch: Fetch) -> None:
    with pytest.raises(ContextRefused, match="no such repository"):
        fetch(f"{site.origin}/nope.git")


def test_a_page_that_is_no_repository(site: Site, fetch: Fetch) -> None:
    site.pages["/page.git/info/refs"] = lambda _: Reply(
        body=b"<html>hello</html>", headers={"Content-Type": "text/html"}
    )
    with pytest.raises(ContextRefused):
        fetch(f"{site.origin}/page.git")


def test_a_passing_fault_is_waited_out(
    repository: Repository, site: Site, fetch: Fetch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("builder.contexts.git_program._DELAYS", (0.0, 0.0))
    faults = [503, 502]

    def page(asked: Any) -> Reply:
        return Reply(faults.pop()) if faults else site._git(asked)

    site.pages["/app.git/info/refs"] = page
    fetch(repository.url)
    assert faults == []


class TestAddresses:
    """Where git goes is decided by the gate alone."""

    def test_an_inner_address_needs_to_be_allowed(self, repository: Repository, site: Site, fetch: Fetch) -> None:
        fetch.allowed = ()
        with pytest.raises(ContextRefused, match="is not called"):
            fetch(repository.url)
        assert site.asked == []

    @pytest.mark.parametrize(
        "host", ["127.0.0.1", "0x7f000001", "127.1", "169.254.169.254", "[::1]", "[::ffff:7f00:1]"]
    )
    def test_no_spelling_of_an_inner_address_helps(self, site: Site, fetch: Fetch, host: str) -> None:
        with pytest.raises(ContextRefused, match="is not called"):
            fetch(f"https://{host}:{site.port}/app.git")
        assert site.asked == []

    def test_a_name_that_turns_inside_later_is_not_followed(self, site: Site, fetch: Fetch) -> None:
        """The first answer is public, as a rebinding server would give it; git never asks a resolver itself."""
        answers = [("8.8.8.8",)]

        async def rebinding(_host: str, _port: int) -> tuple[str, ...]:
            return answers.pop() if answers else ("127.0.0.1",)

        fetch.resolver = rebinding
        with pytest.raises(ContextRefused, match="leads to an address inside"):
            fetch("https://rebinding.example/app.git")
        assert site.asked == []

    def test_a_redirect_inside_is_not_followed(self, site: Site, fetch: Fetch) -> None:
        site.pages["/moved.git/info/refs"] = lambda _: Reply(
            302, headers={"Location": "https://169.254.169.254/latest/info/refs?service=git-upload-pack"}
        )
        with pytest.raises(ContextRefused, match=r"169\.254\.169\.254 is not called"):
            fetch(f"{site.origin}/moved.git")

    def test_a_redirect_to_plain_http_is_not_followed(self, site: Site, fetch: Fetch) -> None:
        to = f"http://localhost:{site.port}/app.git/info/refs?service=git-upload-pack"
        site.pages["/moved.git/info/refs"] = lambda _: Reply(301, headers={"Location": to})
        with pytest.raises(ContextRefused):
            fetch(f"{site.origin}/moved.git")
        assert len(site.asked) == 1

    def test_a_redirect_on_the_same_host_is_followed(self, repository: Repository, site: Site, fetch: Fetch) -> None:
        to = f"{repository.url}/info/refs?service=git-upload-pack"
        site.pages["/old.git/info/refs"] = lambda _: Reply(301, headers={"Location": to})
        fetch(f"{site.origin}/old.git")
        assert (fetch.root / "Dockerfile").exists()

    @pytest.mark.usefixtures("repository")
    def test_another_host_never_sees_the_login(self, site: Site, fetch: Fetch) -> None:
        """The redirect leads to the same server under another name: it asks for a login there and gets none."""
        site.login = f"x-access-token:{TOKEN}"
        other = f"https://other.slipway.test:{site.port}"

        async def here(_host: str, _port: int) -> tuple[str, ...]:
            return ("127.0.0.1",)

        fetch.allowed, fetch.resolver = (*site.allowed, f"other.slipway.test:{site.port}"), here
        site.pages["/moved.git/info/refs"] = lambda _: Reply(
            302, headers={"Location": f"{other}/app.git/info/refs?service=git-upload-pack"}
        )
        with pytest.raises(ContextRefused, match="asks for a login"):
            fetch(f"{site.origin}/moved.git", token=TOKEN)
        elsewhere = [asked for asked in site.asked if asked.headers["host"].startswith("other.")]
        assert elsewhere
        assert all("authorization" not in asked.headers for asked in elsewhere)

    def test_a_certificate_of_another_name_is_refused(self, site: Site, fetch: Fetch) -> None:
        async def here(_host: str, _port: int) -> tuple[str, ...]:
            return ("127.0.0.1",)

        fetch.allowed, fetch.resolver = (f"evil.example:{site.port}",), here
        with pytest.raises(ContextRefused, match=r"(?i)certificate"):
            fetch(f"https://evil.example:{site.port}/app.git")
        assert site.asked == []


@pytest.mark.slow
class TestSubmodules:
    """Submodules follow the same rules as the repository that names them."""

    def test_they_come_along_at_their_commits(self, repository: Repository, site: Site, fetch: Fetch) -> None:
        inner, outer = Repository(site, "inner.git"), Repository(site, "outer.git")
        inner.commit({"deep": "1\n"})
        outer.add_submodule(inner, "../inner.git", "lib/inner")
        outer.commit({"file": "2\n"})
        repository.add_submodule(outer, outer.url, "vendor/outer")
        repository.commit({})
        outer.commit({"file": "3\n"})
        fetch(repository.url)
        assert (fetch.root / "vendor/outer/file").read_text() == "2\n"
        assert (fetch.root / "vendor/outer/lib/inner/deep").read_text() == "1\n"

    def test_a_private_one_of_the_same_host_uses_the_login(
        self, repository: Repository, site: Site, fetch: Fetch
    ) -> None:
        inner = Repository(site, "inner.git")
        inner.commit({"deep": "1\n"})
        repository.add_submodule(inner, "../inner.git", "inner")
        repository.commit({})
        site.login = f"x-access-token:{TOKEN}"
        fetch(repository.url, token=TOKEN)
        assert (fetch.root / "inner/deep").exists()

    @pytest.mark.parametrize(
        "url",
        [
            "file:///etc",
            "/etc",
            "../../../../../etc",
            "git@github.com:a/b.git",
            "ssh://-oProxyCommand=id/a",
            "ext::sh -c id",
            "http://github.com/a/b.git",
            "--upload-pack=id",
            "https://169.254.169.254/a.git",
            "https://h/a.git?x=y",
        ],
    )
    def test_an_unsafe_address_is_refused(self, repository: Repository, site: Site, fetch: Fetch, url: str) -> None:
        inner = Repository(site, "inner.git")
        inner.commit({"deep": "1\n"})
        repository.add_submodule(inner, "../inner.git", "inner")
        git(repository.place, "config", "-f", ".gitmodules", "submodule.inner.url", url)
        repository.commit({})
        with pytest.raises(ContextRefused, match="submodule 'inner'"):
            fetch(repository.url)

    def test_one_without_an_address_is_refused(self, repository: Repository, site: Site, fetch: Fetch) -> None:
        inner = Repository(site, "inner.git")
        inner.commit({"deep": "1\n"})
        repository.add_submodule(inner, "../inner.git", "inner")
        (repository.place / ".gitmodules").unlink()
        repository.commit({})
        with pytest.raises(ContextRefused, match=r"'inner' has no address in \.gitmodules"):
            fetch(repository.url)

    def test_one_that_is_not_to_be_updated_is_left_empty(
        self, repository: Repository, site: Site, fetch: Fetch
    ) -> None:
        inner = Repository(site, "inner.git")
        inner.commit({"deep": "1\n"})
        repository.add_submodule(inner, "../inner.git", "inner")
        git(repository.place, "config", "-f", ".gitmodules", "submodule.inner.update", "none")
        repository.commit({})
        fetch(repository.url)
        assert list((fetch.root / "inner").iterdir()) == []

    def test_a_command_in_its_settings_is_never_run(self, repository: Repository, site: Site, fetch: Fetch) -> None:
        inner = Repository(site, "inner.git")
        inner.commit({"deep": "1\n"})
        repository.add_submodule(inner, "../inner.git", "inner")
        git(repository.place, "config", "-f", ".gitmodules", "submodule.inner.update", f"!touch {fetch.private}/ran")
        repository.commit({})
        fetch(repository.url)
        assert (fetch.root / "inner/deep").exists()
        assert list(fetch.private.iterdir()) == []

    def test_a_circle_ends(self, repository: Repository, fetch: Fetch, monkeypatch: pytest.MonkeyPatch) -> None:
        """A commit cannot name itself, but each of a chain can name the one before it."""
        monkeypatch.setattr("builder.contexts.git._DEEPEST", 2)
        for _ in range(4):
            link = f"160000,{git(repository.place, 'rev-parse', 'HEAD')},self"
            git(repository.place, "config", "-f", ".gitmodules", "submodule.self.path", "self")
            git(repository.place, "config", "-f", ".gitmodules", "submodule.self.url", repository.url)
            git(repository.place, "add", ".gitmodules")
            git(repository.place, "update-index", "--add", "--cacheinfo", link)
            git(repository.place, "commit", "-q", "-m", "again")
        with pytest.raises(ContextRefused, match="nests them more than 2 deep"):
            fetch(repository.url)


@pytest.mark.slow
class TestHostile:
    """What a repository may hold, and what it may do."""

    def test_more_files_than_allowed(self, repository: Repository, fetch: Fetch) -> None:
        repository.commit({f"f{number}": "" for number in range(20)})
        fetch.limits = Limits(entries=10)
        with pytest.raises(ContextRefused, match="more than 10 files"):
            fetch(repository.url)

    def test_larger_files_than_allowed(self, repository: Repository, fetch: Fetch) -> None:
        repository.commit({"zeros": "0" * 100_000})
        fetch.limits = Limits(unpacked_bytes=50_000)
        with pytest.raises(ContextRefused, match="larger than 50000 bytes"):
            fetch(repository.url)
        assert not (fetch.root / "zeros").exists()

    def test_a_larger_download_than_allowed(self, repository: Repository, fetch: Fetch) -> None:
        repository.commit({"noise": os.urandom(100_000).hex()})
        fetch.limits = Limits(archive_bytes=50_000)
        with pytest.raises(ContextRefused, match="the repository is larger than 50000 bytes"):
            fetch(repository.url)

    def test_a_tree_of_copies_of_itself(self, repository: Repository, fetch: Fetch) -> None:
        """Ten levels of ten copies are ten thousand million files in a few kilobytes."""
        blob = git(repository.place, "rev-parse", "HEAD:Dockerfile")
        tree = _tree(repository.place, f"100644 blob {blob}\tf")
        for _ in range(10):
            tree = _tree(repository.place, *(f"040000 tree {tree}\td{number}" for number in range(10)))
        git(repository.place, "update-ref", "refs/heads/bomb", git(repository.place, "commit-tree", tree, "-m", "bomb"))
        fetch.limits = Limits(entries=5000)
        with pytest.raises(ContextRefused, match="more than 5000 files"):
            fetch(f"{repository.url}#bomb")
        assert not (fetch.root / "d0").exists()

    @pytest.mark.parametrize("name", [".git", ".GIT", "git~1"])
    def test_a_git_directory_in_the_tree_is_refused(self, repository: Repository, fetch: Fetch, name: str) -> None:
        blob = git(repository.place, "rev-parse", "HEAD:Dockerfile")
        inner = _tree(repository.place, f"100755 blob {blob}\tpost-checkout")
        hooks = _tree(repository.place, f"040000 tree {inner}\thooks")
        tree = _raw_tree(repository.place, name, hooks)
        git(repository.place, "update-ref", "refs/heads/evil", git(repository.place, "commit-tree", tree, "-m", "evil"))
        with pytest.raises(ContextRefused):
            fetch(f"{repository.url}#evil")

    def test_nothing_of_the_repository_is_executed(self, repository: Repository, fetch: Fetch, tmp_path: Path) -> None:
        ran = tmp_path / "ran"
        repository.commit(
            {
                ".gitattributes": "* filter=evil diff=evil merge=evil\n",
                ".lfsconfig": f"[lfs]\n\turl = ext::touch {ran}\n",
                "hooks/post-checkout": f"#!/bin/sh\ntouch {ran}\n",
                "config": f"[core]\n\tfsmonitor = touch {ran}\n\thooksPath = hooks\n",
                "HEAD": "ref: refs/heads/main\n",
            }
        )
        fetch(repository.url)
        assert not ran.exists()

    def test_the_environment_of_the_builder_does_not_reach_git(
        self, repository: Repository, fetch: Fetch, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        ran = tmp_path / "ran"
        monkeypatch.setenv("GIT_SSH_COMMAND", f"touch {ran}")
        monkeypatch.setenv("GIT_TRACE", str(tmp_path / "trace"))
        monkeypatch.setenv("GIT_CONFIG_PARAMETERS", f"'core.fsmonitor'='touch {ran}'")
        monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
        fetch(repository.url)
        assert not ran.exists()
        assert not (tmp_path / "trace").exists()


def _tree(place: Path, *entries: str) -> str:
    text = "".join(f"{entry}\n" for entry in entries)
    argv = ["git", "mktree"]
    return subprocess.run(argv, cwd=place, input=text, capture_output=True, check=True, text=True).stdout.strip()


def _raw_tree(place: Path, name: str, tree: str) -> str:
    """Write a tree that git itself would not write."""
    body = b"40000 " + name.encode() + b"\0" + bytes.fromhex(tree)
    argv = ["git", "hash-object", "-t", "tree", "--literally", "-w", "--stdin"]
    return subprocess.run(argv, cwd=place, input=body, capture_output=True, check=True).stdout.decode().strip()
