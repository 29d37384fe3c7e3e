"""The commits between two of a real repository over HTTPS, and what a host may answer instead."""

import subprocess

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contexts import read_repository
from shared.errors import InvalidRequest, SlipwayError, TooLarge, Unavailable
from shared.triggers.git import history
from shared.triggers.git.history import History, read_history
from shared.triggers.git.packs import commits
from tests.builder.contexts.repositories import Repository, git
from tests.builder.contexts.web import Reply, Site


@pytest.mark.parametrize("has_filter", [True, False])
def test_what_lies_between_is_told_with_and_without_a_filter(
    site: Site, client: httpx.Client, *, has_filter: bool
) -> None:
    repository = Repository(site)
    git(repository.place, "config", "uploadpack.allowFilter", str(has_filter).lower())
    made = [repository.commit({"a": str(number) * 1000}) for number in range(6)]
    site.login = "x-access-token:t"
    context = read_repository(repository.url)
    assert read_history(client, context, "t", made[5], made[1]).between == tuple(made[2:5])
    assert read_history(client, context, "t", made[1], made[0]).between == ()
    assert (b"filter tree:0" in site.asked[-1].body) is has_filter
    assert read_history(client, context, "t", made[1], made[5]).between is None
    assert read_history(client, context, "t", made[5], "9" * 40).between is None


def test_which_commits_ask_for_no_build_is_told(site: Site, client: httpx.Client) -> None:
    repository = Repository(site)
    made = [repository.commit({"a": str(number)}) for number in range(2)]
    for number, message in enumerate(("more", "Words\n\n[skip ci] as nothing is new", "last\n\nskip-checks: true\n")):
        (repository.place / "a").write_text(f"more {number}")
        git(repository.place, "add", "-A")
        git(repository.place, "commit", "-q", "-m", message)
        made.append(git(repository.place, "rev-parse", "HEAD").strip())
    context = read_repository(repository.url)
    assert read_history(client, context, None, made[4], made[0]) == History(tuple(made[1:4]), frozenset(made[3:]))
    assert read_history(client, context, None, made[4], "").asking == {made[4]}
    assert b"deepen 1" in site.asked[-1].body
    assert read_history(client, context, None, made[2], "").asking == set()


def test_a_thousand_commits_are_read(site: Site, client: httpx.Client) -> None:
    repository = Repository(site)
    git(repository.place, "config", "uploadpack.allowFilter", "true")
    first = repository.commit({"a": "1"})
    lines = [f"commit refs/heads/main\ncommitter a <a@b> {n} +0000\ndata 1\nx\n" for n in range(1000)]
    lines[0] += f"from {first}\n"
    subprocess.run(["git", "fast-import", "--quiet"], cwd=repository.place, input="".join(lines).encode(), check=True)
    git(repository.place, "repack", "-adfq")
    told = subprocess.run(
        ["git", "rev-list", "--reverse", f"{first}..main"], cwd=repository.place, capture_output=True, check=True
    )
    made = told.stdout.decode().split()
    assert read_history(client, read_repository(repository.url), None, made[-1], first).between == tuple(made[:-1])


def test_what_cannot_be_read_is_said(site: Site, client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = Repository(site)
    made = [repository.commit({"a": str(number)}) for number in range(3)]
    context = read_repository(repository.url)
    with pytest.raises(SlipwayError, match=r"refuses|HTTP"):
        read_history(client, context, None, "8" * 40, made[0])
    path = "/" + repository.url.rpartition("/")[2]
    speaks = {"Content-Type": "application/x-git-upload-pack-result"}
    for body in (b"zzzz", b"00", b"000dpackfile\n", b"000dpackfile\n0009\x01PACK"):
        site.pages[f"{path}/git-upload-pack"] = lambda _, body=body: Reply(body=body, headers=speaks)  # type: ignore[misc] # a default
        with pytest.raises(InvalidRequest):
            read_history(client, context, None, made[2], made[0])
    site.pages[f"{path}/git-upload-pack"] = lambda _: Reply(body=b"000dpackfile\n0006\x03x", headers=speaks)
    with pytest.raises(Unavailable, match="failed while"):
        read_history(client, context, None, made[2], made[0])
    del site.pages[f"{path}/git-upload-pack"]
    monkeypatch.setattr(history, "MAX_BYTES", 100)
    with pytest.raises(TooLarge):
        read_history(client, context, None, made[2], made[0])


@given(st.binary(max_size=200))
def test_no_rubbish_is_read_as_a_pack(rubbish: bytes) -> None:
    for pack in (rubbish, b"PACK\x00\x00\x00\x02\x00\x00\x00\x09" + rubbish):
        with pytest.raises((InvalidRequest, TooLarge)):
            commits(pack, 20)
