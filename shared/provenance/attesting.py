"""After a run has pushed: its provenance, and what its builder says they hold, is signed and attached to each image.

Each is attached once. The provenance's manifest serves both ways in which such statements are looked for: as a referrer
of the image (OCI distribution 1.1) and under the tag `sha256-<digest>.att`, where cosign looks.
"""

import json
import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import httpx

from shared.access.signing import Signer, read_public_key
from shared.errors import Conflict, NotFound
from shared.grant import Image
from shared.images.client import perform
from shared.images.credentials import Bearer
from shared.images.distribution import referrers
from shared.images.manifests import Descriptor
from shared.images.publishing import Artifact, Blob, attach
from shared.images.references import Reference
from shared.images.session import Session, allow_all
from shared.provenance import cyclonedx
from shared.provenance.contents import own_images, read_contents
from shared.provenance.envelope import ENVELOPE_TYPE, STATEMENT_TYPE, Statement, signed
from shared.provenance.slsa import PREDICATE_TYPE, Origin, provenance
from shared.provenance.verifying import signed_ones
from shared.runs.context import Workshop
from shared.runs.model import Run
from shared.runs.sealed import open_request

KEYS_CONTAINER: Final = "signing-keys"
RUN_ANNOTATION: Final = "dev.slipway.run"
_KIND_ANNOTATION: Final = "in-toto.io/predicate-type"
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Attestor:
    """Signs and attaches. `client` reaches the deployment's own registries; `plain_http` as for `Session`."""

    shop: Workshop
    signer: Signer
    client: httpx.Client
    plain_http: frozenset[str] = frozenset()

    def attest(self, registry: str, run_id: str) -> tuple[str, ...]:
        """Attach the provenance of a run to what it pushed into its own registry; answer the digests.

        Calling again adds nothing. Raises Unavailable when the registry or the key cannot be used now.
        """
        try:
            run = self.shop.store.get(registry, run_id)
        except NotFound:
            return ()
        pushed = own_images(run, self.shop.registry(registry).login_server)
        if not pushed or run.is_untrusted:
            return ()
        self._publish_key()
        for image in pushed:
            self._attest(run, image)
        return tuple(str(image.digest) for image in pushed)

    def _attest(self, run: Run, image: Image) -> None:
        """Attach each statement that the image does not carry yet."""
        served = self.shop.registry(run.registry)
        name = Reference(served.login_server, image.repository, image.tag).with_digest(str(image.digest))
        login = self.shop.issue_login(served, (), (image.repository,))
        session = Session(lambda _: Bearer(login.token or ""), guard=allow_all, plain_http=self.plain_http)
        carried = self._carried(session, name, run)
        subject = (f"{name.registry}/{name.repository}", str(name.digest))
        if PREDICATE_TYPE not in carried:
            origin = Origin(self.shop.settings.public_url, served.id, self.shop.settings.builder_image)
            predicate = provenance(run, open_request(self.shop, run), origin)
            tag = f"{str(name.digest).replace(':', '-')}.att"
            self._put(session, name, run, Statement(*subject, PREDICATE_TYPE, predicate), tag)
        if cyclonedx.PREDICATE_TYPE not in carried and (told := read_contents(self.shop, run, image)):
            bill = Statement(*subject, cyclonedx.PREDICATE_TYPE, cyclonedx.bill_of_materials(run, told))
            self._put(session, name, run, bill)

    def _put(self, session: Session, name: Reference, run: Run, said: Statement, tag: str | None = None) -> None:
        artifact = _artifact(run, said.predicate_type, signed(said, self.signer))
        perform(self.client, attach(session, name, artifact, tag=tag))
        _LOG.info("run %s: %s attached to %s@%s", run.id, said.predicate_type, name.repository, name.digest)

    def _carried(self, session: Session, name: Reference, run: Run) -> set[str]:
        """Answer what the image says of this run already.

        Whoever may push may attach what looks like it, so only what the deployment has signed counts.
        """
        found = perform(self.client, referrers(session, name, STATEMENT_TYPE))
        entries = [one for one in found if _run(one) == run.id]
        keys = [read_public_key(pem.encode()) for pem in public_keys(self.shop)] if entries else []
        return {one.predicate_type for one in signed_ones(self.client, session, name, entries, keys)}

    def _publish_key(self) -> None:
        """Keep the public half for as long as images carry its signature, also when another key signs."""
        key = self.signer.public_key()
        try:
            self.shop.storage.blobs.put(KEYS_CONTAINER, f"{key.id}.pem", key.pem.encode())
        except Conflict:
            return


def _run(attached: Descriptor) -> str | None:
    return (attached.annotations or {}).get(RUN_ANNOTATION)


def _artifact(run: Run, kind: str, envelope: bytes) -> Artifact:
    layer = Blob(ENVELOPE_TYPE, envelope, {"predicateType": kind, "dev.cosignproject.cosign/signature": ""})
    # cosign reads an image, whose configuration lists the layers.
    config = {"architecture": "", "os": "", "config": {}, "rootfs": {"type": "layers", "diff_ids": [layer.digest]}}
    return Artifact(
        STATEMENT_TYPE,
        Blob("application/vnd.oci.image.config.v1+json", json.dumps(config).encode()),
        (layer,),
        {RUN_ANNOTATION: run.id, _KIND_ANNOTATION: kind},
    )


def public_keys(shop: Workshop) -> list[str]:
    """Answer the PEM texts of all keys that have signed for the deployment."""
    blobs = shop.storage.blobs
    names = sorted(blobs.names(KEYS_CONTAINER, "", older_than=datetime.max.replace(tzinfo=UTC)))
    return [blobs.read(KEYS_CONTAINER, name).decode() for name in names]
