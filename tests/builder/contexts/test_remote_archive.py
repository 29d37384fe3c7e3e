"""Archives behind https arrive whole, or one sentence says why not; where they come from is checked at each step."""

import bz2
import gzip
import io
import lzma
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from builder.faults import ContextRefused
from shared.grant import Limits
from tests.builder.contexts.fetching import Fetch
from tests.builder.contexts.web import Asked, Page, Reply, Site, basic


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("builder.contexts.download._FIRST_DELAY", 0.001)


@pytest.fixture
def fetch(site: Site, tmp_path: Path) -> Fetch:
    return Fetch.of(site, tmp_path)


def packed(files: dict[str, bytes]) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return raw.getvalue()


def zstd(data: bytes, *options: str) -> bytes:
    return subprocess.run(["zstd", "--quiet", *options], input=data, capture_output=True, check=True).stdout


FILES = {"Dockerfile": b"FROM scratch\n", "sub/noise": bytes(range(250)) * 400}
FORMS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": zstd,
}


def page(body: bytes, status: int = 200, **headers: str) -> Page:
    return lambda _: Reply(status, body, headers)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["context", "context.zip", "context.tar.gz"])
def test_the_content_alone_tells_the_form(site: Site, fetch: Fetch, form: str, name: str) -> None:
    site.pages[f"/{name}"] = page(FORMS[form](packed(FILES)))
    context = fetch(f"{site.origin}/{name}?a=b#c")
    assert (context.root, context.commit) == (fetch.root, "")
    assert {
        str(path.relative_to(fetch.root)): path.read_bytes() for path in fetch.root.rglob("*") if path.is_file()
    } == FILES
    assert list(fetch.private.iterdir()) == []


@pytest.mark.parametrize("form", ["gzip", "bzip2", "xz", "zstd"])
def test_several_compressed_streams_are_one_archive(site: Site, fetch: Fetch, form: str) -> None:
    tar, cut = packed(FILES), 1234
    pack = FORMS[form]
    site.pages["/a"] = page(pack(tar[:cut]) + pack(tar[cut:]))
    fetch(f"{site.origin}/a")
    assert (fetch.root / "sub/noise").read_bytes() == FILES["sub/noise"]


@pytest.mark.parametrize("form", FORMS)
def test_an_archive_that_ends_too_early(site: Site, fetch: Fetch, form: str) -> None:
    whole = FORMS[form](packed({"noise": bytes(range(256)) * 2000}))
    site.pages["/a"] = page(whole[: len(whole) // 2])
    with pytest.raises(ContextRefused, match=r"damaged|ends in the middle"):
        fetch(f"{site.origin}/a")


@pytest.mark.slow
@pytest.mark.parametrize("form", ["gzip", "bzip2", "xz", "zstd"])
def test_an_archive_that_is_mostly_compression(site: Site, fetch: Fetch, form: str) -> None:
    """100 MiB of zeros; gzip, the least of the four, makes a thousandth of it."""
    site.pages["/a"] = page(FORMS[form](packed({"zeros": bytes(100 * 1024**2)})))
    with pytest.raises(ContextRefused, match="more than 200 times its size"):
        fetch(f"{site.origin}/a")


@pytest.mark.parametrize("form", FORMS)
def test_an_archive_that_unpacks_to_more_than_allowed(site: Site, fetch: Fetch, form: str) -> None:
    fetch.limits = Limits(unpacked_bytes=50_000)
    site.pages["/a"] = page(FORMS[form](packed(FILES)))
    with pytest.raises(ContextRefused, match="unpacks to more than 50000 bytes"):
        fetch(f"{site.origin}/a")


def test_windows_of_more_memory_than_usual_are_refused(site: Site, fetch: Fetch) -> None:
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 512 * 1024**2}]
    site.pages["/a"] = page(lzma.compress(packed(FILES), filters=filters))
    with pytest.raises(ContextRefused, match="more than 256 MiB of memory"):
        fetch(f"{site.origin}/a")


