"""Take a delivery: known sender, understood, durable, and only then answered.

What a caller learns is the same for a hook that does not exist and for a signature that does not hold. A sender
who is known never gets an error for what it sent: hosts switch hooks off that answer errors. What may pass is
raised as Unavailable, which every host that tries again takes as such.
"""

import logging
import secrets
from dataclasses import dataclass
from enum import StrEnum

from shared.clock import Clock
from shared.errors import InvalidRequest, SlipwayError, TooLarge, Unauthenticated
from shared.metrics import Metric, count
from shared.triggers.git.announcing import Announcer
from shared.triggers.git.deliveries import REMEMBERED, Accepted, DeliveryStore
from shared.triggers.git.events import Delivery, HostKind, Ignored, Ping
from shared.triggers.git.hooks import Hook, KnownHooks
from shared.triggers.git.host import MAX_BODY, Headers, Verification
from shared.triggers.git.hosts import git_host
from shared.triggers.git.reading import digest

_NOBODY = Hook("", "", HostKind.GITHUB, "", (secrets.token_urlsafe(32),))
"""Stands in for a hook that does not exist, so that its deliveries are judged, too."""
_LOG = logging.getLogger(__name__)


class ReceiptState(StrEnum):
    """What became of a delivery."""

    ACCEPTED = "accepted"
    REPEATED = "repeated"
    IGNORED = "ignored"


@dataclass(frozen=True)
class Receipt:
    """What the sender is told."""

    state: ReceiptState
    reason: str = ""


@dataclass(frozen=True)
class Desk:
    """What deliveries are taken with; one per process."""

    hooks: KnownHooks
    deliveries: DeliveryStore
    announcer: Announcer
    clock: Clock


def receive(desk: Desk, hook_id: str, headers: Headers, body: bytes) -> Receipt:
    """Take one delivery. Raises TooLarge, Unauthenticated or Unavailable."""
    try:
        host, receipt = _receive(desk, hook_id, headers, body)
    except SlipwayError as fault:
        is_refused = isinstance(fault, TooLarge | Unauthenticated)
        count(Metric.DELIVERIES, host="", outcome="refused" if is_refused else "failed")
        raise
    count(Metric.DELIVERIES, host=host.value, outcome=receipt.state.value)
    return receipt


def _receive(desk: Desk, hook_id: str, headers: Headers, body: bytes) -> tuple[HostKind, Receipt]:
    if len(body) > MAX_BODY:
        raise TooLarge(f"The body has {len(body)} bytes; at most {MAX_BODY} are taken.")
    hook = _known_sender(desk, hook_id, headers, body)
    return hook.host, _take(desk, hook, headers, body)


def _take(desk: Desk, hook: Hook, headers: Headers, body: bytes) -> Receipt:
    receiver = git_host(hook.host)
    try:
        delivery = receiver.parse(headers, body)
    except (InvalidRequest, TooLarge) as fault:
        _LOG.warning("hook %s sent what cannot be read: %s", hook.id, fault.message)
        return Receipt(ReceiptState.IGNORED, fault.message)
    if reason := _idle(delivery):
        return Receipt(ReceiptState.IGNORED, reason)
    key = digest(hook.id, receiver.key(headers, body))
    accepted = Accepted(registry=hook.registry, hook=hook.id, key=key, at=desk.clock(), delivery=delivery)
    is_new = desk.deliveries.accept(accepted)
    if is_new:
        desk.announcer.announce(hook.registry)
    return Receipt(ReceiptState.ACCEPTED if is_new else ReceiptState.REPEATED)


def _known_sender(desk: Desk, hook_id: str, headers: Headers, body: bytes) -> Hook:
    hook = desk.hooks.find(hook_id)
    verification = _judge(desk, hook or _NOBODY, headers, body)
    if not verification:
        hook = desk.hooks.find_again(hook_id)
        verification = _judge(desk, hook or _NOBODY, headers, body)
    if hook is None or not verification:
        _LOG.info("a delivery for hook %.40r is refused: %s", hook_id, verification.reason)
        raise Unauthenticated("The delivery does not prove that it comes from the host of this hook.")
    return hook


def _judge(desk: Desk, hook: Hook, headers: Headers, body: bytes) -> Verification:
    verification = git_host(hook.host).verify(headers, body, hook.secrets)
    if verification and verification.signed_at and abs(desk.clock() - verification.signed_at) > REMEMBERED:
        return Verification("it was signed longer ago than deliveries are remembered")
    return verification


def _idle(delivery: Delivery) -> str:
    """Answer why nothing follows from any of the events, or an empty text."""
    for event in delivery.events:
        if not isinstance(event, Ping | Ignored):
            return ""
    ignored = next((event.reason for event in delivery.events if isinstance(event, Ignored)), "")
    return ignored or "The host only tried the hook."
