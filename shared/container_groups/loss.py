"""Why Azure let a container group fall that it had accepted: read from what it says of the group. Pure.

Source: the published states of container groups (`Failed` is also want of capacity, quota and images, told among the
events) and what the service answers: `InsufficientCapacity` and the sentence of the refused request. What an eviction
of a Spot group looks like is not published: an event that names it, a group that is gone, or a container that was
killed from outside count as one.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

_NO_ROOM: Final = re.compile(r"InsufficientCapacity|ServiceUnavailable|ResourceRequests?NotAvailable", re.IGNORECASE)
_NO_ROOM_SAID: Final = "is not available in the location"
_QUOTA: Final = re.compile(r"quota", re.IGNORECASE)
_IMAGE: Final = re.compile(r"InaccessibleImage|RegistryErrorResponse|FailedToPullImage|ImagePull", re.IGNORECASE)
_IMAGE_SAID: Final = re.compile(r"pull image|image .{1,1024} not accessible", re.IGNORECASE)
_EVICTED: Final = re.compile(r"evict|preempt", re.IGNORECASE)
_WORD: Final = re.compile(r"[A-Za-z]{1,64}")
_SIGNALS: Final = frozenset({137, 143})
_OWN_ENDS: Final = re.compile(r"oom", re.IGNORECASE)


class LossKind(StrEnum):
    """Why a group fell."""

    NO_ROOM = "noRoom"
    QUOTA = "quota"
    IMAGE = "image"
    EVICTED = "evicted"


@dataclass(frozen=True)
class Happening:
    """An event of a group or of one of its containers."""

    name: str
    message: str = ""


@dataclass(frozen=True)
class End:
    """How a container ended; without exit code it did not end by itself."""

    exit_code: int | None
    detail: str = ""


@dataclass(frozen=True)
class Remains:
    """What Azure says of a group: its events, latest last, how its builder's container ended, and its images."""

    region: str
    is_spot: bool
    happenings: tuple[Happening, ...] = ()
    end: End | None = None
    images: tuple[str, ...] = ()
    has_begun: bool = False
    """Whether its builder's container ever ran."""


@dataclass(frozen=True)
class Loss:
    """Why a group fell, as a sentence. `image` is what could not be pulled, where that is known."""

    kind: LossKind
    region: str
    reason: str
    is_spot: bool = False
    image: str = ""


def loss_of(remains: Remains) -> Loss | None:
    """Answer why a group has ended or does not begin; None where Azure names no cause of its own."""
    for one in reversed(remains.happenings):
        text = f"{one.name} {one.message}"
        if remains.is_spot and _EVICTED.search(text):
            return evicted(remains.region)
        if remains.has_begun:
            continue
        if _IMAGE.search(one.name) or _IMAGE_SAID.search(one.message):
            return _not_pulled(remains, one)
        if _QUOTA.search(text):
            return _refused(remains, LossKind.QUOTA, "Azure's quota of container groups was used up", one)
        if _NO_ROOM.search(one.name) or _NO_ROOM_SAID in one.message:
            return _refused(remains, LossKind.NO_ROOM, "Azure had no room for its container group", one)
    return evicted(remains.region) if remains.is_spot and _was_killed(remains.end) else None


def evicted(region: str) -> Loss:
    """Answer the loss of a Spot group that was taken away."""
    where = f" in {region}" if region else ""
    return Loss(LossKind.EVICTED, region, f"Azure took its Spot container group{where} away.", is_spot=True)


def _was_killed(end: End | None) -> bool:
    if end is None:
        return False
    return end.exit_code is None or (end.exit_code in _SIGNALS and not _OWN_ENDS.search(end.detail))


def _refused(remains: Remains, kind: LossKind, what: str, happening: Happening) -> Loss:
    word = _WORD.match(happening.name)
    told = f" ({word[0]})" if word else ""
    return Loss(kind, remains.region, f"{what} in {remains.region}{told}.", remains.is_spot)


def _not_pulled(remains: Remains, happening: Happening) -> Loss:
    image = next((image for image in remains.images if image in happening.message), "")
    reason = f"Azure could not pull the image {image or 'of its container group'} in {remains.region}."
    return Loss(LossKind.IMAGE, remains.region, reason, remains.is_spot, image)
