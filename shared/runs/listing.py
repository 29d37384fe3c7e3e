"""Lists of runs: newest first, filtered, in pages."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice

from shared.arm.filters import Facts, Predicate, parse_filter
from shared.arm.names import parse_run_id
from shared.arm.wire import arm_time
from shared.errors import InvalidRequest
from shared.runs.model import Run
from shared.runs.store import RunStore

_PAGE = 100
_MAX_TOP = 1000
_NUMBER = re.compile("[0-9]{1,9}")


@dataclass(frozen=True)
class Page:
    """What part of the list is asked for. With `$top` there is one page; without, pages follow each other."""

    wanted: Predicate
    size: int
    is_whole: bool
    after: str | None


def parse_page(query: Mapping[str, str]) -> Page:
    """Read `$filter`, `$top` and `$skiptoken`. Raises InvalidRequest."""
    top, token = query.get("$top"), query.get("$skiptoken")
    if top is not None and not (_NUMBER.fullmatch(top) and 1 <= int(top) <= _MAX_TOP):
        raise InvalidRequest(f"$top must be a number from 1 to {_MAX_TOP}.", target="$top")
    return Page(
        wanted=parse_filter(query.get("$filter")),
        size=int(top) if top else _PAGE,
        is_whole=top is not None,
        after=parse_run_id(token) if token else None,
    )


def list_runs(store: RunStore, registry: str, page: Page) -> tuple[list[Run], str | None]:
    """Answer the runs of a page, and the token of the next one if there may be one."""
    found = (run for run in store.newest(registry, after=page.after) if page.wanted(_facts(run)))
    runs = list(islice(found, page.size))
    more = not page.is_whole and len(runs) == page.size
    return runs, runs[-1].id if more else None


def _facts(run: Run) -> Facts:
    return {
        "runid": run.id,
        "taskname": run.task,
        "status": run.status.value,
        "runtype": run.run_type,
        "createtime": arm_time(run.created),
        "starttime": arm_time(run.started) if run.started else None,
        "finishtime": arm_time(run.finished) if run.finished else None,
        "isarchiveenabled": str(run.is_archived),
        "agentpoolname": run.agent_pool,
        "platform": run.platform.os,
        "outputimagemanifests": [f"{image.repository}@{image.digest}" for image in run.output_images],
    }
