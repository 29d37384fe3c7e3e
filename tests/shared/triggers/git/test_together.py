"""What several threads ask for at the same time is asked for once."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from shared.triggers.git.together import Together

_PATIENCE = 10


def test_one_alone_acts_alone() -> None:
    calls: list[list[int]] = []

    def act(items: Sequence[int]) -> list[int]:
        calls.append(list(items))
        return [2 * item for item in items]

    together = Together(act, 10)
    assert [together.do(1), together.do(2)] == [2, 4]
    assert calls == [[1], [2]]


def test_those_that_wait_go_together_up_to_the_limit() -> None:
    calls: list[list[int]] = []
    is_first, is_full = threading.Event(), threading.Event()

    def act(items: Sequence[int]) -> list[int]:
        calls.append(list(items))
        is_first.set()
        assert is_full.wait(_PATIENCE)
        return [2 * item for item in items]

    class Waiting(list[object]):
        """Tells when seven stand in the line."""

        def append(self, ticket: object) -> None:
            super().append(ticket)
            if len(self) == 7:
                is_full.set()

    together = Together(act, 5)
    with ThreadPoolExecutor(8) as threads:
        first = threads.submit(together.do, 0)
        assert is_first.wait(_PATIENCE)
        together._waiting = Waiting()  # type: ignore[assignment] # a list that counts
        results = [threads.submit(together.do, item) for item in range(1, 8)]
        assert first.result(_PATIENCE) == 0
        assert [result.result(_PATIENCE) for result in results] == [2, 4, 6, 8, 10, 12, 14]
    assert [len(call) for call in calls] == [1, 5, 2]


def test_a_fault_is_raised_by_all_that_it_was_for_and_by_nobody_else() -> None:
    def act(items: Sequence[int]) -> list[int]:
        if 13 in items:
            raise RuntimeError("thirteen")
        return list(items)

    together = Together(act, 1)
    with ThreadPoolExecutor(8) as threads:
        results = {item: threads.submit(together.do, item) for item in range(20)}
    for item, result in results.items():
        if item == 13:
            with pytest.raises(RuntimeError):
                result.result()
        else:
            assert result.result() == item


def test_thousands_from_many_threads_all_get_their_own() -> None:
    together = Together[int, int](lambda items: [item * 3 for item in items], 50)
    with ThreadPoolExecutor(16) as threads:
        assert list(threads.map(together.do, range(3000))) == [item * 3 for item in range(3000)]
