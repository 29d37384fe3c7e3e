"""May a builder of an agent pool execute another run after this one? Pure.

A run makes its group **spent** before its grant goes out, so that whatever it does to its builder cannot change
the answer.
"""

from datetime import datetime, timedelta

from shared.container_groups.group import Group
from shared.grant import Reuse
from shared.runs.model import Run
from shared.settings import BuilderKind, Settings


def may_go_on(settings: Settings, group: Group, run: Run, now: datetime, *, is_build: bool) -> bool:
    """Whether the group may be given a further run once this one has ended. `is_build` tells a Docker build."""
    reuse = group.reuse or settings.pool_reuse
    return (
        group.may_return
        and group.kind is BuilderKind.FULL
        and not run.is_untrusted
        and (reuse is Reuse.TASKS or (reuse is Reuse.BUILDS and is_build))
        and group.served + 1 < settings.pool_runs
        and not is_old(settings, group, now)
    )


def is_old(settings: Settings, group: Group, now: datetime) -> bool:
    """Whether a builder of a pool is too old for a further run."""
    return now - group.created >= timedelta(hours=settings.pool_hours)
