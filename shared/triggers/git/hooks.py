"""Hooks: the addresses at which git hosts deliver, each with secrets of its own.

One row a hook, partition = its id. The secrets and the token of the host are sealed under the hook's id; there are
two secrets while they are being rotated. A hook that nobody uses any more is `retired`: nothing is taken from it, and
the row stays until the host has removed it too.
"""

import json
import re
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from shared.access.keys import Keys
from shared.clock import Clock
from shared.errors import NotFound
from shared.storage import Row, Table
from shared.triggers.git.events import HostKind

_KEY = "hook"
_ID = re.compile(r"[0-9a-f]{32}")
_SECRET_BYTES = 32
_REMEMBERED = 4096
_FRESH = timedelta(seconds=5)
"""How long another process may take a hook for what it was."""
_PATIENCE = timedelta(seconds=1)


@dataclass(frozen=True)
class Hook:
    """One hook: for whom it is, and by which secrets its deliveries are known."""

    id: str
    registry: str
    """The registry's storage key."""
    host: HostKind
    repository_url: str
    secrets: tuple[str, ...] = field(repr=False)
    """Oldest first."""
    remote: str = ""
    """What the host calls it; empty for one that is set up by hand."""
    token: str = field(default="", repr=False)
    """The access token by which it was made at the host, kept to remove it there."""


class HookStore:
    """Makes, changes and finds hooks."""

    def __init__(self, table: Table, keys: Keys) -> None:
        self._table = table
        self._keys = keys

    def create(self, registry: str, host: HostKind, repository_url: str) -> Hook:
        """Make a hook with a random id and a random secret."""
        hook = Hook(secrets.token_hex(16), registry, host, repository_url, (_new_secret(),))
        self._table.insert(hook.id, _KEY, self._values(hook))
        return hook

    def find(self, hook_id: str) -> Hook | None:
        """Read a hook, or None; a retired one is not found."""
        row = self._table.find(hook_id, _KEY) if _ID.fullmatch(hook_id) else None
        return self._hook(row) if row and not row.values.get("retired") else None

    def rotate(self, hook_id: str) -> Hook:
        """Add a secret beside the newest of those in use; both hold until `settle`. Raises NotFound."""
        return self._change(hook_id, lambda hook: replace(hook, secrets=(hook.secrets[-1], _new_secret())))

    def settle(self, hook_id: str) -> Hook:
        """Drop every secret but the newest: the host uses that one now. Raises NotFound."""
        return self._change(hook_id, lambda hook: replace(hook, secrets=hook.secrets[-1:]))

    def known_as(self, hook_id: str, remote: str, token: str) -> Hook:
        """Note what the host calls a hook, and the token that may change it there. Raises NotFound."""
        return self._change(hook_id, lambda hook: replace(hook, remote=remote, token=token))

    def retire(self, hook_id: str, now: datetime) -> None:
        """Take nothing from a hook any more; one that the host does not know is gone at once."""
        row = self._table.find(hook_id, _KEY) if _ID.fullmatch(hook_id) else None
        if row is None or not row.values.get("remote"):
            self.delete(hook_id)
            return
        self._table.replace(row, {**row.values, "retired": True, "since": now.isoformat()})

    def retired(self) -> Iterator[tuple[Hook, datetime]]:
        """Read the retired hooks of all registries, each with the moment since when."""
        for row in self._table.marked("0", "g", "retired"):
            yield self._hook(row), datetime.fromisoformat(str(row.values["since"]))

    def delete(self, hook_id: str) -> None:
        """Remove a hook; one that is gone already is fine."""
        self._table.delete(hook_id, _KEY)

    def _change(self, hook_id: str, step: Callable[[Hook], Hook]) -> Hook:
        row = self._table.find(hook_id, _KEY) if _ID.fullmatch(hook_id) else None
        if row is None or row.values.get("retired"):
            raise NotFound("The hook does not exist.")
        changed = step(self._hook(row))
        self._table.replace(row, self._values(changed))
        return changed

    def _values(self, hook: Hook) -> dict[str, str]:
        sealed = self._keys.seal(json.dumps(hook.secrets).encode(), _sealed_name(hook.id)).decode()
        return {
            "registry": hook.registry,
            "host": hook.host.value,
            "repository": hook.repository_url,
            "secrets": sealed,
            "remote": hook.remote,
            "token": self._keys.seal(hook.token.encode(), _token_name(hook.id)).decode() if hook.token else "",
        }

    def _hook(self, row: Row) -> Hook:
        values = row.values
        opened = self._keys.open(str(values["secrets"]).encode(), _sealed_name(row.partition))
        known = tuple(str(secret) for secret in json.loads(opened))
        host = HostKind(str(values["host"]))
        token = str(values.get("token", ""))
        return Hook(
            id=row.partition,
            registry=str(values["registry"]),
            host=host,
            repository_url=str(values["repository"]),
            secrets=known,
            remote=str(values.get("remote", "")),
            token=self._keys.open(token.encode(), _token_name(row.partition)).decode() if token else "",
        )


@dataclass(frozen=True)
class _Remembered:
    hook: Hook | None
    at: datetime


class KnownHooks:
    """Hooks as they were a moment ago, so that a delivery does not cost a read. Thread-safe.

    Hooks that do not exist are remembered too, at most 4,096 in all.
    """

    def __init__(self, store: HookStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._lock = threading.Lock()
        self._known: OrderedDict[str, _Remembered] = OrderedDict()

    def find(self, hook_id: str) -> Hook | None:
        """Answer a hook as it was at most five seconds ago, or None."""
        return self._find(hook_id, _FRESH)

    def find_again(self, hook_id: str) -> Hook | None:
        """Answer a hook as it was at most one second ago: its secrets may have changed since."""
        return self._find(hook_id, _PATIENCE)

    def _find(self, hook_id: str, age: timedelta) -> Hook | None:
        now = self._clock()
        with self._lock:
            remembered = self._known.get(hook_id)
        if remembered is None or now - remembered.at > age:
            remembered = _Remembered(self._store.find(hook_id), now)
            self._remember(hook_id, remembered)
        return remembered.hook

    def _remember(self, hook_id: str, remembered: _Remembered) -> None:
        with self._lock:
            self._known[hook_id] = remembered
            self._known.move_to_end(hook_id)
            while len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)


def _new_secret() -> str:
    return secrets.token_urlsafe(_SECRET_BYTES)


def _sealed_name(hook_id: str) -> str:
    return f"hook/{hook_id}"


def _token_name(hook_id: str) -> str:
    return f"hook/{hook_id}/token"
