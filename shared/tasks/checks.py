"""What a task must hold beyond its shape. Pure."""

import re
from typing import Final
from urllib.parse import urlsplit

from shared.arm.parts import CustomRegistry, SecretText, check_platform, several_platforms
from shared.arm.reading import as_object, read_as
from shared.contexts import ArtifactContext, read_context
from shared.errors import InvalidRequest, LanguageError
from shared.grant import RunVariables
from shared.images.references import Reference
from shared.images.targets import target
from shared.schedule_language import parse as parse_schedule
from shared.tasks.model import DockerStep, TaskSpec

_LOGIN_SERVER: Final = re.compile(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?(:[0-9]{1,5})?")
_SAMPLE: Final = RunVariables(
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


def parse_task(body: object, known: TaskSpec | None = None) -> TaskSpec:
    """Read a task as PUT sends it, or as a PATCH of `known` leaves it.

    Raises InvalidRequest that names the member at fault. Logins and endpoints that are as they were pass: a fault that
    an earlier version has let in must not stand in the way of mending it.
    """
    spec = read_as(TaskSpec, as_object(body, "a task"), "task")
    step = spec.properties.step
    check_platform(spec.properties.platform, "properties.platform", is_build=isinstance(step, DockerStep))
    _check_step(spec)
    _check_triggers(spec)
    spec = _without_blank_logins(spec)
    logins = known.properties.credentials.custom_registries if known else {}
    for host, login in spec.properties.credentials.custom_registries.items():
        if login and login != logins.get(host):
            _check_login(host, login)
    if _endpoint(spec) != (_endpoint(known) if known else None):
        _check_endpoint(_endpoint(spec))
    return spec


def _without_blank_logins(spec: TaskSpec) -> TaskSpec:
    credentials = spec.properties.credentials
    logins = {host: login for host, login in credentials.custom_registries.items() if login is not None}
    kept = credentials.model_copy(update={"custom_registries": logins})
    return spec.model_copy(update={"properties": spec.properties.model_copy(update={"credentials": kept})})


def _check_login(host: str, login: CustomRegistry) -> None:
    where = f"properties.credentials.customRegistries.{host}"
    if not _LOGIN_SERVER.fullmatch(host):
        message = f"'{host[:100]}' is not a login server: give a host alone, as in myregistry.azurecr.io."
        raise InvalidRequest(message, target="properties.credentials.customRegistries")
    if not (login.identity or (_is_given(login.user_name) and _is_given(login.password))):
        raise InvalidRequest(f"The login of '{host}' needs a user name and a password, or an identity.", target=where)


def _is_given(secret: SecretText | None) -> bool:
    return secret is not None and bool(secret.value)


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


def _endpoint(spec: TaskSpec) -> str | None:
    base = spec.properties.trigger.base_image_trigger
    return base.update_trigger_endpoint if base else None


def _check_endpoint(address: str | None) -> None:
    try:
        parts = urlsplit(address or "https://none")
        is_https = parts.scheme == "https" and bool(parts.hostname)
    except ValueError:
        is_https = False
    if not is_https:
        raise InvalidRequest(
            "The endpoint that is told of base image updates must be an https address.",
            target="properties.trigger.baseImageTrigger.updateTriggerEndpoint",
        )


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
