"""The log of one run: the builder's own dated lines and the output of its steps, masked, in CRLF lines.

az shows a line only once its CRLF is there, so every line ends in exactly one.
"""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Self

from builder.masking import Masker

_STAMP = "%Y/%m/%d %H:%M:%S "
OUTPUT_LIMIT = 512 * 1024**2
"""Bytes of step output that a run may print; own lines do not count."""


class CrlfLines:
    """Turn every line end of one stream into CRLF, also when CR and LF come in different pieces."""

    def __init__(self) -> None:
        self._after_cr = False

    def feed(self, data: bytes) -> bytes:
        """Return `data` with each LF preceded by exactly one CR where it had none."""
        if not data:
            return data
        head = b"\n" if self._after_cr and data.startswith(b"\n") else b""
        rest = data[len(head) :]
        self._after_cr = data.endswith(b"\r")
        return head + rest.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


class Output:
    """One step's output: a context manager whose end gives up what the masker held back."""

    def __init__(self, write: Callable[[bytes], None], masker: Masker) -> None:
        self._write = write
        self._masker = masker
        self._lines = CrlfLines()

    def __call__(self, data: bytes) -> None:
        """Write what a process printed, cut anywhere."""
        self._write(self._lines.feed(self._masker.feed(data)))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._write(self._lines.feed(self._masker.flush()))


class RunLog:
    """What the parts of a run write to; `sink` takes the finished bytes and must not block."""

    def __init__(
        self,
        sink: Callable[[bytes], None],
        secrets: Iterable[str] = (),
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        output_limit: int = OUTPUT_LIMIT,
    ) -> None:
        self._sink = sink
        self._secrets = tuple(secrets)
        self._masker = Masker(self._secrets)
        self._now = now
        self._left = output_limit
        self._at_line_start = True

    def line(self, text: str = "") -> None:
        """Write own lines, each with the UTC time in front."""
        stamp = self._now().strftime(_STAMP)
        self._own("".join(f"{stamp}{line}\r\n" for line in self.mask(text).split("\n")))

    def plain(self, text: str) -> None:
        """Write own lines without the time."""
        self._own("".join(f"{line}\r\n" for line in self.mask(text).split("\n")))

    def mask(self, text: str) -> str:
        """Hide every secret of the run in `text`."""
        return self._masker.mask(text)

    def hide(self, *secrets: str) -> None:
        """Mask further secrets from now on, in own lines and in streams that are opened later."""
        self._secrets += secrets
        self._masker = Masker(self._secrets)

    def output(self) -> Output:
        """Open a stream for one step's output."""
        return Output(self._pass, Masker(self._secrets))

    def _own(self, text: str) -> None:
        start = "" if self._at_line_start else "\r\n"
        self._write((start + text).encode(errors="replace"))

    def _write(self, data: bytes) -> None:
        if data:
            self._sink(data)
            self._at_line_start = data.endswith(b"\n")

    def _pass(self, data: bytes) -> None:
        """Let step output through until the run has printed its share."""
        if self._left <= 0 or not data:
            return
        self._write(data[: self._left])
        self._left -= len(data)
        if self._left <= 0:
            self._own("[the output of this run is over its limit; the rest is not shown]\r\n")
