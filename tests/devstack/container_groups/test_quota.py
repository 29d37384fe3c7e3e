import pytest

from devstack.container_groups.config import Limits
from devstack.container_groups.errors import NoRoom, QuotaReached, Throttled
from devstack.container_groups.quota import Quota


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def admit(quota: Quota, groups: int = 0, cores: float = 0.0) -> None:
    quota.admit(location="local", groups=groups, cores=cores, more_cores=2.0)


def test_no_limit_is_no_limit() -> None:
    quota = Quota(Limits(), Clock())
    for number in range(500):
        admit(quota, groups=number, cores=2.0 * number)


def test_groups_and_cores_are_counted() -> None:
    quota = Quota(Limits(groups=3, cores=5), Clock())
    admit(quota, groups=2, cores=3.0)
    with pytest.raises(QuotaReached, match="Limit: '3', Usage: '3' Requested: '1'"):
        admit(quota, groups=3)
    with pytest.raises(QuotaReached, match="StandardCores"):
        admit(quota, cores=3.5)


def test_creations_are_counted_in_a_sliding_window() -> None:
    clock = Clock()
    quota = Quota(Limits(creates_per_5_minutes=2), clock)
    admit(quota)
    clock.now += 100
    admit(quota)
    with pytest.raises(Throttled) as refused:
        admit(quota)
    assert refused.value.retry_after == 200
    clock.now += 200
    admit(quota)
    with pytest.raises(Throttled):
        admit(quota)


def test_a_refused_creation_does_not_count() -> None:
    clock = Clock()
    quota = Quota(Limits(creates_per_hour=1, groups=1), clock)
    for _ in range(3):
        with pytest.raises(QuotaReached):
            admit(quota, groups=1)
    admit(quota)
    with pytest.raises(Throttled, match="60 minutes"):
        admit(quota)


def test_none_at_all_is_a_limit_too() -> None:
    with pytest.raises(Throttled):
        admit(Quota(Limits(creates_per_5_minutes=0), Clock()))


def test_wished_failures_are_counted_down() -> None:
    quota = Quota(Limits(fail_starts=2, fail_cause="quota"), Clock())
    assert [quota.take_failure() for _ in range(3)] == ["quota", "quota", None]


def test_a_full_region_refuses_and_the_others_do_not() -> None:
    quota = Quota(Limits(full_regions=("westeurope",)), Clock())
    with pytest.raises(NoRoom, match="not available in the location 'WestEurope' at this moment"):
        quota.admit(location="WestEurope", groups=0, cores=0, more_cores=2)
    admit(quota)


def test_time_may_pass_faster_than_it_does() -> None:
    clock = Clock()
    quota = Quota(Limits(creates_per_5_minutes=1, time_scale=60), clock)
    admit(quota)
    clock.now += 4
    with pytest.raises(Throttled) as refused:
        admit(quota)
    assert refused.value.retry_after == 60
    clock.now += 1
    admit(quota)
