"""What git prints is read by value, whatever a server or a repository put into it."""

import pytest

from builder.contexts.git_objects import Census, Wanted, choose, is_commit, patterns, submodule_url, submodules
from builder.faults import ContextRefused
from shared.grant import Limits

SHA = "0123456789abcdef0123456789abcdef01234567"
LISTING = f"""ref: refs/heads/main\tHEAD
{SHA}\tHEAD
{SHA}\trefs/heads/main
{SHA}\trefs/heads/abcdef1
{SHA}\trefs/tags/v1
{SHA}\trefs/tags/v1^{{}}
{SHA}\trefs/pull/7/head
{SHA}\trefs/remotes/origin/HEAD
"""


@pytest.mark.parametrize(
    ("reference", "wanted"),
    [
        ("", Wanted(ref="HEAD", branch="main")),
        ("main", Wanted(ref="refs/heads/main", branch="main")),
        ("v1", Wanted(ref="refs/tags/v1")),
        ("pull/7/head", Wanted(ref="refs/pull/7/head")),
        ("abcdef1", Wanted(ref="refs/heads/abcdef1", branch="abcdef1")),
        ("ABCDEF2", Wanted(commit="abcdef2")),
        (SHA.upper(), Wanted(commit=SHA)),
        ("nope", None),
        ("abc", None),
        ("refs/heads/v1", None),
    ],
)
def test_what_a_reference_means(reference: str, wanted: Wanted | None) -> None:
    assert choose(reference, LISTING) == wanted


def test_a_detached_head_has_no_branch() -> None:
    assert choose("", f"{SHA}\tHEAD\n") == Wanted(ref="HEAD")


@pytest.mark.parametrize("reference", ["", "HEAD", "main", "refs/x", "a/b"])
def test_patterns_are_never_options(reference: str) -> None:
    assert all(pattern == "HEAD" or pattern.startswith("refs/") for pattern in patterns(reference))


@pytest.mark.parametrize(
    ("wanted", "refspec"),
    [
        (Wanted(ref="HEAD"), "HEAD"),
        (Wanted(ref="refs/heads/a/b"), "+refs/heads/a/b:refs/remotes/origin/a/b"),
        (Wanted(ref="refs/tags/v1"), "+refs/tags/v1:refs/tags/v1"),
        (Wanted(ref="refs/pull/7/head"), "refs/pull/7/head"),
        (Wanted(commit=SHA), SHA),
    ],
)
def test_what_is_fetched(wanted: Wanted, refspec: str) -> None:
    assert wanted.refspec == refspec
    assert not wanted.is_short


def test_a_short_commit_cannot_be_asked_for() -> None:
    assert Wanted(commit="abcdef1").is_short
    assert not is_commit("abcdef1")


def test_a_tree_is_read_however_it_is_cut() -> None:
    lines = [
        b"100644 blob aaaa      12\tplain",
        b"160000 commit bbbb       -\tlib/module",
        b"120000 blob cccc       3\tline\nbreak",
    ]
    text = b"".join(line + b"\0" for line in lines)
    for cut in range(len(text)):
        census = Census(Limits())
        reader = census.reader()
        reader(text[:cut])
        reader(text[cut:])
        assert (census.entries, census.size, reader.links) == (3, 15, {"lib/module": "bbbb"})


def test_a_name_without_an_end_is_not_gathered() -> None:
    reader = Census(Limits()).reader()
    with pytest.raises(ContextRefused, match="longer than 64 KiB"):
        reader(b"x" * 70_000)


def test_submodules_are_found_by_their_path() -> None:
    settings = """
        submodule.a.b.path lib/a, submodule.a.b.url https://h/a.git, submodule.off.path off,
        submodule.off.update none, submodule.bare.path bare, submodule.without.url https://h/b.git, core.pager less
    """
    listing = "".join(f"{key}\n{value}\0" for key, value in (one.split() for one in settings.split(",")))
    assert submodules(listing) == {"lib/a": "https://h/a.git", "off": None, "bare": ""}


@pytest.mark.parametrize(
    ("parent", "url", "expected"),
    [
        ("https://h/o/app.git", "../lib.git", "https://h/o/lib.git"),
        ("https://h/o/app.git/", "../../p/lib.git", "https://h/p/lib.git"),
        ("https://h/o/app.git", "./lib.git", "https://h/o/app.git/lib.git"),
        ("https://h/o/app.git", "../../../../lib.git", "https://h/lib.git"),
        ("https://h:8443/o/app.git", "../lib", "https://h:8443/o/lib"),
        ("https://h/o/app.git", "https://u:p@other/lib", "https://other/lib"),
    ],
)
def test_the_address_of_a_submodule(parent: str, url: str, expected: str) -> None:
    assert submodule_url(parent, "lib", url) == expected
