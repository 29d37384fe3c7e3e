"""A tag may have changed: one HEAD tells. If it did, everybody who stands on it owes a rebuild.

Whatever made us look (an event, a poll, a run that ended) is only a hint. The row of the base image is read before
the registry is asked and replaced by ETag after it, so no answer of an earlier moment overwrites a later one.
"""

import logging
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from itertools import islice

from shared.errors import SlipwayError, Throttled, Unavailable
from shared.metrics import Metric, count
from shared.triggers.base_images.looks import failed, put_off, seen
from shared.triggers.base_images.model import Base, BaseTag, Dependent, Pending, is_behind
from shared.triggers.base_images.watch import Watch

POLL_WORK = timedelta(seconds=45)
"""Longest that one poll begins new looks; the next one takes up the rest."""
_ATTEMPTS = 20
_AT_A_TIME = 5000
"""Dependents that are told in one go; the queue goes on with the rest."""
_THREADS = 4
_LOG = logging.getLogger(__name__)


def hint(watch: Watch, tags: Iterable[BaseTag]) -> int:
    """Have the tags looked at, by the queue, that any task stands on; answers how many those are."""
    tracked = [tag for tag in dict.fromkeys(tags) if watch.bases.find(tag.key)]
    for tag in tracked:
        watch.queue.send({"look": tag.key})
    return len(tracked)


def look(watch: Watch, key: str) -> Base | None:
    """Ask the registry what a base image is now; None for one that no task stands on.

    A registry that does not answer is noted on the base image, which is looked at again later. Of many looks at the
    same time two are enough: the second to be noted after we came began after we came.
    """
    enough = None
    for _ in range(_ATTEMPTS):
        base = watch.bases.find(key)
        if base is None:
            return None
        enough = base.looks + 2 if enough is None else enough
        looked = base if base.looks >= enough else watch.bases.put(_looked(watch, base))
        if looked is None:
            continue
        if not looked.is_told:
            fan_out(watch, key)
        return looked
    raise Unavailable("A base image is being changed by too many at once.")


def _looked(watch: Watch, base: Base) -> Base:
    now = watch.clock()
    until = watch.bases.paused(base.tag.registry)
    if until is not None and until > now:
        count(Metric.CHECKS, outcome="paused")
        return put_off(base, f"The registry {base.tag.registry} asked for a pause.", until)
    try:
        found = watch.lookout.look(base.tag, base.found.digest, base.login)
    except Throttled as fault:
        until = now + timedelta(seconds=fault.retry_after)
        watch.bases.pause(base.tag.registry, until)
        count(Metric.CHECKS, outcome="throttled")
        return put_off(base, fault.message, until)
    except SlipwayError as fault:
        count(Metric.CHECKS, outcome="failed")
        return failed(base, fault.message, now, watch.rhythm)
    looked = seen(base, found, now, watch.rhythm)
    count(Metric.CHECKS, outcome="same" if looked.generation == base.generation else "changed")
    return looked


def fan_out(watch: Watch, key: str, generation: int | None = None, after: str = "") -> int:
    """Make the rebuilds pending that the present generation asks for; answers how many are new.

    Goes on by message after some thousands, unless the generation is another one by then. Repeating it, from any
    place, adds nothing.
    """
    base = watch.bases.find(key)
    if base is None or base.is_told or base.generation != (base.generation if generation is None else generation):
        return 0
    some = list(islice(watch.dependencies.dependents(key, after), _AT_A_TIME))
    owing = [owed(watch, base, one) for _, one in some if is_behind(base, one)]
    added = watch.pending.add(owing)
    if len(some) < _AT_A_TIME:
        _told(watch, base)
    else:
        watch.queue.send({"base": key, "generation": str(base.generation), "after": some[-1][0]})
    for registry in sorted({one.task.registry for one in owing}):
        announce(watch, registry, {one.task.shard for one in owing if one.task.registry == registry})
    return added


def owed(watch: Watch, base: Base, dependent: Dependent) -> Pending:
    """Answer the rebuild that a task owes to the present generation of a base image."""
    now = watch.clock()
    return Pending(
        task=dependent.task,
        base=base.tag.key,
        generation=base.generation,
        tag=base.tag,
        digest=base.found.digest,
        created=now,
        due=now + watch.limits.quiet,
    )


def announce(watch: Watch, registry: str, shards: Iterable[str], *, delay_seconds: int | None = None) -> None:
    """Have the rebuilds of some shards looked at, when their quiet period is over unless said otherwise."""
    delay = int(watch.limits.quiet.total_seconds()) if delay_seconds is None else delay_seconds
    watch.queue.send({"serve": registry, "shards": "".join(sorted(shards))}, delay_seconds=delay)


def _told(watch: Watch, base: Base) -> None:
    def told(known: Base) -> Base | None:
        is_same = known.generation == base.generation and not known.is_told
        return replace(known, fanned=known.generation) if is_same else None

    watch.bases.change(base.tag.key, told)


def poll(watch: Watch) -> None:
    """Look at every base image whose time has come, and finish fan-outs that were cut short."""
    began = watch.clock()
    bases = sorted(watch.bases.all(), key=lambda base: base.due)

    def visit(base: Base) -> None:
        if watch.clock() > began + POLL_WORK:
            return
        try:
            _visit(watch, base)
        except SlipwayError:
            _LOG.exception("the base image %s is looked at with the next poll", base.tag)

    with ThreadPoolExecutor(_THREADS) as pool:
        for _ in pool.map(visit, (base for base in bases if base.due <= began or not base.is_told)):
            pass


def _visit(watch: Watch, base: Base) -> None:
    if not base.is_told:
        fan_out(watch, base.tag.key)
    elif watch.dependencies.has_dependents(base.tag.key):
        look(watch, base.tag.key)
    else:
        watch.bases.remove(base)
