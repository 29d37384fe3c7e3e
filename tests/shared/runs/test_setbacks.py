"""What a lost builder counts for."""

from datetime import UTC, datetime, timedelta

from shared.container_groups.loss import Loss, LossKind, evicted
from shared.runs.setbacks import KEPT, Setback, is_hopeless, pause, wants_regular

NOW = datetime(2026, 11, 21, 10, tzinfo=UTC)


def setback(kind: LossKind, region: str = "here", *, is_spot: bool = False, had_begun: bool = False) -> Setback:
    return Setback.of(Loss(kind, region, "why", is_spot), NOW, had_begun=had_begun)


def test_a_region_is_left_alone_for_longer_each_time() -> None:
    known = [setback(LossKind.NO_ROOM) for _ in range(7)]
    minutes = [pause(known[: number + 1]) / timedelta(minutes=1) for number in range(7)]
    assert minutes == [1, 2, 4, 8, 15, 15, 15]
    assert pause([*known, setback(LossKind.NO_ROOM, "there")]) == timedelta(minutes=1)
    assert pause([*known, setback(LossKind.QUOTA)]) == timedelta(minutes=1)
    assert pause([*known, Setback.of(evicted("here"), NOW)]) == timedelta(0)


def test_only_an_image_that_cannot_be_pulled_ends_a_run() -> None:
    assert not is_hopeless([setback(LossKind.NO_ROOM)] * KEPT)
    assert not is_hopeless([setback(LossKind.IMAGE)] * (KEPT - 1))
    assert is_hopeless([setback(LossKind.IMAGE)] * KEPT)


def test_a_regular_group_comes_after_so_many_spot_ones() -> None:
    one, full = Setback.of(evicted("here"), NOW), setback(LossKind.NO_ROOM, is_spot=True)
    assert not wants_regular([], 2)
    assert not wants_regular([one, setback(LossKind.NO_ROOM), setback(LossKind.IMAGE, is_spot=True)], 2)
    assert wants_regular([one, full], 2)
    assert wants_regular([Setback.of(evicted("here"), NOW, had_begun=True)], 2)
