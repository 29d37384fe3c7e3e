"""The end of a run: one terminal state, the log's last line, its `Complete` mark, the builder's removal.

The state moves first. What follows is repeated by the reconciler until it is done, because the run stays
among the active ones until it is closed.
"""

import contextlib
import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.arm.wire import BaseImage
from shared.errors import NotFound, SlipwayError
from shared.grant import Image, Platform
from shared.runs.context import Workshop
from shared.runs.logs import complete_log
from shared.runs.model import Run, Status
from shared.tasks.changes import record_dependencies

LINGERING = timedelta(seconds=60)
"""Longest time for which a builder outlives its run, to tell what the images hold."""
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Ending:
    """How a run ended: a terminal status, one sentence when it is not a success, and what was published."""

    status: Status
    error: str | None = None
    images: tuple[Image, ...] = ()
    base_images: tuple[BaseImage, ...] = ()
    platforms: tuple[Platform, ...] = ()
    tells_contents: bool = False


def finish(shop: Workshop, registry: str, run_id: str, ending: Ending, *, epoch: int | None = None) -> Run:
    """Move a run to its terminal state and close it; a run that has ended keeps its state.

    With `epoch`, the ending counts only while the run still has that epoch. Answers the run as it is then.
    """

    def end(run: Run) -> Run | None:
        if run.is_terminal or (epoch is not None and run.epoch != epoch):
            return None
        now = shop.clock()
        return run.moved(
            ending.status,
            now,
            finished=now,
            error=ending.error,
            output_images=ending.images,
            base_images=ending.base_images,
            built_for=ending.platforms,
            tells_contents=ending.tells_contents,
        )

    changed = shop.store.change(registry, run_id, end)
    run = changed or shop.store.get(registry, run_id)
    if changed is not None:
        _LOG.info("run %s of %s: %s", run.id, registry, run.status)
        try:
            close(shop, run)
        except SlipwayError:
            _LOG.exception("run %s has ended but is not closed yet", run.id)
    return run


def close(shop: Workshop, run: Run) -> None:
    """Complete the log of an ended run, remove its builder if it is not to return, and give its slot back.

    Calling again is fine.

    What the images of a task's successful run stand on, and where they are, is noted on the task before that.
    """
    if run.task and run.status is Status.SUCCEEDED and not run.is_untrusted:
        own = shop.registry(run.registry).login_server
        published = [image.repository for image in run.output_images if image.registry == own]
        record_dependencies(shop.tasks, run.registry, run.task, run.id, run.base_images, published=published)
    complete_log(shop, run)
    shop.on_end(run)
    if run.group is not None:
        _leave_group(shop, run, run.group)
    shop.store.close(run)


def _leave_group(shop: Workshop, run: Run, name: str) -> None:
    """Delete the run's group, unless it may return: then its builder says when it is clean.

    One that is still to tell what the images hold says itself when it has done so.
    One whose builder never claimed the run is clean, and waits again at once.
    """
    group = shop.pool.find(run.registry, name)
    if group is not None and group.run_id != run.id:
        return  # it serves another run already
    if group is not None and lingers(run, shop.clock()):
        return
    if group is None or not group.may_return:
        shop.pool.release(run.registry, name)
        note_release(shop, run.registry, run.id, name)
    elif run.epoch == 0:
        shop.pool.take_back(group, has_served=False)
        note_release(shop, run.registry, run.id, name)


def note_release(shop: Workshop, registry: str, run_id: str, name: str) -> None:
    """Note when an ended run's group was deleted, or was ready for another run; the first word counts."""

    def note(run: Run) -> Run | None:
        if not run.is_terminal or run.group != name or run.released is not None:
            return None
        return run.model_copy(update={"released": shop.clock()})

    with contextlib.suppress(NotFound):
        shop.store.change(registry, run_id, note)


def lingers(run: Run, now: datetime) -> bool:
    """Whether an ended run's builder is still waited for, to tell what the images hold."""
    return run.tells_contents and run.finished is not None and now - run.finished <= LINGERING
