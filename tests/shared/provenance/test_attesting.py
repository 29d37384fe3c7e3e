"""What a run pushed gets its statement, whatever others have attached to look like it. A real registry and Azurite."""

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from shared.access.signing import FileSigner
from shared.errors import InvalidRequest
from shared.grant import Image
from shared.images.client import perform
from shared.images.publishing import Artifact, Blob, attach
from shared.images.references import Reference
from shared.images.session import Session, allow_all
from shared.provenance.attesting import RUN_ANNOTATION, Attestor
from shared.provenance.envelope import ENVELOPE_TYPE, STATEMENT_TYPE, Statement, signed
from shared.provenance.slsa import PREDICATE_TYPE
from shared.provenance.verifying import verified
from shared.runs.claim import report
from tests.shared.images.local_registry import LocalRegistry, running_registry

if TYPE_CHECKING:
    from shared.runs.model import Run
    from tests.shared.runs.conftest import Hands

pytestmark = pytest.mark.slow
OURS, THEIRS = (FileSigner(ec.generate_private_key(ec.SECP256R1())) for _ in range(2))
CONFIG = Blob("application/vnd.oci.image.config.v1+json", b"{}")


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalRegistry]:
    with running_registry(tmp_path_factory.mktemp("attesting") / "run", {}, None) as running:
        yield running


class House:
    """A workshop whose registry is the real one, and a run that pushed one image."""

    def __init__(self, hands: "Hands", registry: LocalRegistry, client: httpx.Client) -> None:
        served = hands.registry.model_copy(update={"login_server": registry.name})
        values = {
            "registries": (served,),
            "public_url": "https://slipway.test",
            "builder_image": "builder:1",
            "tells_contents": False,
        }
        hands.shop = replace(hands.shop, settings=hands.shop.settings.model_copy(update=values))
        plain = frozenset({registry.name})
        self.client, self.session = client, Session(guard=allow_all, plain_http=plain)
        self.attestor = Attestor(hands.shop, OURS, client, plain)
        run = hands.submit("k1")
        grant = hands.claim(run)
        digest = registry.push("hello", "v1", run.id)["digest"]
        image = Image(registry=registry.name, repository="hello", tag="v1", digest=digest)
        report(hands.shop, hands.bearer(grant), hands.report(grant, images=[image]))
        self.run: Run = hands.get(run)
        self.name = Reference(registry.name, "hello", "v1").with_digest(digest)

    def forge(self, envelope: bytes) -> None:
        """Attach what looks like the deployment's own, as whoever may push can."""
        notes = {RUN_ANNOTATION: self.run.id, "in-toto.io/predicate-type": PREDICATE_TYPE}
        artifact = Artifact(STATEMENT_TYPE, CONFIG, (Blob(ENVELOPE_TYPE, envelope),), notes)
        perform(self.client, attach(self.session, self.name, artifact))

    def statements(self) -> list[Statement]:
        try:
            return list(verified(self.client, self.session, self.name, [OURS.public_key()]))
        except InvalidRequest:
            return []


@pytest.fixture
def house(hands: "Hands", registry: LocalRegistry) -> Iterator[House]:
    with httpx.Client(trust_env=False) as client:
        yield House(hands, registry, client)


def test_one_statement_is_made_however_often_it_is_asked_for(house: House) -> None:
    for _ in range(2):
        house.attestor.attest(house.run.registry, house.run.id)
    (said,) = house.statements()
    assert said.predicate["buildDefinition"]["internalParameters"]["run"] == house.run.id


def test_what_others_attach_takes_the_place_of_nothing(house: House) -> None:
    told = Statement(house.name.name, str(house.name.digest), PREDICATE_TYPE, {"builder": "me"})
    envelope = json.loads(signed(told, THEIRS))
    for forged in (
        signed(told, THEIRS),
        json.dumps(envelope | {"signatures": envelope["signatures"] * 20_000}).encode(),
        json.dumps(envelope | {"payload": base64.b64encode(b"[" * 100_000).decode()}).encode(),
        b'{"a":' * 100_000,
        b"",
    ):
        house.forge(forged)
    assert house.statements() == []
    house.attestor.attest(house.run.registry, house.run.id)
    assert [said.predicate["runDetails"]["builder"]["id"] for said in house.statements()] == ["https://slipway.test"]
