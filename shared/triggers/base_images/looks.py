"""What a look at a tag, or a failed one, changes about a base image, and when to look again. Pure."""

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from shared.triggers.base_images.model import Base, BaseTag, Found

_SLOWEST = 16
"""A tag that cannot be read is still looked at: this many intervals apart at most."""
_SOON = timedelta(seconds=30)
_MAX_ERROR = 500
_MOST_DOUBLINGS = 20
_NEVER = timedelta(days=36_500)


@dataclass(frozen=True)
class Rhythm:
    """How often tags are looked at; an interval of zero means only after events."""

    interval: timedelta

    def first(self, tag: BaseTag, now: datetime) -> datetime:
        """Answer when to look at a tag for the first time: spread over the interval, by its name."""
        if not self.interval:
            return now + _NEVER
        phase = int.from_bytes(hashlib.sha256(tag.key.encode()).digest()[:4]) / 2**32
        return now + self.interval * phase

    def after(self, failures: int, now: datetime) -> datetime:
        """Answer when to look again after so many failures in a row: soon at first, then ever later."""
        if failures:
            slower: timedelta = _SOON * 2 ** min(failures - 1, _MOST_DOUBLINGS)
            return now + min(slower, max(self.interval, _SOON) * _SLOWEST)
        return now + (self.interval or _NEVER)


def seen(base: Base, found: Found | None, now: datetime, rhythm: Rhythm) -> Base:
    """Answer a base image after a look: the next generation if the digest is another one. None: it is not."""
    looked = replace(base, looks=base.looks + 1, checked=now, due=rhythm.after(0, now), failures=0, error="")
    if found is None or found.digest == base.found.digest:
        return looked
    return replace(looked, generation=base.generation + 1, before=base.found, found=found, changed=now)


def failed(base: Base, error: str, now: datetime, rhythm: Rhythm) -> Base:
    """Answer a base image after a look that failed."""
    failures = base.failures + 1
    due = rhythm.after(failures, now)
    return replace(base, looks=base.looks + 1, failures=failures, error=error[:_MAX_ERROR], due=due)


def put_off(base: Base, error: str, until: datetime) -> Base:
    """Answer a base image whose registry asks for a pause: the look is made up for when that is over."""
    return replace(base, looks=base.looks + 1, error=error[:_MAX_ERROR], due=until)