def test_zstd_windows_of_more_memory_than_usual_are_refused(site: Site, fetch: Fetch) -> None:
    """A frame of our own: magic, a descriptor with a window of 1 GiB, no block."""
    site.pages["/a"] = page(b"\x28\xb5\x2f\xfd" + b"\x00" + bytes([20 << 3]) + b"\x01\x00\x00")
    with pytest.raises(ContextRefused, match="more than 256 MiB of memory"):
        fetch(f"{site.origin}/a")


def test_a_larger_download_than_allowed(site: Site, fetch: Fetch) -> None:
    fetch.limits = Limits(archive_bytes=1000)
    site.pages["/a"] = page(packed(FILES))
    with pytest.raises(ContextRefused, match="larger than 1000 bytes"):
        fetch(f"{site.origin}/a")
    assert list(fetch.private.iterdir()) == []


def test_a_download_that_takes_too_long(site: Site, fetch: Fetch) -> None:
    fetch.limits = Limits(fetch_seconds=0)
    site.pages["/a"] = page(packed(FILES))
    with pytest.raises(ContextRefused, match="longer than 0 seconds"):
        fetch(f"{site.origin}/a")


@pytest.mark.parametrize(
    ("body", "kind", "words"),
    [
        (b"<!DOCTYPE html><title>Sign in</title>", "text/html", "a web page, not an archive"),
        (b"\xef\xbb\xbf \n<html>" + b"x" * 3000, "application/gzip", "a web page, not an archive"),
        (b"<?xml version='1.0'?><Error/>", "application/xml", "a text, not an archive"),
        (b"PK\x03\x04" + b"x" * 3000, "application/zip", "a zip file"),
        (b"", "application/gzip", "an empty file"),
        (b"FROM scratch\n", "text/plain", "not a tar file"),
        (b"no archive" * 1000, "application/gzip", "not a tar file"),
        (gzip.compress(b"no archive" * 1000), "application/gzip", "not a tar file"),
        (b"\x1f\x8b" + b"x" * 3000, "application/gzip", "not a tar file"),
    ],
)
def test_what_is_no_archive(site: Site, fetch: Fetch, body: bytes, kind: str, words: str) -> None:
    site.pages["/a"] = page(body, 200, **{"Content-Type": kind})
    with pytest.raises(ContextRefused, match=words):
        fetch(f"{site.origin}/a")


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (404, "nothing is at that address"),
        (410, "nothing is at that address"),
        (401, "asks for a login"),
        (403, "asks for a login"),
        (418, "HTTP 418"),
        (503, "HTTP 503, 6 attempts"),
    ],
)
def test_an_answer_that_is_none(site: Site, fetch: Fetch, status: int, words: str) -> None:
    site.pages["/a"] = page(b"secret-in-the-body", status)
    with pytest.raises(ContextRefused, match=words) as raised:
        fetch(f"{site.origin}/a?sig=secret-in-the-query")
    assert "secret" not in raised.value.message


def test_a_download_that_breaks_goes_on(site: Site, fetch: Fetch) -> None:
    whole = packed(FILES)

    def broken(asked: Asked) -> Reply:
        start = int(asked.headers.get("range", "bytes=0-")[6:-1])
        rest = whole[start:]
        headers = {"ETag": '"1"', "Content-Range": f"bytes {start}-{len(whole) - 1}/{len(whole)}"}
        return Reply(206 if start else 200, rest, headers, break_after=30_000)

    site.pages["/a"] = broken
    fetch(f"{site.origin}/a")
    assert [asked.headers.get("range") for asked in site.asked] == [
        None, *(f"bytes={start}-" for start in range(30_000, len(whole), 30_000))
    ]  # fmt: skip


def test_a_weak_etag_means_from_the_start(site: Site, fetch: Fetch) -> None:
    whole, breaks = packed(FILES), [10_000, 20_000]
    site.pages["/a"] = lambda _: Reply(
        body=whole, headers={"ETag": 'W/"1"'}, break_after=breaks.pop() if breaks else None
    )
    fetch(f"{site.origin}/a")
    assert [asked.headers.get("range") for asked in site.asked] == [None] * 3


