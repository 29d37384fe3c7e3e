"""How one event is told: to a webhook, signed, or to a topic of Event Grid.

Sources: CloudEvents 1.0, its JSON format and its HTTP web hooks (the handshake by `OPTIONS`); Azure Event Grid's
published SDK (`azure-eventgrid`): path, version, headers of topics and of topics in a namespace, token audience.
"""

import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Final

import httpx
from azure.core.exceptions import AzureError

from shared.access.vaults import Vault
from shared.clock import Clock
from shared.errors import SlipwayError
from shared.identity import app_identity
from shared.notifications.events import BATCH_TYPE, CONTENT_TYPE
from shared.settings import Receiver, ReceiverKind, Settings

_GRID_SCOPE: Final = "https://eventgrid.azure.net/.default"
_GRID_VERSION: Final = "2018-01-01"
_NAMESPACE_VERSION: Final = "2024-06-01"
_CONSENT: Final = timedelta(hours=24)
_SECRET_LIFE: Final = timedelta(minutes=5)
_TIMEOUT: Final = httpx.Timeout(10.0, connect=5.0)
_PASSING: Final = frozenset({408, 409, 425, 429})
_DENIALS: Final = frozenset({401, 403})
"""These pass where a key is proven: keys are changed, and a new role takes minutes to hold."""
_LONGEST_WAIT: Final = timedelta(hours=1)


class Result(StrEnum):
    """How a receiver took an event."""

    TAKEN = "taken"
    LATER = "later"
    NEVER = "never"


@dataclass(frozen=True)
class Answer:
    """What came of one attempt; `text` says it without the address, `wait` is how long the receiver asks for."""

    result: Result
    text: str
    wait: timedelta = timedelta(0)


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """Answer the HMAC of `timestamp`, a dot and the body in hex, with its algorithm in front."""
    return f"sha256={hmac.new(secret.encode(), timestamp.encode() + b'.' + body, hashlib.sha256).hexdigest()}"


