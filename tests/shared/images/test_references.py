"""References, read as Docker reads them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import LanguageError
from shared.images.references import Reference, check_digest, dependency

SHA256 = "sha256:" + "0123456789abcdef" * 4
SHA512 = "sha512:" + "0123456789abcdef" * 8


@pytest.mark.parametrize(
    ("text", "registry", "repository", "tag", "digest"),
    [
        ("busybox", "docker.io", "library/busybox", "latest", None),
        ("busybox:1.35", "docker.io", "library/busybox", "1.35", None),
        (f"busybox@{SHA256}", "docker.io", "library/busybox", None, SHA256),
        (f"busybox:1@{SHA256}", "docker.io", "library/busybox", "1", SHA256),
        (f"busybox@{SHA512}", "docker.io", "library/busybox", None, SHA512),
        ("user/app", "docker.io", "user/app", "latest", None),
        ("library/app", "docker.io", "library/app", "latest", None),
        ("a/b/c:x", "docker.io", "a/b/c", "x", None),
        ("docker.io/app", "docker.io", "library/app", "latest", None),
        ("docker.io/user/app", "docker.io", "user/app", "latest", None),
        ("index.docker.io/app", "docker.io", "library/app", "latest", None),
        ("localhost/app", "localhost", "app", "latest", None),
        ("localhost:5000/app:1", "localhost:5000", "app", "1", None),
        ("host:5000/a/b:1", "host:5000", "a/b", "1", None),
        ("10.0.0.1/x", "10.0.0.1", "x", "latest", None),
        ("[::1]:5000/x", "[::1]:5000", "x", "latest", None),
        ("[2001:db8::1]/x", "[2001:db8::1]", "x", "latest", None),
        ("reg.azurecr.io/base/node:9-alpine", "reg.azurecr.io", "base/node", "9-alpine", None),
        ("Host/app", "Host", "app", "latest", None),
        ("REG.example/app", "REG.example", "app", "latest", None),
        ("x/a_b__c.d--e/f", "docker.io", "x/a_b__c.d--e/f", "latest", None),
        ("0/0:0", "docker.io", "0/0", "0", None),
        ("x:_A.b-C", "docker.io", "library/x", "_A.b-C", None),
        ("x:" + "t" * 128, "docker.io", "library/x", "t" * 128, None),
        ("r.io/" + "n" * 255, "r.io", "n" * 255, "latest", None),
    ],
)
def test_parts(text: str, registry: str, repository: str, tag: str | None, digest: str | None) -> None:
    assert Reference.parse(text) == Reference(registry, repository, tag, digest)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "repository is missing"),
        (":tag", "repository is missing"),
        (f"@{SHA256}", "repository is missing"),
        ("reg.io/", "repository is missing"),
        ("App", "must be lower-case"),
        ("user/App:1", "must be lower-case"),
        ("a.b/C", "must be lower-case"),
        ("app:", "a tag is"),
        ("app:-x", "a tag is"),
        ("app:.x", "a tag is"),
        ("app:a b", "a tag is"),
        ("app:a:b", "a tag is"),
        ("app:" + "t" * 129, "a tag is"),
        ("app@", "a digest reads"),
        ("app@sha256:abc", "a digest reads"),
        ("app@sha256:" + "G" * 64, "a digest reads"),
        ("app@SHA256:" + "a" * 64, "a digest reads"),
        ("app@sha1:" + "a" * 40, "a digest reads"),
        (f"app@{SHA256}@{SHA256}", "a digest reads"),
        ("a/-b", "a repository is"),
        ("a/b-", "a repository is"),
        ("a___b", "a repository is"),
        ("a..b", "a repository is"),
        ("a._b", "a repository is"),
        ("a//b", "a repository is"),
        ("/a", "a repository is"),
        ("a/", "a repository is"),
        (" app", "a repository is"),
        ("app\n", "a repository is"),
        ("ünter/x", "a repository is"),
        ("${V}/x", "not the name of a registry"),
        ("-reg.io/x", "not the name of a registry"),
        ("reg.io:/x", "not the name of a registry"),
        ("reg.io:port/x", "not the name of a registry"),
        ("reg..io/x", "not the name of a registry"),
        ("reg_x.io/x", "not the name of a registry"),
        ("https://reg.io/x", "not the name of a registry"),
        ("n" * 256, "longer than 255"),
        ("a" * 64, "image id"),
    ],
)
def test_what_is_refused_and_why(text: str, why: str) -> None:
    with pytest.raises(LanguageError, match=why) as caught:
        Reference.parse(text)
    assert caught.value.message.startswith(f"'{text[:100]}")


def test_an_error_stays_short() -> None:
    with pytest.raises(LanguageError) as caught:
        Reference.parse("x:" + "y" * 100_000)
    assert len(caught.value.message) < 300


@pytest.mark.parametrize(
    ("text", "familiar"),
    [
        ("docker.io/library/busybox:latest", "busybox:latest"),
        ("docker.io/user/app:1", "user/app:1"),
        ("docker.io/library/a/b:1", "library/a/b:1"),
        ("docker.io/a.b/c:1", "docker.io/a.b/c:1"),
        ("reg.io/library/app:1", "reg.io/library/app:1"),
        (f"busybox@{SHA256}", f"busybox@{SHA256}"),
    ],
)
def test_the_familiar_form_is_the_shortest(text: str, familiar: str) -> None:
    assert Reference.parse(text).familiar == familiar


_part = st.from_regex(r"[a-z0-9]{1,5}(?:(?:[._]|__|-{1,3})[a-z0-9]{1,5}){0,2}", fullmatch=True)
_references = st.builds(
    Reference,
    st.sampled_from(["docker.io", "localhost:5000", "reg.example", "Reg", "10.0.0.1:80"]),
    st.lists(_part, min_size=2, max_size=4).map("/".join),
    st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,10}", fullmatch=True),
    st.none() | st.just(SHA256),
)


@given(_references)
def test_what_is_printed_reads_back(reference: Reference) -> None:
    assert Reference.parse(str(reference)) == reference
    assert Reference.parse(reference.familiar) == reference


@given(st.text(alphabet="aA0:@/._- sh256\n", max_size=30))
def test_any_text_is_a_reference_or_an_error(text: str) -> None:
    try:
        reference = Reference.parse(text)
    except LanguageError:
        return
    assert Reference.parse(str(reference)) == reference


def test_pinning_keeps_the_tag() -> None:
    pinned = Reference.parse("app:1").with_digest(SHA256)
    assert (str(pinned), pinned.target) == (f"docker.io/library/app:1@{SHA256}", SHA256)
    assert Reference.parse("app:1").target == "1"
    with pytest.raises(LanguageError):
        pinned.with_digest("sha256:short")


def test_a_digest_is_returned_as_it_is() -> None:
    assert check_digest(SHA256, of="x") == SHA256


@pytest.mark.parametrize(
    ("written", "registry", "repository", "tag"),
    [
        ("alpine", "registry.hub.docker.com", "library/alpine", "latest"),
        ("microsoft/dotnet:2.1", "registry.hub.docker.com", "microsoft/dotnet", "2.1"),
        ("docker.io/library/node:9", "docker.io", "library/node", "9"),
        ("docker.io/node:9", "docker.io", "library/node", "9"),
        ("mcr.microsoft.com/dotnet/sdk:6.0", "mcr.microsoft.com", "dotnet/sdk", "6.0"),
        ("localhost:5000/base/node:9", "localhost:5000", "base/node", "9"),
    ],
)
def test_acrs_names_of_dependencies(written: str, registry: str, repository: str, tag: str) -> None:
    image = dependency(written, SHA256)
    assert (image.registry, image.repository, image.tag, image.digest) == (registry, repository, tag, SHA256)
