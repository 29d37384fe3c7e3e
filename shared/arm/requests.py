"""Run requests as az sends them, read and judged.

Platform names arrive in any case; unknown members are ignored; every refusal names the member in `target`.
Source: the published swagger of 2019-06-01-preview and 2025-03-01-preview, and az 2.91 on the wire.
"""

from collections.abc import Mapping
from typing import Literal

from pydantic import Field, field_validator

from shared.arm.names import RegistryId, parse_task_id
from shared.arm.parts import (
    Arguments,
    Credentials,
    EncodedText,
    ImageNames,
    PathText,
    PlatformNames,
    RequestedPlatform,
    check_platform,
    decode,
    several_platforms,
)
from shared.arm.reading import DEFAULT_TIMEOUT, MAX_TIMEOUT, MIN_TIMEOUT, Shape, as_object, read_as
from shared.errors import InvalidRequest
from shared.grant import Platform

_WHAT = "run request"


class RunRequest(Shape):
    """What every kind of run request has."""

    source_location: str | None = Field(default=None, max_length=4096)
    context_access_token: str | None = Field(default=None, max_length=4096, repr=False)
    """The token for a remote context. az sends none with a run request; runs of tasks bring their task's."""
    platform: RequestedPlatform = RequestedPlatform()
    timeout: int = Field(default=DEFAULT_TIMEOUT, ge=MIN_TIMEOUT, le=MAX_TIMEOUT)
    agent_pool_name: str | None = Field(default=None, max_length=20)
    log_template: str | None = Field(default=None, max_length=1024)
    is_archive_enabled: bool = False
    credentials: Credentials = Credentials()

    @field_validator("source_location", mode="after")
    @classmethod
    def _empty_is_absent(cls, value: str | None) -> str | None:
        return value or None


class DockerBuildRequest(RunRequest):
    """`az acr build`."""

    type: Literal["DockerBuildRequest"]
    image_names: ImageNames = ()
    is_push_enabled: bool = True
    no_cache: bool = False
    docker_file_path: PathText
    target: str | None = Field(default=None, max_length=1024)
    arguments: Arguments = ()
    platforms: PlatformNames = ()
    """Our extension: several platforms make one index. The argument `SLIPWAY_PLATFORMS` says the same."""

    @property
    def all_platforms(self) -> tuple[Platform, ...]:
        """Answer what is built for. Raises InvalidRequest."""
        return several_platforms(self.platforms, self.arguments) or (Platform(**self.platform.model_dump()),)


class FileTaskRunRequest(RunRequest):
    """`az acr run` of a task file in the context."""

    type: Literal["FileTaskRunRequest"]
    task_file_path: PathText
    values_file_path: PathText | None = None
    values: Arguments = ()


class EncodedTaskRunRequest(RunRequest):
    """`az acr run --cmd`, `-f FILE /dev/null`, `az acr pack build`: the task file comes in base64."""

    type: Literal["EncodedTaskRunRequest"]
    encoded_task_content: EncodedText = Field(min_length=1)
    encoded_values_content: EncodedText | None = None
    values: Arguments = ()

    @property
    def task_content(self) -> str:
        """The text of the task file."""
        return decode(self.encoded_task_content)

    @property
    def values_content(self) -> str | None:
        """The text of the values file."""
        return None if self.encoded_values_content is None else decode(self.encoded_values_content)


class Overrides(Shape):
    """What one run of a task does differently; absent members leave the task's own."""

    context_path: str | None = Field(default=None, max_length=4096)
    file: PathText | None = None
    arguments: Arguments = ()
    target: str | None = Field(default=None, max_length=1024)
    values: Arguments = ()
    update_trigger_token: EncodedText | None = Field(default=None, max_length=4096)


class TaskRunRequest(Shape):
    """`az acr task run`."""

    type: Literal["TaskRunRequest"]
    task_id: str = Field(max_length=1024)
    override_task_step_properties: Overrides = Overrides()
    agent_pool_name: str | None = Field(default=None, max_length=20)
    log_template: str | None = Field(default=None, max_length=1024)
    is_archive_enabled: bool = False

    def task_name(self, registry: RegistryId) -> str:
        """Answer the name of the task. Raises InvalidRequest when it is not one of this registry."""
        return parse_task_id(self.task_id, registry)


QuickRunRequest = DockerBuildRequest | FileTaskRunRequest | EncodedTaskRunRequest
AnyRunRequest = QuickRunRequest | TaskRunRequest
_QUICK: Mapping[str, type[QuickRunRequest]] = {
    "DockerBuildRequest": DockerBuildRequest,
    "FileTaskRunRequest": FileTaskRunRequest,
    "EncodedTaskRunRequest": EncodedTaskRunRequest,
}
_TASK_RUN = "TaskRunRequest"


def parse_any_run_request(body: object) -> AnyRunRequest:
    """Read the body of scheduleRun, whatever its kind. Raises InvalidRequest that names the member at fault."""
    if as_object(body, "a run request").get("type") == _TASK_RUN:
        return read_as(TaskRunRequest, body, _WHAT)
    return parse_run_request(body)


def parse_run_request(body: object) -> QuickRunRequest:
    """Read a run request that needs no task. Raises InvalidRequest that names the member at fault."""
    kind = as_object(body, "a run request").get("type")
    if not isinstance(kind, str) or kind not in _QUICK:
        raise InvalidRequest(f"The run request's type must be one of {', '.join((*_QUICK, _TASK_RUN))}.", target="type")
    request = read_as(_QUICK[kind], body, _WHAT)
    check_platform(request.platform, is_build=isinstance(request, DockerBuildRequest))
    return request


def parse_run_update(body: object) -> bool | None:
    """Read the body of Runs_Update and answer `isArchiveEnabled`, None when it is to stay. Raises InvalidRequest."""
    wanted = as_object(body, "the members to change").get("isArchiveEnabled")
    if wanted is not None and not isinstance(wanted, bool):
        raise InvalidRequest("isArchiveEnabled must be true or false.", target="isArchiveEnabled")
    return wanted
