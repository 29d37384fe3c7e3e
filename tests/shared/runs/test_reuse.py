"""When a builder of a pool may go on to a further run."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.container_groups.group import Group
from shared.grant import Reuse
from shared.runs.model import Requester, Run
from shared.runs.reuse import may_go_on
from shared.settings import BuilderKind, Settings
from shared.storage import Row

NOW = datetime(2026, 1, 2, tzinfo=UTC)
GROUP = Group(
    registry="r", name="g", run_id="c1", created=NOW, is_warm=True, seen=1.0, agent_pool="p", kind=BuilderKind.FULL,
    row=Row("r", "g", {}), seat=0,
)  # fmt: skip
RUN = Run(
    id="c1", registry="r", created=NOW, updated=NOW, timeout_seconds=1, requester=Requester(name="m", kind="User")
)


def goes_on(group: Group = GROUP, run: Run = RUN, *, is_build: bool = True, later: float = 1, **settings: Any) -> bool:
    known = Settings.model_construct(**settings)
    return may_go_on(known, group, run, NOW + timedelta(hours=later), is_build=is_build)


def test_after_a_trusted_build_it_may() -> None:
    assert goes_on()


@pytest.mark.parametrize(
    "group",
    [
        replace(GROUP, agent_pool=""),
        replace(GROUP, is_spent=True),
        replace(GROUP, kind=BuilderKind.CONFINED),
        replace(GROUP, served=49),
        replace(GROUP, reuse=Reuse.NEVER),
    ],
)
def test_some_builders_may_not(group: Group) -> None:
    assert not goes_on(group)


def test_neither_after_a_strangers_run_nor_when_it_is_old() -> None:
    assert not goes_on(run=RUN.model_copy(update={"is_untrusted": True}), pool_reuse=Reuse.TASKS)
    assert not goes_on(later=12)


def test_after_steps_it_may_only_where_the_operator_says_so() -> None:
    assert not goes_on(is_build=False)
    assert goes_on(is_build=False, pool_reuse=Reuse.TASKS)
    assert goes_on(replace(GROUP, reuse=Reuse.TASKS), is_build=False)
    assert not goes_on(replace(GROUP, reuse=Reuse.BUILDS), is_build=False, pool_reuse=Reuse.TASKS)
    assert not goes_on(pool_reuse=Reuse.NEVER)
