"""After a run has pushed: its provenance is signed and attached to each image, once.

One manifest serves both ways in which such statements are looked for: as a referrer of the image (OCI distribution 1.1)
and under the tag `sha256-<digest>.att`, where cosign looks.
"""

import json
import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import httpx

from shared.access.signing import Signer
from shared.errors import Conflict, NotFound
from shared.grant import Image
from shared.images.client import perform
from shared.images.credentials import Bearer
from shared.images.distribution import referrers
from shared.images.manifests import Descriptor
from shared.images.publishing import Artifact, Blob, attach
from shared.images.references import Reference
from shared.images.session import Session, allow_all
from shared.provenance.envelope import ENVELOPE_TYPE, STATEMENT_TYPE, Statement, signed
from shared.provenance.slsa import PREDICATE_TYPE, Origin, provenance
from shared.runs.context import Workshop
from shared.runs.model import Run
from shared.runs.sealed import open_request

KEYS_CONTAINER: Final = "signing-keys"
RUN_ANNOTATION: Final = "dev.slipway.run"
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
        served = self.shop.registry(run.registry)
        name = Reference(served.login_server, image.repository, image.tag).with_digest(str(image.digest))
        login = self.shop.issue_login(served, (), (image.repository,))
        session = Session(lambda _: Bearer(login.token or ""), guard=allow_all, plain_http=self.plain_http)
        if any((one.annotations or {}).get(RUN_ANNOTATION) == run.id for one in self._attached(session, name)):
            return
        origin = Origin(self.shop.settings.public_url, served.id, self.shop.settings.builder_image)
        predicate = provenance(run, open_request(self.shop, run), origin)
        statement = Statement(f"{name.registry}/{name.repository}", str(name.digest), PREDICATE_TYPE, predicate)
        tag = f"{str(name.digest).replace(':', '-')}.att"
        perform(self.client, attach(session, name, _artifact(run, signed(statement, self.signer)), tag=tag))
        _LOG.info("run %s: provenance attached to %s@%s", run.id, name.repository, name.digest)

    def _attached(self, session: Session, name: Reference) -> tuple[Descriptor, ...]:
        return perform(self.client, referrers(session, name, STATEMENT_TYPE))

    def _publish_key(self) -> None:
        """Keep the public half for as long as images carry its signature, also when another key signs."""
        key = self.signer.public_key()
        try:
            self.shop.storage.blobs.put(KEYS_CONTAINER, f"{key.id}.pem", key.pem.encode())
        except Conflict:
            return


def own_images(run: Run, login_server: str) -> tuple[Image, ...]:
    """Answer the images that a run pushed into its own registry, each digest of a repository once."""
    found: dict[tuple[str, str], Image] = {}
    for image in run.output_images:
        if image.registry == login_server and image.digest:
            found.setdefault((image.repository, image.digest), image)
    return tuple(found.values())


def _artifact(run: Run, envelope: bytes) -> Artifact:
    layer = Blob(ENVELOPE_TYPE, envelope, {"predicateType": PREDICATE_TYPE, "dev.cosignproject.cosign/signature": ""})
    # cosign reads an image, whose configuration lists the layers.
    config = {"architecture": "", "os": "", "config": {}, "rootfs": {"type": "layers", "diff_ids": [layer.digest]}}
    return Artifact(
        STATEMENT_TYPE,
        Blob("application/vnd.oci.image.config.v1+json", json.dumps(config).encode()),
        (layer,),
        {RUN_ANNOTATION: run.id},
    )


def public_keys(shop: Workshop) -> list[str]:
    """Answer the PEM texts of all keys that have signed for the deployment."""
    blobs = shop.storage.blobs
    names = sorted(blobs.names(KEYS_CONTAINER, "", older_than=datetime.max.replace(tzinfo=UTC)))
    return [blobs.read(KEYS_CONTAINER, name).decode() for name in names]
