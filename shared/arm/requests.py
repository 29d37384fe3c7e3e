"""Run requests as az sends them, read and judged.

Platform names arrive in any case; unknown members are ignored; every refusal names the member in `target`.
Source: the published swagger of 2019-06-01-preview and 2025-03-01-preview, and az 2.91 on the wire.
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Annotated, Any, Literal, NoReturn, cast

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic.alias_generators import to_camel

from shared.errors import InvalidRequest

MIN_TIMEOUT, MAX_TIMEOUT, DEFAULT_TIMEOUT = 300, 28_800, 3_600
"""Seconds that a run may take; limits of the published API."""
_MAX_ITEMS = 100

_OS = {"linux": "linux", "windows": "windows"}
_ARCHITECTURE = {
    "amd64": "amd64", "x86_64": "amd64", "arm": "arm", "arm64": "arm64", "386": "386", "x86": "386",
}  # fmt: skip
_VARIANTS = {"v6": "arm", "v7": "arm", "v8": "arm64"}


def _encoded(text: str) -> str:
    try:
        _decode(text)
    except (binascii.Error, UnicodeDecodeError):
        raise ValueError("must be UTF-8 text in base64") from None
    return text


def _decode(text: str) -> str:
    return base64.b64decode(text, validate=True).decode()


class _Request(BaseModel):
    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        frozen=True,
        extra="ignore",
        hide_input_in_errors=True,
    )


class Argument(_Request):
    """A build argument or template value; `is_secret` ones never come back in an answer."""

    name: str = Field(min_length=1, max_length=255)
    value: str = Field(default="", max_length=64 * 1024, repr=False)
    is_secret: bool = False


class RequestedPlatform(_Request):
    """The platform to build for, in Go's names."""

    os: str = "linux"
    architecture: str = "amd64"
    variant: str | None = None

    @field_validator("os", mode="before")
    @classmethod
    def _os(cls, value: object) -> object:
        return _known(value, _OS, "linux")

    @field_validator("architecture", mode="before")
    @classmethod
    def _architecture(cls, value: object) -> object:
        return _known(value, _ARCHITECTURE, "amd64")

    @field_validator("variant", mode="before")
    @classmethod
    def _variant(cls, value: object) -> object:
        return _known(value, {name: name for name in _VARIANTS}, None)


def _known(value: object, names: Mapping[str, str], default: str | None) -> object:
    if value is None:
        return default
    if not isinstance(value, str) or value.lower() not in names:
        raise ValueError(f"must be one of {', '.join(names)}")
    return names[value.lower()]


class SourceRegistry(_Request):
    """How the run logs in to its own registry."""

    login_mode: Literal["None", "Default"] | None = None
    identity: str | None = None


class Credentials(_Request):
    """Logins that the run is to have."""

    source_registry: SourceRegistry | None = None
    custom_registries: dict[str, Any] | None = None


class RunRequest(_Request):
    """What every kind of run request has."""

    source_location: str | None = Field(default=None, max_length=4096)
    platform: RequestedPlatform = RequestedPlatform()
    timeout: int = Field(default=DEFAULT_TIMEOUT, ge=MIN_TIMEOUT, le=MAX_TIMEOUT)
    agent_pool_name: str | None = None
    log_template: str | None = None
    is_archive_enabled: bool = False
    credentials: Credentials = Credentials()

    @field_validator("timeout", "platform", "credentials", "is_archive_enabled", mode="before")
    @classmethod
    def _null_is_default(cls, value: object, info: Any) -> object:  # noqa: ANN401 - pydantic's ValidationInfo
        return cls.model_fields[info.field_name].get_default() if value is None else value


class DockerBuildRequest(RunRequest):
    """`az acr build`."""

    type: Literal["DockerBuildRequest"]
    image_names: tuple[Annotated[str, Field(min_length=1, max_length=1024)], ...] = Field(
        default=(), max_length=_MAX_ITEMS
    )
    is_push_enabled: bool = True
    no_cache: bool = False
    docker_file_path: str = Field(min_length=1, max_length=4096)
    target: str | None = None
    arguments: tuple[Argument, ...] = Field(default=(), max_length=_MAX_ITEMS)

    @field_validator("image_names", "arguments", mode="before")
    @classmethod
    def _null_is_empty(cls, value: object) -> object:
        return () if value is None else value


