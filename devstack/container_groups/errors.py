"""Every error that a caller of this service can get.

    ArmError
    ├── BadRequest         400  `code` says what about the body
    ├── Unauthenticated    401  no token, or one that does not hold
    ├── NotFound           404  no such container group, container, operation or address
    ├── QuotaReached       409  more groups or cores than the limit in force
    ├── NotEvictable       409  the group has no Spot priority
    ├── NoRoom             409  the region has none for now
    ├── Throttled          429  more creations than the limit in force; `retry_after` in seconds
    └── Unavailable        503  the issuer of the callers' tokens does not answer

`app` turns them into the error form of Azure Resource Manager.
"""


class ArmError(Exception):
    """The root of the tree: one sentence, and the machine-readable code of Azure Resource Manager."""

    status = 500
    code = "InternalServerError"

    def __init__(self, message: str, *, code: str | None = None, target: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or type(self).code
        self.target = target


class BadRequest(ArmError):
    """The body cannot become a container group."""

    status = 400
    code = "InvalidRequest"


class Unauthenticated(ArmError):
    """The caller did not prove who it is."""

    status = 401
    code = "InvalidAuthenticationToken"


class NotFound(ArmError):
    """Nothing has this name."""

    status = 404
    code = "ResourceNotFound"


class QuotaReached(ArmError):
    """The subscription holds as much as it may."""

    status = 409
    code = "ContainerGroupQuotaReached"


class NotEvictable(ArmError):
    """Azure takes nobody's regular group away."""

    status = 409
    code = "NotSpot"


class NoRoom(ArmError):
    """The region cannot hold the group at this moment; another one may."""

    status = 409
    code = "ServiceUnavailable"


class Throttled(ArmError):
    """Too many requests in the window; try again after `retry_after` seconds."""

    status = 429
    code = "TooManyRequests"

    def __init__(self, message: str, *, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Unavailable(ArmError):
    """Something that this service needs does not answer; the same call may succeed later."""

    status = 503
    code = "ServiceUnavailable"
