"""Context strings are understood as ACR Tasks understands them, and only safe ones are accepted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contexts import (
    ArchiveContext,
    ArtifactContext,
    ContextKind,
    GitContext,
    check_reference,
    classify,
    origin,
    read_context,
    secret_parts,
)
from shared.errors import InvalidRequest

KINDS = {
    ContextKind.GIT: """
        https://github.com/a/b.git
        https://github.com/a/b.git#main
        https://github.com/a/b.git#main:sub
        https://github.com/a/b.git#:sub
        https://pat@github.com/a/b.git
        git://h/x
        git@github.com:a/b.git#m:s
        github.com/a/b
        github.com/a/b.git#x
        https://dev.azure.com/o/p/_git/r
        https://dev.azure.com/o/p/_git/r#main:sub
        https://user@dev.azure.com/o/p/_git/r
        https://o.visualstudio.com/p/_git/r
        https://o.visualstudio.com/DefaultCollection/p/_git/r#b:s
    """,
    ContextKind.ARCHIVE: """
        https://github.com/a/b
        https://github.com/a/b#main
        https://github.com/a/b/archive/main.tar.gz
        http://h/x.tar.gz
        https://DEV.azure.com/o/p/_git/r?path=x
        http://dev.azure.com/o/p/_git/r
        https://h/x.git/
        https://h/x.git?a=b
        https://h/x.git#
        https://gitlab.com/a/b/-/archive/x.tar
    """,
    ContextKind.ARTIFACT: "oci://r.azurecr.io/a:b OCI://r.azurecr.io/a:b",
    ContextKind.LOCAL: """
        ssh://git@github.com/a/b.git . ./sub /dev/null - C:\\x file:///x HTTPS://github.com/a/b.git
        source/abc.tar.gz acr.source/run.tar.gz
    """,
}


@pytest.mark.parametrize(("text", "kind"), [(text, kind) for kind, texts in KINDS.items() for text in texts.split()])
def test_the_class_of_a_context(text: str, kind: ContextKind) -> None:
    assert classify(text) is kind


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://h/x.git", GitContext("https://h/x.git")),
        ("https://h:8443/x.git#main", GitContext("https://h:8443/x.git", "main")),
        ("https://h/x.git#feature/x:a/b", GitContext("https://h/x.git", "feature/x", "a/b")),
        ("https://h/x.git#:a", GitContext("https://h/x.git", "", "a")),
        ("https://h/x.git#:", GitContext("https://h/x.git")),
        ("https://h/x.git#a%2Fb", GitContext("https://h/x.git", "a/b")),
        ("https://pat@h/x.git", GitContext("https://h/x.git", username="pat")),
        ("https://u:p%40w@h/x.git#v1", GitContext("https://h/x.git", "v1", "", "u", "p@w")),
        ("github.com/a/b#v1", GitContext("https://github.com/a/b", "v1")),
        ("https://u@dev.azure.com/o/p/_git/r", GitContext("https://dev.azure.com/o/p/_git/r", username="u")),
        ("https://h/x.tgz?sig=s", ArchiveContext("https://h/x.tgz?sig=s")),
        ("https://u:p@h/x.tgz#part", ArchiveContext("https://h/x.tgz", "u", "p")),
        ("OCI://r.azurecr.io/a:b", ArtifactContext("r.azurecr.io/a:b")),
    ],
)
def test_a_remote_context_is_read(text: str, expected: object) -> None:
    assert read_context(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "http://h/x.git",
        "http://h/x.tgz",
        "git://h/x",
        "git@github.com:a/b.git",
        "ssh://-oProxyCommand=x/a.git",
        "file:///etc",
        "ext::sh -c id",
        "/etc/passwd",
        "https://h/x.git?a=b.git",
        "https:///x.git",
        "https://h:0/x.git",
        "https://h:99999/x.git",
        "https://a.com\\@169.254.169.254/x.git",
        "https://a@b@h/x.git",
        "https://h/x.git#a b",
        "https://h/x y.git",
        "https://h/x\n.git",
        "https://hö/x.git",
        "https://h/x.git#" + "a" * 5000,
        "https://h/x.git#--upload-pack=id",
        "https://h/x.git#%2D%2Dupload-pack=id",
        "https://h/x.git#a%0Ab",
    ],
)
def test_what_is_unsafe_or_unclear_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest):
        read_context(text)


@pytest.mark.parametrize(
    "name",
    ["-x", "--upload-pack=x", "a..b", "a//b", "/a", "a/", "a.", ".a", "a/.b", "a.lock", "a@{1}", "a^", "a~1", ""],
)
def test_what_is_no_reference(name: str) -> None:
    with pytest.raises(InvalidRequest, match="not the name of a branch"):
        check_reference(name)


@pytest.mark.parametrize("name", ["main", "feature/x", "v1.0", "refs/pull/7/head", "$(id)", "{{.Run.ID}}", "a-b", "ü"])
def test_every_other_name_is_data(name: str) -> None:
    assert check_reference(name) == name


def test_a_refusal_never_quotes_a_login() -> None:
    with pytest.raises(InvalidRequest) as raised:
        read_context("http://user:hunter2@h/x.git")
    assert "hunter2" not in raised.value.message
    assert "hunter2" not in repr(read_context("https://user:hunter2@h/x.git"))


def test_the_secret_parts_of_an_address() -> None:
    assert secret_parts("https://u:p%40w@h/x.git") == ("p%40w", "p@w")
    assert secret_parts("https://ghp_0123456789abcdef@h/x.git") == ("ghp_0123456789abcdef",)
    assert secret_parts("https://org@dev.azure.com/o/_git/x") == ()
    assert secret_parts("https://h/x.tgz?sv=1&sig=a%2Bb") == ("a+b",)
    assert secret_parts("https://h/x.git#main") == ()
    assert secret_parts("https://[broken") == ()


def test_an_origin_is_host_and_port() -> None:
    assert origin("https://GitHub.com/a") == ("github.com", 443)
    assert origin("https://h:8443/a") == ("h", 8443)


@given(st.text() | st.from_regex(r"https://[^ ]{0,30}(\.git)?(#[^ ]{0,20})?", fullmatch=True))
def test_every_text_is_read_or_refused(text: str) -> None:
    try:
        context = read_context(text)
    except InvalidRequest:
        return
    assert classify(text) is not ContextKind.LOCAL
    if isinstance(context, GitContext):
        assert context.url.startswith("https://")
        assert not {"@", "#", "?"} & set(context.url.partition("//")[2].partition("/")[0])
        assert not context.reference.startswith("-")