class _TaskFileRequest(RunRequest):
    values: tuple[Argument, ...] = Field(default=(), max_length=_MAX_ITEMS)

    @field_validator("values", mode="before")
    @classmethod
    def _null_is_empty(cls, value: object) -> object:
        return () if value is None else value


class FileTaskRunRequest(_TaskFileRequest):
    """`az acr run` of a task file in the context."""

    type: Literal["FileTaskRunRequest"]
    task_file_path: str = Field(min_length=1, max_length=4096)
    values_file_path: str | None = Field(default=None, max_length=4096)


class EncodedTaskRunRequest(_TaskFileRequest):
    """`az acr run --cmd`, `-f FILE /dev/null`, `az acr pack build`: the task file comes in base64."""

    type: Literal["EncodedTaskRunRequest"]
    encoded_task_content: Annotated[str, AfterValidator(_encoded)] = Field(min_length=1)
    encoded_values_content: Annotated[str, AfterValidator(_encoded)] | None = None

    @property
    def task_content(self) -> str:
        """The text of the task file."""
        return _decode(self.encoded_task_content)

    @property
    def values_content(self) -> str | None:
        """The text of the values file."""
        return None if self.encoded_values_content is None else _decode(self.encoded_values_content)


QuickRunRequest = DockerBuildRequest | FileTaskRunRequest | EncodedTaskRunRequest
_KINDS: Mapping[str, type[QuickRunRequest]] = {
    "DockerBuildRequest": DockerBuildRequest,
    "FileTaskRunRequest": FileTaskRunRequest,
    "EncodedTaskRunRequest": EncodedTaskRunRequest,
}
_TASK_RUN = "TaskRunRequest"


def parse_run_request(body: object) -> QuickRunRequest:
    """Read the body of scheduleRun. Raises InvalidRequest that names the member at fault."""
    if not isinstance(body, dict):
        raise InvalidRequest("The request body must be a JSON object with a run request.", target="runRequest")
    kind = cast("dict[str, Any]", body).get("type")
    if kind == _TASK_RUN:
        raise InvalidRequest(
            "A run request of type TaskRunRequest is not supported yet: this deployment stores no tasks.",
            code="RunRequestTypeNotSupported",
            target="type",
        )
    if not isinstance(kind, str) or kind not in _KINDS:
        raise InvalidRequest(f"The run request's type must be one of {', '.join(_KINDS)}.", target="type")
    try:
        request = _KINDS[kind].model_validate(body)
    except ValidationError as error:
        _refuse(error)
    _check_platform(request.platform)
    return request


def _check_platform(platform: RequestedPlatform) -> None:
    expected = _VARIANTS.get(platform.variant or "")
    if (
        platform.variant
        and platform.architecture != expected
        and not (platform.variant == "v8" and platform.architecture == "arm")
    ):
        raise InvalidRequest(
            f"The platform variant {platform.variant} does not belong to {platform.architecture}.",
            target="platform.variant",
        )
    if platform.os == "windows":
        raise InvalidRequest(
            "Windows images need an agent pool of Windows builders, and this registry has none."
            " Use --platform linux/amd64.",
            code="PlatformNotSupported",
            target="platform.os",
        )


def _refuse(error: ValidationError) -> NoReturn:
    fault = error.errors(include_url=False, include_input=False)[0]
    target = ".".join(str(part) for part in fault["loc"])
    message = fault["msg"].removeprefix("Value error, ")
    if target == "timeout":
        message = f"the timeout must be between {MIN_TIMEOUT} and {MAX_TIMEOUT} seconds"
    raise InvalidRequest(f"The run request's '{target}' is invalid: {message}.", target=target) from None


def parse_run_update(body: object) -> bool:
    """Read the body of Runs_Update and answer `isArchiveEnabled`. Raises InvalidRequest."""
    wanted = cast("dict[str, Any]", body).get("isArchiveEnabled") if isinstance(body, dict) else None
    if not isinstance(wanted, bool):
        raise InvalidRequest("isArchiveEnabled must be true or false.", target="isArchiveEnabled")
    return wanted
