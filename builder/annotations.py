"""What the manifest of an image says of its making. Pure.

Source of the names: the OCI image specification's pre-defined annotation keys.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from builder.contexts.source import Context
from builder.engine.protocol import Annotations
from builder.scan import Scanned

_PREFIX: Final = "org.opencontainers.image."
_LONGEST: Final = 11
"""Digits of a count of seconds that is a year of four digits."""


def annotations(
    scanned: Scanned, context: Context, arguments: Mapping[str, str], now: datetime, *, platforms: int = 1
) -> Annotations:
    """Tell what is known: when it was made, of which commit, on which base, as the build was pinned to it.

    An image that stands on another base for each platform tells of none.

    `SOURCE_DATE_EPOCH` among the build arguments stands for the time, as it does for BuildKit.
    """
    values = {"created": _time(arguments.get("SOURCE_DATE_EPOCH", ""), now)}
    if context.commit:
        values["revision"] = context.commit
    if context.repository:
        values["source"] = context.repository
    base = scanned.bases.runtime
    if base is not None and base.reference in {need.image.reference for need in scanned.bases.needs if need.image}:
        values["base.name"] = str(replace(base.reference, digest=None))
        if digest := base.reference.digest or scanned.digests.get(base.reference):
            values["base.digest"] = digest
    return Annotations({_PREFIX + name: value for name, value in values.items()}, on_index=platforms > 1)


def _time(epoch: str, now: datetime) -> str:
    is_given = epoch.isascii() and epoch.isdecimal() and len(epoch) <= _LONGEST
    when = datetime.fromtimestamp(int(epoch), UTC) if is_given else now
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")
