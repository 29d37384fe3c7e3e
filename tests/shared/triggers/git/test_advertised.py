"""The refs of a real repository over HTTPS, and what a host may answer instead."""

import httpx
import pytest

from shared.contexts import read_repository
from shared.errors import Forbidden, InvalidRequest, NotFound, SlipwayError, TooLarge, Unavailable
from shared.triggers.git import advertised
from shared.triggers.git.advertised import read_refs
from tests.builder.contexts.repositories import Repository, git
from tests.builder.contexts.web import Reply, Site

SPEAKS = {"Content-Type": "application/x-git-upload-pack-advertisement"}


def line(text: str) -> bytes:
    return f"{len(text.encode()) + 4:04x}{text}".encode()


def test_a_real_repository_tells_its_branches_and_tags(site: Site, client: httpx.Client) -> None:
    repository = Repository(site)
    first = repository.commit({"a": "1"})
    git(repository.place, "tag", "v1")
    git(repository.place, "branch", "topic/x")
    second = repository.commit({"a": "2"})
    assert read_refs(client, read_repository(repository.url), None) == {
        "refs/heads/main": second,
        "refs/heads/topic/x": first,
        "refs/tags/v1": first,
    }
    empty = Repository(site, "empty.git")
    assert read_refs(client, read_repository(empty.url), None) == {}


def test_the_token_is_the_password(site: Site, client: httpx.Client) -> None:
    repository = Repository(site)
    repository.commit({"a": "1"})
    site.login = "x-access-token:secret-token"
    context = read_repository(repository.url)
    assert read_refs(client, context, "secret-token")
    for token, words in ((None, "wants an access token"), ("wrong-token", "does not accept")):
        with pytest.raises(Forbidden, match=words) as refused:
            read_refs(client, context, token)
        assert "wrong-token" not in refused.value.message


def test_a_redirect_is_followed_without_the_token_elsewhere(site: Site, client: httpx.Client) -> None:
    repository = Repository(site)
    repository.commit({"a": "1"})
    moved = Reply(301, headers={"Location": "/app.git/info/refs?service=git-upload-pack"})
    site.pages["/old/info/refs"] = lambda _: moved
    assert read_refs(client, read_repository(f"{site.origin}/old"), "t")
    elsewhere = Reply(302, headers={"Location": f"https://127.0.0.1:{site.port}/app.git/info/refs"})
    site.pages["/away/info/refs"] = lambda _: elsewhere
    site.asked.clear()
    with pytest.raises(Unavailable, match="is not called"):
        read_refs(client, read_repository(f"{site.origin}/away"), "t")
    site.pages["/plain/info/refs"] = lambda _: Reply(302, headers={"Location": "http://localhost/x"})
    with pytest.raises(InvalidRequest, match="not https"):
        read_refs(client, read_repository(f"{site.origin}/plain"), "t")
    site.pages["/round/info/refs"] = lambda _: Reply(302, headers={"Location": "/round/info/refs"})
    with pytest.raises(InvalidRequest, match="too often"):
        read_refs(client, read_repository(f"{site.origin}/round"), "t")


@pytest.mark.parametrize(
    ("reply", "fault"),
    [
        (Reply(404), NotFound),
        (Reply(503), Unavailable),
        (Reply(200, b"<html>"), InvalidRequest),
        (Reply(200, b"zzzz", SPEAKS), InvalidRequest),
        (Reply(200, b"0001", SPEAKS), InvalidRequest),
        (Reply(200, b"00ffshort", SPEAKS), InvalidRequest),
        (Reply(200, line("x" * 60), SPEAKS, break_after=20), Unavailable),
        (Reply(200, line("x" * 600), SPEAKS), TooLarge),
    ],
)
def test_what_is_no_list_of_refs_is_told_in_a_sentence(
    site: Site, client: httpx.Client, monkeypatch: pytest.MonkeyPatch, reply: Reply, fault: type[SlipwayError]
) -> None:
    monkeypatch.setattr(advertised, "MAX_BYTES", 500)
    site.pages["/app.git/info/refs"] = lambda _: reply
    with pytest.raises(fault):
        read_refs(client, read_repository(f"{site.origin}/app.git"), None)


def test_only_refs_are_taken(site: Site, client: httpx.Client) -> None:
    commit = "1" * 40
    body = b"".join(
        (
            line("# service=git-upload-pack\n"),
            b"0000",
            line(f"{commit} HEAD\0agent=x\n"),
            line(f"{commit} refs/heads/$(id)\n"),
            line(f"{commit} refs/tags/v1\n"),
            line(f"{'2' * 40} refs/tags/v1^{{}}\n"),
            line("nonsense\n"),
            b"0000",
        )
    )
    site.pages["/app.git/info/refs"] = lambda _: Reply(200, body, SPEAKS)
    told = read_refs(client, read_repository(f"{site.origin}/app.git"), None)
    assert told == {"refs/heads/$(id)": commit, "refs/tags/v1": commit}


def test_an_address_inside_is_not_called(client: httpx.Client) -> None:
    with pytest.raises(Unavailable, match="inside a network"):
        read_refs(client, read_repository("https://127.0.0.1/app.git"), None)
