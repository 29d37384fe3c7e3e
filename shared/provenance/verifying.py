"""What anybody can check of an image: statements that are attached to it and signed by a key that is known."""

from collections.abc import Iterable, Iterator, Sequence

import httpx

from shared.access.signing import PublicKey
from shared.errors import InvalidRequest, SlipwayError
from shared.images.client import perform
from shared.images.distribution import MANIFEST_LIMIT, blob, get, head, referrers
from shared.images.manifests import Descriptor
from shared.images.references import Reference
from shared.images.session import Session
from shared.provenance.envelope import ENVELOPE_TYPE, STATEMENT_TYPE, Statement, opened

_MOST_LOOKED_AT, _MOST_LAYERS = 100, 4


def verified(
    client: httpx.Client, session: Session, image: Reference, keys: Sequence[PublicKey]
) -> tuple[Statement, ...]:
    """Answer the statements of the image that one of the keys has signed; anything else attached does not count.

    Raises InvalidRequest when there is none, with the reason why each that was found does not count.
    """
    digest = image.digest or perform(client, head(session, image)).digest
    named = image.with_digest(digest)
    entries = perform(client, referrers(session, named, STATEMENT_TYPE))[-_MOST_LOOKED_AT:]
    found, refused = _sorted(_envelopes(client, session, named, entries), digest, keys)
    if not found:
        raise InvalidRequest(" ".join([f"{image.familiar} has no statement by a known key.", *refused]))
    return found


def signed_ones(
    client: httpx.Client, session: Session, image: Reference, entries: Sequence[Descriptor], keys: Sequence[PublicKey]
) -> tuple[Statement, ...]:
    """Answer those of the entries attached to the reference's digest that one of the keys has signed."""
    envelopes = _envelopes(client, session, image, entries[-_MOST_LOOKED_AT:])
    return _sorted(envelopes, str(image.digest), keys)[0]


def _sorted(
    envelopes: Iterable[bytes], digest: str, keys: Sequence[PublicKey]
) -> tuple[tuple[Statement, ...], list[str]]:
    """Answer the statements that count, and why the others do not."""
    found, refused = [], []
    for envelope in envelopes:
        try:
            found.append(_statement(envelope, digest, keys))
        except InvalidRequest as error:
            refused.append(error.message)
    return tuple(found), refused


def _envelopes(
    client: httpx.Client, session: Session, image: Reference, entries: Iterable[Descriptor]
) -> Iterator[bytes]:
    for entry in entries:
        try:
            manifest = perform(client, get(session, image.with_digest(entry.digest)))
            for layer in manifest.layers[:_MOST_LAYERS]:
                if layer.media_type == ENVELOPE_TYPE:
                    yield perform(client, blob(session, image, layer.digest, MANIFEST_LIMIT))
        except SlipwayError:
            continue  # anybody who may push may attach rubbish


def _statement(envelope: bytes, digest: str, keys: Sequence[PublicKey]) -> Statement:
    refusal = InvalidRequest("There is no key to check with.")
    for key in keys:
        try:
            statement = opened(envelope, key)
        except InvalidRequest as error:
            refusal = error
            continue
        if statement.digest != digest:
            raise InvalidRequest("A signed statement is attached that is about another image.")
        return statement
    raise refusal
