"""Every error that Slipway raises on purpose.

    SlipwayError
    ├── InvalidRequest       400  the caller sent something that cannot be done; `target` names the member
    ├── Unauthenticated      401  no token, or one that does not hold
    ├── Forbidden            403  a valid caller without the role
    ├── NotFound             404  the named resource does not exist
    ├── Conflict             409  the resource's state does not allow it
    ├── PreconditionFailed   412  somebody else changed the row or the blob first
    ├── TooLarge             413  a body or an archive over its limit
    ├── Throttled            429  a limit of ours or of Azure's; `retry_after` in seconds
    ├── Unavailable          503  storage, Entra or a registry does not answer
    └── LanguageError        400  a task file, template or Dockerfile that does not hold (its run fails)

Each error is one sentence for the person who can act on it. It never carries a secret.
One place turns errors into the ARM form: `functions/_http.py`.
"""


class SlipwayError(Exception):
    """The root of the tree; `code` is the machine-readable name in an ARM error body."""

    status = 500
    code = "InternalError"

    def __init__(self, message: str, *, code: str | None = None, target: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or type(self).code
        self.target = target


class InvalidRequest(SlipwayError):
    """The request itself is wrong; sending it again unchanged cannot help."""

    status = 400
    code = "InvalidRequest"


class Unauthenticated(SlipwayError):
    """The caller did not prove who it is."""

    status = 401
    code = "InvalidAuthenticationToken"


class Forbidden(SlipwayError):
    """The caller is known but lacks the role for this operation."""

    status = 403
    code = "AuthorizationFailed"


class NotFound(SlipwayError):
    """The named resource does not exist (or the caller may not know that it does)."""

    status = 404
    code = "ResourceNotFound"


class Conflict(SlipwayError):
    """The resource exists but its state forbids the operation, or the name is taken."""

    status = 409
    code = "Conflict"


class PreconditionFailed(SlipwayError):
    """An ETag or append position no longer holds: read again, decide again."""

    status = 412
    code = "PreconditionFailed"


class TooLarge(SlipwayError):
    """A body, an archive or a file is over its limit."""

    status = 413
    code = "RequestEntityTooLarge"


class Throttled(SlipwayError):
    """A rate or quota limit; try again after `retry_after` seconds."""

    status = 429
    code = "TooManyRequests"

    def __init__(self, message: str, *, retry_after: int = 10, code: str | None = None) -> None:
        super().__init__(message, code=code)
        self.retry_after = retry_after


class Unavailable(SlipwayError):
    """A service that we depend on does not answer; the same call may succeed later."""

    status = 503
    code = "ServiceUnavailable"


class LanguageError(SlipwayError):
    """A task file, template, Dockerfile or image reference that cannot be understood."""

    status = 400
    code = "InvalidTask"
