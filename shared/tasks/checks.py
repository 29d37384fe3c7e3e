"""What a task must hold beyond its shape. Pure."""

from shared.arm.parts import check_platform, several_platforms
from shared.arm.reading import as_object, read_as
from shared.contexts import ArtifactContext, read_context
from shared.errors import InvalidRequest, LanguageError
from shared.grant import RunVariables
from shared.images.references import Reference
from shared.images.targets import target
from shared.schedule_language import parse as parse_schedule
from shared.tasks.model import DockerStep, TaskSpec

_SAMPLE = RunVariables(
    id="c0000000",
    registry="registry.example",
    registry_name="registry",
    date="20260101-000000z",
    task_name="task",
    commit="0" * 40,
    branch="main",
    git_tag="v1",
    repository="github.com/example/app",
    triggered_by="commit",
)
"""A value for everything that only a run knows: what a name becomes without one is told when it is run."""


def parse_task(body: object) -> TaskSpec:
    """Read a task as PUT sends it. Raises InvalidRequest that names the member at fault."""
    spec = read_as(TaskSpec, as_object(body, "a task"), "task")
    step = spec.properties.step
    check_platform(spec.properties.platform, "properties.platform", is_build=isinstance(step, DockerStep))
    _check_step(spec)
    _check_triggers(spec)
    return _without_blank_logins(spec)


def _without_blank_logins(spec: TaskSpec) -> TaskSpec:
    credentials = spec.properties.credentials
    logins = {host: login for host, login in credentials.custom_registries.items() if login is not None}
    kept = credentials.model_copy(update={"custom_registries": logins})
    return spec.model_copy(update={"properties": spec.properties.model_copy(update={"credentials": kept})})


def _check_step(spec: TaskSpec) -> None:
    step = spec.properties.step
    if step is None:
        return
    if step.context_path:
        check_context(step.context_path, "properties.step.contextPath")
    if isinstance(step, DockerStep):
        several_platforms(step.platforms, step.arguments)
        for name in step.image_names:
            try:
                target(name, _SAMPLE)
            except LanguageError as error:
                message = error.message.replace(f"{_SAMPLE.registry}/", "")
                raise InvalidRequest(message, code="InvalidImageName", target="properties.step.imageNames") from None


def _check_triggers(spec: TaskSpec) -> None:
    trigger = spec.properties.trigger
    for source in trigger.source_triggers:
        check_context(source.source_repository.repository_url, "properties.trigger.sourceTriggers.repositoryUrl")
    for timer in trigger.timer_triggers:
        try:
            parse_schedule(timer.schedule)
        except LanguageError as error:
            message = f"The schedule of the timer trigger '{timer.name}' is invalid: {error.message}"
            raise InvalidRequest(message, target="properties.trigger.timerTriggers.schedule") from None


def check_context(text: str, where: str) -> None:
    """Raise InvalidRequest unless the text is a remote context that a run can fetch, without a password in it."""
    try:
        found = read_context(text)
        if isinstance(found, ArtifactContext):
            Reference.parse(found.reference)
            return
    except (InvalidRequest, LanguageError) as error:
        raise InvalidRequest(error.message, target=where) from None
    if found.password:
        raise InvalidRequest(
            "The context's address holds a password, which every reader of the task would see."
            " Give it as the access token (az: --git-access-token).",
            target=where,
        )
