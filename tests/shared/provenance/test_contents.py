"""What a builder may tell of images: its own run's, once, for a minute after the end."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import cast

import pytest

from shared.access.builder_tokens import Bearer
from shared.errors import Conflict, Forbidden, NotFound, TooLarge
from shared.grant import Contents, Image, Package, PackageKind
from shared.provenance.contents import keep_contents, read_contents
from shared.runs.context import Workshop
from shared.runs.finish import LINGERING
from shared.runs.holding import Superseded
from shared.runs.model import Requester, Run, Status

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
FIRST, SECOND, FOREIGN = (f"sha256:{letter * 64}" for letter in "abc")
BEARER = Bearer("reg", "group", "c0000001", 1)


def image(digest: str, repository: str = "app", registry: str = "reg.example") -> Image:
    return Image(registry=registry, repository=repository, tag="1", digest=digest)


RUN = Run(
    id="c0000001",
    registry="reg",
    status=Status.SUCCEEDED,
    created=NOW,
    updated=NOW,
    finished=NOW,
    timeout_seconds=60,
    requester=Requester(name="ada", kind="User"),
    group="group",
    epoch=1,
    tells_contents=True,
    output_images=(image(FIRST),),
)


@dataclass
class Shop:
    """The parts of the workshop that are used here, in memory."""

    run: Run = RUN
    now: datetime = NOW + timedelta(seconds=2)
    blobs: dict[str, bytes] = field(default_factory=dict)
    sent: list[dict[str, str]] = field(default_factory=list)

    def tell(self, digest: str = FIRST, repository: str = "app", bearer: Bearer = BEARER, **fields: object) -> None:
        told = Contents.model_validate({"repository": repository, "digest": digest, **fields})
        keep_contents(self.workshop(), bearer, told)

    def workshop(self) -> Workshop:
        blobs = SimpleNamespace(put=self._put, exists=lambda _, name: name in self.blobs, read=self._read)
        parts = SimpleNamespace(
            store=SimpleNamespace(get=self._get),
            storage=SimpleNamespace(blobs=blobs, provenance=SimpleNamespace(send=self.sent.append)),
            clock=lambda: self.now,
            registry=lambda _: SimpleNamespace(login_server="reg.example"),
        )
        return cast("Workshop", parts)

    def _get(self, registry: str, run_id: str) -> Run:
        if (registry, run_id) != (self.run.registry, self.run.id):
            raise NotFound("There is no such run.")
        return self.run

    def _put(self, _: str, name: str, data: bytes) -> None:
        if name in self.blobs:
            raise Conflict("It is there.")
        self.blobs[name] = data

    def _read(self, _: str, name: str) -> bytes:
        if name not in self.blobs:
            raise NotFound("There is no such blob.")
        return self.blobs[name]


def test_what_is_told_is_kept_and_sent_on_once() -> None:
    shop = Shop()
    shop.tell(lacks="first")
    shop.tell(lacks="second")
    kept = read_contents(shop.workshop(), RUN, image(FIRST))
    assert kept is not None
    assert kept.lacks == "first"
    assert shop.sent == [{"run": RUN.id, "registry": "reg", "attempt": "1"}]


def test_several_images_are_sent_on_together() -> None:
    shop = Shop(RUN.model_copy(update={"output_images": (image(FIRST), image(SECOND), image(FIRST, "again"))}))
    shop.tell(FIRST)
    assert shop.sent == []
    shop.tell(SECOND)
    assert len(shop.sent) == 1
    kept = read_contents(shop.workshop(), shop.run, image(FIRST, "again"))
    assert kept is not None
    assert kept.repository == "again"


@pytest.mark.parametrize(
    ("digest", "repository", "images"),
    [
        (FOREIGN, "app", (image(FIRST),)),
        (FIRST, "other", (image(FIRST),)),
        (FIRST, "app", (image(FIRST, registry="elsewhere.example"),)),
        (FIRST, "app", ()),
    ],
)
def test_an_image_that_the_run_did_not_publish_is_refused(
    digest: str, repository: str, images: tuple[Image, ...]
) -> None:
    shop = Shop(RUN.model_copy(update={"output_images": images}))
    with pytest.raises(Forbidden, match="has not published"):
        shop.tell(digest, repository)
    assert (shop.blobs, shop.sent) == ({}, [])


def test_nothing_is_said_of_what_strangers_wrote() -> None:
    with pytest.raises(Forbidden):
        Shop(RUN.model_copy(update={"is_untrusted": True})).tell()


@pytest.mark.parametrize(
    "changed",
    [
        {"tells_contents": False},
        {"finished": NOW - LINGERING},
        {"status": Status.RUNNING, "finished": None},
        {"epoch": 2},
        {"group": "another"},
        {"id": "c0000002"},
    ],
)
def test_it_is_refused_when_nobody_waits_for_it(changed: dict[str, object]) -> None:
    shop = Shop(RUN.model_copy(update=changed))
    with pytest.raises(Superseded):
        shop.tell()
    assert (shop.blobs, shop.sent) == ({}, [])


def test_a_bill_that_nobody_could_read_back_is_refused() -> None:
    packages = [Package(kind=PackageKind.NODE, name=f"{'n' * 200}{n}", version="1" * 200) for n in range(4000)]
    with pytest.raises(TooLarge):
        Shop().tell(packages=packages)
