"""No form of a secret reaches the log, however the stream is cut."""

import json
import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from itertools import pairwise
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.masking import MASK, Masker, forms

SECRETS = st.text(min_size=4, max_size=40)
ASCII = st.text("ab/+&=% \n", min_size=4, max_size=8)


def masked(secrets: list[str], pieces: list[bytes]) -> bytes:
    masker = Masker(secrets)
    return b"".join([masker.feed(piece) for piece in pieces] + [masker.flush()])


def cut(data: bytes, at: list[int]) -> list[bytes]:
    points = sorted({0, len(data), *(point % (len(data) + 1) for point in at)})
    return [data[a:b] for a, b in pairwise(points)]


@pytest.mark.parametrize(
    "show",
    [
        str.encode,
        lambda s: b64encode(s.encode()),
        lambda s: b64encode(b"x" + s.encode() + b"yz"),
        lambda s: b64encode(b"xy" + s.encode() + b"z"),
        lambda s: urlsafe_b64encode(b"user:" + s.encode()),
        lambda s: quote(s, safe="").encode(),
        lambda s: re.sub("%..", lambda escape: escape[0].lower(), quote(s, safe="")).encode(),
        lambda s: quote_plus(s).encode(),
        lambda s: json.dumps({"password": s}).encode(),
        lambda s: json.dumps({"password": s}, ensure_ascii=False).encode(),
        lambda s: re.sub(r"\\u....", lambda one: "\\u" + one[0][2:].upper(), json.dumps({"password": s})).encode(),
    ],
)
@pytest.mark.parametrize("secret", ["hunter2!", 'p"a\\ss/w&rd<>', "größe & schlüssel", "line one\nline two"])
def test_every_usual_rendering_is_hidden(show: Callable[[str], bytes], secret: str) -> None:
    shown = show(secret)
    out = masked([secret], [b"before ", shown, b" after\n"])
    assert MASK in out
    assert shown not in out
    assert out.startswith(b"before ")
    assert out.endswith(b" after\n")


@given(secret=SECRETS, before=st.binary(max_size=20), after=st.binary(max_size=20), at=st.lists(st.integers(0, 99)))
def test_a_secret_cut_anywhere_is_hidden(secret: str, before: bytes, after: bytes, at: list[int]) -> None:
    raw = secret.encode()
    out = masked([secret], cut(before + raw + after, at))
    assert raw not in out.replace(MASK, b"\x00")


@given(
    secrets=st.lists(ASCII, min_size=1, max_size=4),
    parts=st.lists(st.one_of(ASCII, st.sampled_from("ab/+& =")), max_size=8),
    at=st.lists(st.integers(0, 99), max_size=8),
)
def test_cuts_never_change_the_output(secrets: list[str], parts: list[str], at: list[int]) -> None:
    data = "".join(secrets[0] if i % 3 == 1 else part for i, part in enumerate(parts)).encode()
    assert masked(secrets, cut(data, at)) == masked(secrets, [data])


@given(data=st.binary(max_size=200), at=st.lists(st.integers(0, 199)))
def test_a_stream_without_secrets_is_unchanged(data: bytes, at: list[int]) -> None:
    assert masked(["\u2603 not in there \u2603"], cut(data, at)) == data


@given(secret=st.text(min_size=1, max_size=100), offset=st.integers(0, 2), extra=st.binary(max_size=3))
def test_base64_at_any_alignment_shows_at_most_the_shared_characters(secret: str, offset: int, extra: bytes) -> None:
    raw = secret.encode()
    if len(secret) < 4:
        return
    out = masked([secret], [b64encode(b"\xff" * offset + raw + extra)])
    assert MASK in out
    assert len(out) <= len(MASK) + 12


def test_overlapping_secrets_leave_no_rest() -> None:
    assert masked(["abcdef", "efghij"], [b"<abcd", b"efgh", b"ij>"]) == b"<***>"


def test_a_prefix_that_comes_to_nothing_is_printed() -> None:
    masker = Masker(["password123"])
    assert masker.feed(b"the pass") == b"the "
    assert masker.feed(b"port office\n") == b"passport office\n"
    assert masker.feed(b"passw") == b""
    assert masker.flush() == b"passw"


def test_the_tail_is_held_only_as_long_as_it_may_become_a_secret() -> None:
    masker = Masker(["hunter2!"])
    assert masker.feed(b"progress: hunt") == b"progress: "
    assert masker.feed(b"ing\n") == b"hunting\n"


@pytest.mark.parametrize("short", ["", "1", "on", "abc"])
def test_short_values_are_not_masked(short: str) -> None:
    assert forms(short) == frozenset()
    assert masked([short], [b"1 on abc"]) == b"1 on abc"


def test_each_line_of_a_multiline_secret_is_hidden() -> None:
    key = "-----BEGIN KEY-----\nMIIEvQIBADAN\n-----END KEY-----\n"
    out = masked([key], [b"#7 0.1 MIIEvQIBADAN\n#7 0.1 done\n"])
    assert out == b"#7 0.1 ***\n#7 0.1 done\n"


def test_wrapped_base64_of_a_long_secret_is_hidden() -> None:
    secret = "".join(chr(33 + i % 90) for i in range(150))
    encoded = b64encode(secret.encode())
    lines = [encoded[i : i + 76] for i in range(0, len(encoded), 76)]
    out = masked([secret], [b"\n#5 0.2 ".join(lines)])
    assert not any(line in out for line in lines)


def test_the_name_of_a_file_that_is_no_text_can_be_told() -> None:
    assert Masker(["hunter2!"]).mask("no \udcff of hunter2!") == "no ? of ***"
