"""Gitea, Forgejo and Gogs: GitHub's shapes under headers of their own.

Shapes: docs.gitea.com and forgejo.org, "Webhooks". Here a creation does name its commit. A `secret` in the
body, as old versions send it, proves nothing and is not looked at.
"""

from collections.abc import Sequence

from shared.triggers.git.events import Delivery, PullRequest
from shared.triggers.git.host import Headers, Verification
from shared.triggers.git.reading import digest, first, header, read_body
from shared.triggers.git.receivers.github import event_by_shape, read_event
from shared.triggers.git.signatures import by_sha256

_MAX_COMMITS = 5
"""Commits that a push names by default; versions that name their number say so beside them."""
_NAMES = ("forgejo", "gitea", "gogs", "github")


class Gitea:
    """Deliveries of Gitea, Forgejo and Gogs."""

    def verify(self, headers: Headers, body: bytes, secrets: Sequence[str]) -> Verification:
        """Judge the signature, which stands under several names with one value: every one that is there must hold."""
        names = ("x-hub-signature-256", *(f"x-{name}-signature" for name in _NAMES))
        told = [signature for name in names if (signature := header(headers, name))] or [""]
        verifications = [by_sha256(signature, body, secrets) for signature in told]
        return next((one for one in verifications if not one), verifications[0])

    def parse(self, headers: Headers, body: bytes) -> Delivery:
        """Read push, create, delete and pull_request."""
        told = read_body(headers, body)
        event = read_event(_named(headers, "event") or event_by_shape(told), told, _MAX_COMMITS)
        if isinstance(event, PullRequest):
            # No version of these hosts keeps a ref of the trial merge.
            event = event.model_copy(update={"merge_ref": ""})
        return Delivery(id=_named(headers, "delivery"), events=(event,))

    def key(self, headers: Headers, body: bytes) -> str:
        """Answer a digest of what is signed."""
        del headers
        return digest(body)


def _named(headers: Headers, what: str) -> str:
    return first(*(header(headers, f"x-{name}-{what}") for name in _NAMES))
