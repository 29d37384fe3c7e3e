"""A task, and what one run of it does differently, as a run request. Pure."""

from shared.arm.parts import Argument, Arguments, Credentials
from shared.arm.requests import (
    DockerBuildRequest,
    EncodedTaskRunRequest,
    FileTaskRunRequest,
    Overrides,
    QuickRunRequest,
)
from shared.contexts import ContextKind, GitContext, classify, origin, read_context
from shared.errors import InvalidRequest
from shared.tasks.model import DockerStep, EncodedTaskStep, FileTaskStep, Step, TaskSpec


def request_of(name: str, spec: TaskSpec, overrides: Overrides) -> QuickRunRequest:
    """Answer the run request of a task, secrets included. Raises InvalidRequest for a task that cannot be run."""
    properties = spec.properties
    step = properties.step
    if step is None:
        raise InvalidRequest(f"The task '{name}' has no step that could be run.", code="StepUndefined", target="taskId")
    location, token = _context(name, spec, step, overrides)
    common = {
        "source_location": location,
        "context_access_token": token,
        "platform": properties.platform,
        "timeout": properties.timeout,
        "agent_pool_name": properties.agent_pool_name,
        "log_template": properties.log_template,
        "credentials": properties.credentials,
    }
    match step:
        case DockerStep():
            own = {
                "type": "DockerBuildRequest",
                "docker_file_path": overrides.file or step.docker_file_path,
                "target": overrides.target or step.target,
                "arguments": overridden(step.arguments, overrides.arguments),
                "image_names": step.image_names,
                "is_push_enabled": step.is_push_enabled,
                "no_cache": step.no_cache,
                "platforms": step.platforms,
            }
            return DockerBuildRequest.model_validate(common | own)
        case FileTaskStep():
            own = {
                "type": "FileTaskRunRequest",
                "task_file_path": overrides.file or step.task_file_path,
                "values_file_path": step.values_file_path,
                "values": overridden(step.values, overrides.values),
            }
            return FileTaskRunRequest.model_validate(common | own)
        case EncodedTaskStep():
            own = {
                "type": "EncodedTaskRunRequest",
                "encoded_task_content": step.encoded_task_content,
                "encoded_values_content": step.encoded_values_content,
                "values": overridden(step.values, overrides.values),
            }
            return EncodedTaskRunRequest.model_validate(common | own)


def without_privileges(request: QuickRunRequest) -> QuickRunRequest:
    """Answer a run request without secrets, tokens and logins, which publishes nothing."""
    kept: dict[str, object] = {"context_access_token": None, "credentials": Credentials()}
    if isinstance(request, DockerBuildRequest):
        kept |= {"is_push_enabled": False, "arguments": _open(request.arguments)}
    else:
        kept["values"] = _open(request.values)
    return request.model_copy(update=kept)


def _open(arguments: Arguments) -> Arguments:
    return tuple(argument for argument in arguments if not argument.is_secret)


def overridden(own: Arguments, others: Arguments) -> Arguments:
    """Answer arguments in order, those of `others` in place of the same name or behind."""
    values: dict[str, Argument] = {argument.name: argument for argument in own}
    for argument in others:
        was_secret = argument.name in values and values[argument.name].is_secret
        values[argument.name] = argument.model_copy(update={"is_secret": argument.is_secret or was_secret})
    return tuple(values.values())


def _context(name: str, spec: TaskSpec, step: Step, overrides: Overrides) -> tuple[str | None, str | None]:
    """Answer the location and its token. The task's token goes nowhere but to the host it was given for."""
    own, token = _own_context(name, spec, step)
    if not overrides.context_path:
        return own, token
    return overrides.context_path, token if own and _same_host(own, overrides.context_path) else None


def _own_context(name: str, spec: TaskSpec, step: Step) -> tuple[str | None, str | None]:
    if step.context_path or isinstance(step, EncodedTaskStep):
        return step.context_path or None, step.context_access_token
    sources = spec.properties.trigger.source_triggers
    if len(sources) != 1:
        raise InvalidRequest(
            f"Cannot determine the build context for the step of the task '{name}'. Either the context should be a"
            " well formed absolute URI or there should be only one source trigger for the task.",
            code="ContextUndefined",
            target="contextPath",
        )
    repository = sources[0].source_repository
    auth = repository.source_control_auth_properties
    url = repository.repository_url
    if "#" not in url and repository.branch:
        url = f"{url}#{repository.branch}"
    return url, step.context_access_token or (auth.token if auth else None)


def _same_host(own: str, other: str) -> bool:
    if classify(own) is not ContextKind.GIT or classify(other) is not ContextKind.GIT:
        return False
    here, there = read_context(own), read_context(other)
    return isinstance(here, GitContext) and isinstance(there, GitContext) and origin(here.url) == origin(there.url)