@dataclass
class Courier:
    """Tells receivers, through the guarded way out. Thread-safe; keeps consents for a day and secrets for minutes.

    `grid_token` answers the app's token for Event Grid.
    """

    client: httpx.Client
    vault: Vault
    origin: str
    """The host name of this deployment, by which a webhook consents."""
    clock: Clock
    grid_token: Callable[[], str]
    _consents: dict[str, datetime] = field(default_factory=dict)
    _secrets: dict[str, tuple[datetime, str]] = field(default_factory=dict)

    def tell(self, receiver: Receiver, event: bytes) -> Answer:
        """Send one event. Raises nothing: whatever goes wrong is an answer, which holds no address and no secret."""
        try:
            if not self._has_consent(receiver):
                return Answer(Result.LATER, "the receiver does not consent to events of this deployment")
            return self._told(receiver, event)
        except httpx.ConnectError as fault:  # its text names a host at most, or says why that is not called
            return Answer(Result.LATER, f"no answer (ConnectError: {fault})")
        except (httpx.HTTPError, httpx.InvalidURL) as fault:
            return Answer(Result.LATER, f"no answer ({type(fault).__name__})")
        except AzureError as fault:
            return Answer(Result.LATER, f"the app has no token for Event Grid ({type(fault).__name__})")
        except SlipwayError as fault:
            return Answer(Result.LATER, fault.message)

    def _told(self, receiver: Receiver, event: bytes) -> Answer:
        headers, body = self._message(receiver, event)
        status, told = self._send("POST", receiver, headers, body)
        is_proven = receiver.kind is ReceiverKind.EVENT_GRID or receiver.secret is not None
        if status in _DENIALS and is_proven:
            self._secrets.pop(receiver.secret or "", None)
            return Answer(Result.LATER, f"HTTP {status}")
        return _read(status, told, self.clock())

    def _message(self, receiver: Receiver, event: bytes) -> tuple[dict[str, str], bytes]:
        secret = self._secret(receiver)
        if receiver.kind is ReceiverKind.EVENT_GRID:
            return {"Content-Type": BATCH_TYPE, **self._grid_key(receiver, secret)}, b"[" + event + b"]"
        headers = {"Content-Type": CONTENT_TYPE}
        if secret:
            timestamp = str(int(self.clock().timestamp()))
            headers["X-Slipway-Timestamp"] = timestamp
            headers["X-Slipway-Signature"] = signature(secret, timestamp, event)
        return headers, event

    def _grid_key(self, receiver: Receiver, secret: str) -> dict[str, str]:
        if not secret:
            return {"Authorization": f"Bearer {self.grid_token()}"}
        return {"Authorization": f"SharedAccessKey {secret}"} if _is_in_namespace(receiver) else {"aeg-sas-key": secret}

    def _secret(self, receiver: Receiver) -> str:
        if receiver.secret is None:
            return ""
        known = self._secrets.get(receiver.secret)
        if known is None or known[0] < self.clock():
            known = (self.clock() + _SECRET_LIFE, self.vault.read(receiver.secret, ""))
            self._secrets[receiver.secret] = known
        return known[1]

    def _has_consent(self, receiver: Receiver) -> bool:
        if receiver.kind is ReceiverKind.EVENT_GRID or not receiver.handshake:
            return True
        if self._consents.get(receiver.url, self.clock()) > self.clock():
            return True
        status, headers = self._send("OPTIONS", receiver, {"WebHook-Request-Origin": self.origin}, b"")
        allowed = headers.get("WebHook-Allowed-Origin", "")
        if not httpx.codes.is_success(status) or allowed not in ("*", self.origin):
            return False
        self._consents[receiver.url] = self.clock() + _CONSENT
        return True

    def _send(
        self, method: str, receiver: Receiver, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, httpx.Headers]:
        """Answer status and headers; what else a receiver says is not read."""
        with self.client.stream(method, _address(receiver), content=body, headers=headers, timeout=_TIMEOUT) as answer:
            return answer.status_code, answer.headers


def _address(receiver: Receiver) -> httpx.URL:
    """Answer where a receiver is called: Azure shows a topic's endpoint without the version that it asks for."""
    url = httpx.URL(receiver.url)
    if receiver.kind is ReceiverKind.EVENT_GRID and "api-version" not in url.params:
        version = _NAMESPACE_VERSION if _is_in_namespace(receiver) else _GRID_VERSION
        return url.copy_merge_params({"api-version": version})
    return url


def _is_in_namespace(receiver: Receiver) -> bool:
    """Whether a topic lies in a namespace of Event Grid: `/topics/<name>:publish` rather than `/api/events`."""
    return httpx.URL(receiver.url).path.endswith(":publish")


def _read(status: int, headers: httpx.Headers, now: datetime) -> Answer:
    text = f"HTTP {status}"
    if httpx.codes.is_success(status):
        return Answer(Result.TAKEN, text)
    if httpx.codes.is_server_error(status) or status in _PASSING:
        return Answer(Result.LATER, text, _wait(headers.get("Retry-After", ""), now))
    return Answer(Result.NEVER, text)


def _wait(text: str, now: datetime) -> timedelta:
    """Read `Retry-After`: seconds or a date; an hour at most."""
    try:
        wait = timedelta(seconds=int(text[:9])) if text.isdecimal() else parsedate_to_datetime(text) - now
    except (ValueError, TypeError):
        return timedelta(0)
    return min(max(wait, timedelta(0)), _LONGEST_WAIT)


def open_courier(settings: Settings, client: httpx.Client, vault: Vault, clock: Clock) -> Courier:
    """Make the courier of a deployment."""
    origin = httpx.URL(settings.public_url).host
    return Courier(client, vault, origin, clock, lambda: app_identity(settings).get_token(_GRID_SCOPE).token)
