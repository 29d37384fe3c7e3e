"""One translation of the SDKs' exceptions into ours."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus

from azure.core.exceptions import (
    AzureError,
    HttpResponseError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
)

from shared.errors import Conflict, NotFound, PreconditionFailed, SlipwayError, TooLarge, Unavailable

_BY_STATUS: dict[int, type[SlipwayError]] = {
    404: NotFound,
    409: Conflict,
    412: PreconditionFailed,
    413: TooLarge,
}


@contextmanager
def storage_faults(what: str) -> Iterator[None]:
    """Raise our errors for the SDK's; `what` names the row, blob or message that was meant."""
    try:
        yield
    except ResourceNotFoundError:
        raise NotFound(f"{what} does not exist.") from None
    except ResourceExistsError:
        raise Conflict(f"{what} exists already.") from None
    except ResourceModifiedError:
        raise PreconditionFailed(f"{what} was changed by somebody else.") from None
    except HttpResponseError as error:
        kind = TooLarge if _is_too_large(error) else _BY_STATUS.get(error.status_code or 0, Unavailable)
        raise kind(f"{what}: storage answered {error.status_code} {_code(error)}.") from None
    except AzureError as error:
        raise Unavailable(f"{what}: storage does not answer ({type(error).__name__}).") from None


def _is_too_large(error: HttpResponseError) -> bool:
    """Whether no row takes it: `PropertyValueTooLarge` and `EntityTooLarge` come as 400, at times as text alone."""
    return (
        error.status_code == HTTPStatus.BAD_REQUEST and re.search("too_?large", str(error), re.IGNORECASE) is not None
    )


def _code(error: HttpResponseError) -> str:
    return str(getattr(error, "error_code", "") or error.reason or "")


def create_once(create: Callable[[], object], what: str) -> None:
    """Create a table, queue or container; one that exists already is fine."""
    with storage_faults(what):
        try:
            create()
        except ResourceExistsError:
            return
