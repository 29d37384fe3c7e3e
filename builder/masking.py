"""Hide secret values in a stream of bytes, in every form in which a tool may print them.

A secret shorter than `SHORTEST` characters is not masked: hiding every "1" or "on" would ruin the log
and reveal the value by its gaps.
"""

import json
import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

SHORTEST = 4
MASK = b"***"

_ESCAPE = re.compile(r"\\u([0-9a-f]{4})")
_WRAPPED = (57, 48)  # source bytes per line of base64 in MIME (76 columns) and PEM (64 columns)


def forms(secret: str) -> frozenset[bytes]:
    """Every byte string that stands for `secret`, each at least `SHORTEST` long.

    Plain, per line (a build log prefixes each line), base64 at its three alignments, URL-encoded and
    JSON-escaped.
    """
    texts = {secret, *secret.splitlines()}
    found = {form for text in texts if len(text) >= SHORTEST for form in _of_text(text)}
    return frozenset(form for form in found if len(form) >= SHORTEST)


def _of_text(text: str) -> Iterator[bytes]:
    raw = text.encode("utf-8", "surrogatepass")
    yield raw
    yield from _base64(raw)
    yield from _url(raw)
    for escaped in (json.dumps(text), json.dumps(text, ensure_ascii=False)):
        inner = escaped[1:-1]
        html = _go_html(inner)
        yield from _encoded(inner, inner.replace("/", "\\/"), html, _upper_escapes(inner), _upper_escapes(html))


def _encoded(*texts: str) -> Iterator[bytes]:
    return (text.encode("utf-8", "surrogatepass") for text in texts)


def _go_html(escaped: str) -> str:
    """Escape `<`, `>` and `&` as Go's JSON encoder does."""
    return escaped.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _upper_escapes(escaped: str) -> str:
    """Write the digits of a JSON escape in upper case, as .NET and Java do."""
    return _ESCAPE.sub(lambda found: f"\\u{found[1].upper()}", escaped)


def _url(raw: bytes) -> Iterator[bytes]:
    for text in (quote(raw, safe=""), quote(raw, safe="/"), quote_plus(raw)):
        yield text.encode()
        yield _lower_escapes(text).encode()


def _lower_escapes(text: str) -> str:
    head, *rest = text.split("%")
    return head + "".join("%" + part[:2].lower() + part[2:] for part in rest)


def _base64(raw: bytes) -> Iterator[bytes]:
    for encode in (b64encode, urlsafe_b64encode):
        yield encode(raw)
        for offset in range(3):
            # Only the characters that the secret alone decides: neighbours share the first and last ones.
            text = encode(bytes(offset) + raw)
            yield text[-(-8 * offset // 6) : 8 * (offset + len(raw)) // 6]
        for width in _WRAPPED:
            if len(raw) > width:
                yield from (encode(raw[start : start + width]) for start in range(0, len(raw), width))


class Masker:
    """Mask one stream, fed in pieces of any size. Not shared between streams: each holds its own tail.

    Bytes are held back only while they could still grow into a secret; `flush` gives them up at the end
    of the stream, when they have turned out not to be one. Overlapping secrets become one mask.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        self._forms = tuple(sorted({form for secret in secrets for form in forms(secret)}))
        self._held = b""
        self._covered = 0
        """How many leading bytes of `_held` a mask that is already printed stands for."""

    def feed(self, data: bytes) -> bytes:
        """Return what is safe to print now."""
        if not self._forms:
            return data
        buffer = self._held + data
        return self._emit(buffer, self._undecided(buffer))

    def flush(self) -> bytes:
        """Return what was held back; the stream has ended."""
        return self._emit(self._held, len(self._held))

    def mask(self, text: str) -> str:
        """Mask a whole text, independent of the stream."""
        whole = Masker(())
        whole._forms = self._forms
        # The name of a file may hold bytes that are no text; whoever tells of it must not fail over that.
        return (whole.feed(text.encode(errors="replace")) + whole.flush()).decode(errors="replace")

    def _emit(self, buffer: bytes, end: int) -> bytes:
        """Print up to `end`; a secret that begins before it and ends behind it is remembered as covered."""
        out: list[bytes] = []
        position = self._covered
        for start, stop in self._spans(buffer):
            if start >= end:
                break
            if start >= position:
                out += [buffer[position:start], MASK]
            position = max(position, stop)
        if position < end:
            out.append(buffer[position:end])
            position = end
        self._held, self._covered = buffer[end:], position - end
        return b"".join(out)

    def _spans(self, buffer: bytes) -> list[tuple[int, int]]:
        """Every occurrence of every form, overlapping ones too, by their start."""
        found: list[tuple[int, int]] = []
        for form in self._forms:
            at = buffer.find(form)
            while at >= 0:
                found.append((at, at + len(form)))
                at = buffer.find(form, at + 1)
        return sorted(found)

    def _undecided(self, buffer: bytes) -> int:
        """Where the longest end of `buffer` begins that may yet become a secret; its length if none."""
        return min((_partial(buffer, form) for form in self._forms), default=len(buffer))


def _partial(buffer: bytes, form: bytes) -> int:
    """Where a proper prefix of `form` begins that runs up to the end of `buffer`."""
    at = buffer.find(form[:1], max(0, len(buffer) - len(form) + 1))
    while at >= 0:
        if form.startswith(buffer[at:]):
            return at
        at = buffer.find(form[:1], at + 1)
    return len(buffer)
