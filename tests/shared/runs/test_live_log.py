"""A reader of a live log is asked to wait only when it knows all there is."""

from hypothesis import given
from hypothesis import strategies as st

from shared.runs.live_log import Readers, _range


def test_what_was_told_is_no_news() -> None:
    readers = Readers()
    assert not readers.knows("a", 0)
    readers.tell("a", 10)
    assert readers.knows("a", 10)
    assert not readers.knows("a", 11)
    assert not readers.knows("b", 10)


def test_what_was_read_beyond_the_size_that_was_told_is_no_news() -> None:
    readers = Readers()
    readers.tell("a", 10)
    readers.tell("a", 25)
    readers.tell("a", 20)
    assert readers.knows("a", 25)


def test_old_readers_are_forgotten() -> None:
    readers = Readers()
    for number in range(3000):
        readers.tell(str(number), 1)
    assert not readers.knows("0", 1)
    assert readers.knows("2999", 1)


@given(st.text(alphabet="bytes=-0123456789x", max_size=30) | st.none(), st.integers(0, 10**9))
def test_any_range_stays_within_the_log(asked: str | None, size: int) -> None:
    start, length = _range(asked, size)
    assert length <= 0 or (start >= 0 and start + length <= size)


def test_the_ranges_of_az() -> None:
    assert _range("bytes=0-4095", 100) == (0, 100)
    assert _range("bytes=4096-8191", 10_000) == (4096, 4096)
    assert _range("bytes=100-4195", 100)[1] <= 0
