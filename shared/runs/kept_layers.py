"""The layers that builds keep in registries: when a tag was last used, what it replaced, and the end of both.

Table `layers`: partition = registry, key = SHA-256 of `repository:tag`; one row for each tag that a trusted run has
read or kept. A row is a builder's word: what it leads to is deleted only if the registry says that it is kept layers.
"""

import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Final

import httpx

from shared.errors import Conflict, NotFound, PreconditionFailed, SlipwayError
from shared.grant import LayersUse, RegistryLogin
from shared.images.client import perform
from shared.images.credentials import Bearer
from shared.images.distribution import delete, get, head
from shared.images.kept import LAYER_TYPES
from shared.images.references import Reference
from shared.images.session import Session, allow_all
from shared.runs.context import Workshop
from shared.settings import RegistrySettings
from shared.storage import Row, Table

_MOST_REPLACED: Final = 400
"""Digests that a row holds; a column holds 32,768 characters."""
_LOG = logging.getLogger(__name__)

DeletingLogin = Callable[[RegistrySettings, str], RegistryLogin]
"""Answers a login that may delete in one repository of a registry."""


@dataclass(frozen=True)
class Kept:
    """A tag of kept layers: the day of its last use, and the days on which digests were replaced under it."""

    registry: str
    repository: str
    tag: str
    used: date
    replaced: Mapping[str, date]

    @property
    def key(self) -> str:
        """The row key."""
        return hashlib.sha256(f"{self.repository}:{self.tag}".encode()).hexdigest()

    def after(self, use: LayersUse, today: date) -> "Kept":
        """Answer what is known after one more use."""
        known = dict(self.replaced)
        if use.replaced and len(known) < _MOST_REPLACED:
            known[use.replaced] = today
        return replace(self, used=max(self.used, today), replaced=known)


class KeptLayers:
    """Reads and changes the rows. Thread-safe."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def note(self, registry: str, use: LayersUse, today: date) -> None:
        """Note a use. Where two come at the same moment one may be lost: the next one tells again."""
        first = Kept(registry, use.repository, use.tag, today, {}).after(use, today)
        row = self._table.find(registry, first.key)
        try:
            if row is None:
                self._table.insert(registry, first.key, _columns(first))
            elif (known := _kept(row)) != (told := known.after(use, today)):
                self._table.replace(row, _columns(told))
        except (Conflict, NotFound, PreconditionFailed):
            _LOG.info("the use of %s:%s was noted by somebody else", use.repository, use.tag)

    def all(self, registry: str) -> Iterator[tuple[Row, Kept]]:
        """Read what is known of a registry."""
        return ((row, _kept(row)) for row in self._table.query(registry, "", "~"))

    def put(self, row: Row, known: Kept) -> None:
        """Put what is known in place of a row. Raises PreconditionFailed or NotFound when it has changed."""
        self._table.replace(row, _columns(known))

    def forget(self, known: Kept) -> None:
        """Remove a row."""
        self._table.delete(known.registry, known.key)


@dataclass(frozen=True)
class LayerSweeper:
    """Deletes what nobody reads any more. `client` reaches the deployment's own registries."""

    shop: Workshop
    client: httpx.Client
    login: DeletingLogin
    plain_http: frozenset[str] = frozenset()

    def sweep(self, registry: str) -> int:
        """Delete replaced and unused layers of a registry; answer how many manifests. What fails waits for the next."""
        rows, deleted = KeptLayers(self.shop.storage.layers), 0
        for row, known in list(rows.all(registry)):
            try:
                deleted += self._settle(rows, row, known)
            except (PreconditionFailed, NotFound):
                _LOG.info("%s:%s is in use and left for the next time", known.repository, known.tag)
            except SlipwayError as error:
                _LOG.warning("old layers of %s:%s stay: %s", known.repository, known.tag, error.message)
        return deleted

    def _settle(self, rows: KeptLayers, row: Row, known: Kept) -> int:
        today, days = self.shop.clock().date(), self.shop.settings.cache_days
        is_unused = bool(days) and today - known.used > timedelta(days=days)
        # What was replaced today may still be read by a build that began before.
        old = {digest for digest, day in known.replaced.items() if day < today}
        if not old and not is_unused:
            return 0
        place = Reference(self.shop.registry(known.registry).login_server, known.repository, known.tag)
        session = self._session(known)
        current = self._current(session, place)
        doomed = old | {current} if is_unused else old - {current}
        deleted = sum(self._delete(session, place, digest) for digest in sorted(doomed - {""}))
        if is_unused:
            rows.forget(known)
        else:
            left = {digest: day for digest, day in known.replaced.items() if digest not in old}
            rows.put(row, replace(known, replaced=left))
        return deleted

    def _session(self, known: Kept) -> Session:
        login = self.login(self.shop.registry(known.registry), known.repository)
        return Session(lambda _: Bearer(login.token or ""), guard=allow_all, plain_http=self.plain_http)

    def _current(self, session: Session, place: Reference) -> str:
        try:
            return perform(self.client, head(session, place)).digest
        except NotFound:
            return ""

    def _delete(self, session: Session, place: Reference, digest: str) -> bool:
        """Delete a manifest if it is kept layers; whoever may push could have told of an image's digest."""
        name = place.with_digest(digest)
        try:
            found = perform(self.client, get(session, name))
        except NotFound:
            return False
        if found.config is None or found.config.media_type not in LAYER_TYPES:
            return False
        perform(self.client, delete(session, name))
        return True


def _columns(known: Kept) -> dict[str, str]:
    replaced = {digest: day.isoformat() for digest, day in known.replaced.items()}
    return {
        "repository": known.repository,
        "tag": known.tag,
        "used": known.used.isoformat(),
        "replaced": json.dumps(replaced),
    }


def _kept(row: Row) -> Kept:
    replaced = json.loads(str(row.values["replaced"]))
    return Kept(
        registry=row.partition,
        repository=str(row.values["repository"]),
        tag=str(row.values["tag"]),
        used=date.fromisoformat(str(row.values["used"])),
        replaced={digest: date.fromisoformat(day) for digest, day in replaced.items()},
    )
