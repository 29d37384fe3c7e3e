"""One line per piece of work that takes over a second: a spinner on a terminal, plain lines elsewhere."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

SHOWN_AFTER_SECONDS = 0.3
FRAMES = "|/-\\"
FRAME_SECONDS = 0.1
CLEAR = "\r\x1b[K"


def say(text: str) -> None:
    """Write a line to the person at the terminal; standard output stays free for results."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - this is where the local stack talks


@contextmanager
def step(title: str) -> Iterator[None]:
    """Show a piece of work while it runs and how long it took; says nothing when it is over at once."""
    begun = time.monotonic()
    done = threading.Event()
    shower = threading.Thread(target=_show, args=(title, begun, done), daemon=True)
    shower.start()
    outcome = "failed"
    try:
        yield
        outcome = "ok"
    finally:
        done.set()
        shower.join()
        seconds = time.monotonic() - begun
        if outcome == "failed" or seconds > SHOWN_AFTER_SECONDS:
            say(f"  {outcome:<6} {title} ({seconds:.1f} s)")


def _show(title: str, begun: float, done: threading.Event) -> None:
    if done.wait(SHOWN_AFTER_SECONDS):
        return
    if not sys.stderr.isatty():
        say(f"  ...    {title}")
        return
    turn = 0
    while not done.is_set():
        elapsed = time.monotonic() - begun
        sys.stderr.write(f"{CLEAR}  {FRAMES[turn % len(FRAMES)]}      {title} {elapsed:.0f} s")
        sys.stderr.flush()
        turn += 1
        done.wait(FRAME_SECONDS)
    sys.stderr.write(CLEAR)
    sys.stderr.flush()
