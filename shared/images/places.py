"""Where an image lies, what a token must allow to reach it, and how errors call it."""

from http import HTTPStatus

from shared.images.exchange import Response, failure
from shared.images.references import Reference
from shared.images.session import Session


def repository_url(session: Session, reference: Reference) -> str:
    """Return the address of the reference's repository, without a slash at its end."""
    return f"{session.base(reference.registry)}/v2/{reference.repository}"


def scope(reference: Reference, action: str) -> str:
    """Return what a token must allow, as Docker's token specification writes it."""
    return f"repository:{reference.repository}:{action}"


def subject(reference: Reference) -> str:
    """Return how an error calls the image."""
    return f"Image '{reference.familiar}' of registry '{reference.registry}'"


def expect(response: Response, reference: Reference, status: HTTPStatus = HTTPStatus.OK) -> None:
    """Raise what any other status than the expected one stands for."""
    if response.status != status:
        raise failure(response, subject(reference))