class TestWhereTo:
    """Every hop is judged like the first one."""

    def test_an_inner_address_needs_to_be_allowed(self, site: Site, fetch: Fetch) -> None:
        fetch.allowed = ()
        with pytest.raises(ContextRefused, match="is not called"):
            fetch(f"{site.origin}/a")
        assert site.asked == []

    @pytest.mark.parametrize("host", ["127.0.0.1", "2130706433", "0x7f.1", "169.254.169.254", "[::ffff:a9fe:a9fe]"])
    def test_no_spelling_helps(self, fetch: Fetch, host: str) -> None:
        with pytest.raises(ContextRefused, match="leads to an address inside"):
            fetch(f"https://{host}/a")

    def test_a_name_that_resolves_inside(self, fetch: Fetch) -> None:
        async def inside(_host: str, _port: int) -> tuple[str, ...]:
            return ("8.8.8.8", "10.0.0.1")

        fetch.resolver = inside
        with pytest.raises(ContextRefused, match="leads to an address inside"):
            fetch("https://public.example/a")

    def test_a_name_that_does_not_resolve(self, fetch: Fetch) -> None:
        async def nowhere(_host: str, _port: int) -> tuple[str, ...]:
            raise OSError

        fetch.resolver = nowhere
        with pytest.raises(ContextRefused, match="is not known"):
            fetch("https://nowhere.example/a")

    def test_the_address_that_was_checked_is_the_one_that_is_called(self, site: Site, fetch: Fetch) -> None:
        """The name exists in no DNS: only the answer that the gate got can have led to the site."""
        asked = []

        async def once(host: str, port: int) -> tuple[str, ...]:
            asked.append((host, port))
            return ("127.0.0.1",)

        fetch.resolver, fetch.allowed = once, (f"only-here.slipway.test:{site.port}",)
        site.pages["/a"] = page(packed(FILES))
        fetch(f"https://only-here.slipway.test:{site.port}/a")
        assert asked == [("only-here.slipway.test", site.port)]
        assert site.asked[0].headers["host"] == f"only-here.slipway.test:{site.port}"

    def test_redirects_are_followed(self, site: Site, fetch: Fetch) -> None:
        site.pages["/1"] = page(b"", 301, Location="/2")
        site.pages["/2"] = page(b"", 302, Location=f"{site.origin}/3")
        site.pages["/3"] = page(b"", 307, Location="4")
        site.pages["/4"] = page(packed(FILES))
        fetch(f"{site.origin}/1")
        assert [asked.path for asked in site.asked] == ["/1", "/2", "/3", "/4"]

    def test_but_not_for_ever(self, site: Site, fetch: Fetch) -> None:
        site.pages["/a"] = page(b"", 302, Location="/a")
        with pytest.raises(ContextRefused, match="more than 3 times"):
            fetch(f"{site.origin}/a")
        assert len(site.asked) == 4

    @pytest.mark.parametrize(
        ("location", "words"),
        [
            ("http://localhost/a", "Only https"),
            ("https://169.254.169.254/latest/meta-data", "leads to an address inside"),
            ("https://localhost/a", "leads to an address inside"),
            ("https://localhost:22/a", "Port 22"),
            ("file:///etc/passwd", "Only https"),
            ("https://[/", "names no host"),
            ("//10.0.0.1/a", "leads to an address inside"),
        ],
    )
    def test_a_redirect_to_where_nothing_may_go(self, site: Site, fetch: Fetch, location: str, words: str) -> None:
        site.pages["/a"] = page(b"", 302, Location=location)
        with pytest.raises(ContextRefused, match=words):
            fetch(f"{site.origin}/a")
        assert len(site.asked) == 1

    def test_a_login_goes_to_its_own_host_only(self, site: Site, fetch: Fetch) -> None:
        other = f"other.slipway.test:{site.port}"

        async def here(_host: str, _port: int) -> tuple[str, ...]:
            return ("127.0.0.1",)

        fetch.allowed, fetch.resolver = (*site.allowed, other), here
        site.pages["/a"] = page(b"", 302, Location="/b")
        site.pages["/b"] = page(b"", 302, Location=f"https://{other}/c")
        site.pages["/c"] = page(b"", 302, Location=f"{site.origin}/d")
        site.pages["/d"] = page(packed(FILES))
        fetch(f"https://user:p%40ss@localhost:{site.port}/a")
        assert [asked.headers.get("authorization") for asked in site.asked] == [basic("user:p@ss")] * 2 + [None] * 2
