"""Registries as a watch asks them: our own with the app's identity, others as the task that stands on them would."""

import threading
from datetime import UTC, datetime, timedelta

import httpx

from shared.access.outbound import allowed
from shared.errors import NotFound
from shared.images.client import perform
from shared.images.credentials import Basic, Bearer, Credential
from shared.images.distribution import get, head_if_changed
from shared.images.exchange import Exchange
from shared.images.manifests import Manifest
from shared.images.session import Session
from shared.runs.context import Workshop
from shared.runs.given_logins import read_login
from shared.triggers.base_images.model import BaseTag, Found

_MARGIN = timedelta(seconds=60)
_SHORT = timedelta(minutes=2)
_MOST_KEPT = 2000


class Registries:
    """The lookout over real registries. Thread-safe."""

    def __init__(self, shop: Workshop, client: httpx.Client) -> None:
        self._shop = shop
        self._client = client
        self._guard = allowed(shop.settings).check_url
        self._anonymous = Session(guard=self._guard)
        self._own = {one.login_server: one for one in shop.settings.registries}
        self._tokens: dict[tuple[str, str], tuple[datetime, Bearer]] = {}
        self._lock = threading.Lock()

    def look(self, tag: BaseTag, known: str, login: str) -> Found | None:
        """Answer what the tag stands for, after one HEAD; None when that still is `known`."""
        session = self._session(tag, login)
        now = self._perform(head_if_changed(session, tag.reference, known))
        if now is None:
            return None
        if not now.is_index:
            return Found(now.digest)
        return _found(self._perform(get(session, tag.reference.with_digest(now.digest))))

    def read(self, tag: BaseTag, digest: str, login: str) -> Found:
        """Answer what a digest of the tag's repository holds."""
        return _found(self._perform(get(self._session(tag, login), tag.reference.with_digest(digest))))

    def _perform[T](self, operation: Exchange[T]) -> T:
        return perform(self._client, operation)

    def _session(self, tag: BaseTag, login: str) -> Session:
        credential = self._credential(tag, login)
        return Session(lambda _: credential, guard=self._guard) if credential else self._anonymous

    def _credential(self, tag: BaseTag, login: str) -> Credential | None:
        if tag.registry in self._own:
            return self._token(tag)
        return self._password(tag.registry, login) if login else None

    def _token(self, tag: BaseTag) -> Bearer | None:
        place = (tag.registry, tag.repository)
        known = self._tokens.get(place)
        if known and known[0] > datetime.now(UTC):
            return known[1]
        issued = self._shop.issue_login(self._own[tag.registry], (tag.repository,), ())
        bearer = Bearer(issued.token or "")
        until = issued.expires - _MARGIN if issued.expires else datetime.now(UTC) + _SHORT
        with self._lock:
            if len(self._tokens) >= _MOST_KEPT:
                self._tokens.clear()
            self._tokens[place] = (until, bearer)
        return bearer

    def _password(self, host: str, login: str) -> Credential | None:
        registry, _, task = login.partition("|")
        try:
            properties = self._shop.tasks.read(registry, task).full.properties
        except NotFound:
            return None
        given = properties.credentials.custom_registries.get(host)
        found = read_login(self._shop, host, given) if given else None
        return Basic(found.username or "", found.password or "") if found else None


def _found(manifest: Manifest) -> Found:
    images: dict[str, str] = {}
    for entry in manifest.entries:
        if entry.platform is not None:
            images.setdefault(str(entry.platform), entry.digest)
    return Found(manifest.digest, images)
