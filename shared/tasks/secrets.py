"""A task without its secrets: what every answer but listDetails shows. Pure.

The rules are those of the real service: secret arguments vanish, tokens are absent, each custom registry is null.
"""

from shared.arm.parts import Arguments
from shared.tasks.model import DockerStep, SourceTrigger, Step, TaskSpec, Triggers


def without_secrets(spec: TaskSpec) -> TaskSpec:
    """Answer the task as anyone who may read it sees it."""
    properties = spec.properties
    blank = dict.fromkeys(properties.credentials.custom_registries)
    public = properties.model_copy(
        update={
            "step": None if properties.step is None else _step(properties.step),
            "trigger": _triggers(properties.trigger),
            "credentials": properties.credentials.model_copy(update={"custom_registries": blank}),
        }
    )
    return spec.model_copy(update={"properties": public})


def _step(step: Step) -> Step:
    values = (
        {"arguments": _public(step.arguments)} if isinstance(step, DockerStep) else {"values": _public(step.values)}
    )
    return step.model_copy(update={"context_access_token": None, **values})


def _public(arguments: Arguments) -> Arguments:
    return tuple(argument for argument in arguments if not argument.is_secret)


def _triggers(triggers: Triggers) -> Triggers:
    base = triggers.base_image_trigger
    return triggers.model_copy(
        update={
            "source_triggers": tuple(_source(trigger) for trigger in triggers.source_triggers),
            "base_image_trigger": base and base.model_copy(update={"update_trigger_endpoint": None}),
        }
    )


def _source(trigger: SourceTrigger) -> SourceTrigger:
    repository = trigger.source_repository.model_copy(update={"source_control_auth_properties": None})
    return trigger.model_copy(update={"source_repository": repository})
