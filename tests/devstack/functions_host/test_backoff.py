from random import Random

from devstack.functions_host.backoff import Backoff


def test_delays_grow_from_the_minimum_and_end_at_the_maximum() -> None:
    backoff = Backoff(0.1, 2.0, Random(1))
    delays = [backoff.after_nothing() for _ in range(12)]
    assert delays[0] == 0.1
    assert delays == sorted(delays)
    assert delays[-1] == 2.0


def test_success_starts_over() -> None:
    backoff = Backoff(0.1, 2.0, Random(1))
    for _ in range(12):
        backoff.after_nothing()
    assert backoff.after_success() == 0.1
    assert 0.1 < backoff.after_nothing() < 0.3


def test_each_step_doubles_within_a_fifth() -> None:
    backoff = Backoff(1.0, 1000.0, Random(7))
    backoff.after_success()
    for exponent in range(6):
        assert 1 + 0.8 * 2**exponent <= backoff.after_nothing() <= 1 + 1.2 * 2**exponent


def test_a_maximum_below_the_minimum_is_obeyed() -> None:
    backoff = Backoff(0.1, 0.05)
    assert backoff.after_nothing() == 0.05
