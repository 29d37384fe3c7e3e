"""Plain objects in the place of the worker protocol's protobuf messages.

`azure_functions_runtime` builds and reads messages through whatever module it is handed as `protos`. This
one has the messages and members that it touches, without gRPC or protobuf. Checked with 1.0.0 to 1.3.0.
"""

import builtins
from typing import ClassVar


class _Message:
    def __init__(self, **members: object) -> None:
        self.__dict__.update(members)

    def WhichOneof(self, _group: str) -> str | None:  # noqa: N802 - protobuf's name
        """Return the member that is set, of those messages that hold exactly one."""
        return next(iter(self.__dict__), None)


class NullableString(_Message):
    """A string that may be absent."""

    value: str


class NullableBool(_Message):
    """A boolean that may be absent."""

    value: bool


class NullableDouble(_Message):
    """A number that may be absent."""

    value: float


class Timestamp(_Message):
    """A point in time, whole seconds since 1970."""

    seconds: int


class NullableTimestamp(_Message):
    """A point in time that may be absent."""

    value: Timestamp


class TypedData(_Message):
    """One value: exactly one member is given."""

    string: str
    bytes: builtins.bytes
    json: str
    int: builtins.int
    double: float
    http: "RpcHttp"


class RpcHttpCookie(_Message):
    """One Set-Cookie of a response."""

    class SameSite:
        """The values of the SameSite attribute; `None` is "not given"."""

        Lax = "lax"
        Strict = "strict"
        ExplicitNone = "none"

    setattr(SameSite, "None", "")

    name: str
    value: str
    domain: NullableString | None
    path: NullableString | None
    expires: NullableTimestamp | None
    secure: NullableBool | None
    http_only: NullableBool | None
    same_site: str
    max_age: NullableDouble | None


class RpcHttp(_Message):
    """A request on its way in, or a response on its way out."""

    method: str
    url: str
    headers: dict[str, str]
    query: dict[str, str]
    params: dict[str, str]
    body: TypedData
    status_code: str
    cookies: list[RpcHttpCookie] | None


class ParameterBinding(_Message):
    """One argument of an invocation."""

    name: str
    data: TypedData

    def WhichOneof(self, _group: str) -> str:  # noqa: N802 - protobuf's name
        """Name the member: arguments never come through shared memory here."""
        return "data"


class BindingInfo(_Message):
    """Kind and direction of a binding."""

    inout: ClassVar[int] = 2
    out: ClassVar[int] = 1
    undefined: ClassVar[int] = 0


class RpcException(_Message):
    """An exception raised in the worker."""

    message: str
    stack_trace: str


class StatusResult(_Message):
    """Whether a request to the worker succeeded."""

    Failure: ClassVar[int] = 0
    Success: ClassVar[int] = 1
    Cancelled: ClassVar[int] = 2

    status: int
    exception: RpcException


class RpcFunctionMetadata(_Message):
    """An indexed function."""

    name: str
    function_id: str
    raw_bindings: list[str]
    retry_options: "RpcRetryOptions | None"


class InvocationResponse(_Message):
    """How one invocation ended."""

    result: StatusResult
    return_value: TypedData | None


class WorkerInitResponse(_Message):
    """Whether the app could be indexed."""

    result: StatusResult


class FunctionMetadataResponse(_Message):
    """All functions of the app."""

    function_metadata_results: list[RpcFunctionMetadata] | None


class WorkerMetadata(_Message):
    """The worker's own version facts."""


class FunctionLoadResponse(_Message):
    """Whether one function could be loaded."""


class RpcRetryOptions(_Message):
    """A function's retry policy, which this host does not apply."""
