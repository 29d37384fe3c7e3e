"""Shows a loaded task to the person who writes it, as JSON or as text."""

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any

from pydantic.alias_generators import to_camel

from shared.errors import LanguageError
from shared.language.docker_flags import BuildCommand
from shared.language.loading import Loaded
from shared.language.plan import AnyStep, BuildStep, CmdStep, Network, Plan, PushStep, Secret, VolumeMount

type Json = dict[str, Any]  # what json.dumps takes

_SPELLING = {
    "client_id": "clientID",
    "download_retries": "cmdDownloadRetries",
    "download_retry_delay": "cmdDownloadRetryDelay",
    "environment": "env",
    "images": "push",
}
_UNSAID = frozenset(("id", "after", "when", "command", "dockerText"))


def as_json(loaded: Loaded) -> Json:
    """Give everything about a task: aliases, texts, steps with their defaults, graph.

    Property names are those of task files.
    """
    plan = loaded.plan
    return {
        "version": plan.version,
        "warnings": list(loaded.warnings),
        "aliasEnabled": loaded.alias_enabled,
        "aliases": dict(loaded.aliases.names) if loaded.aliases else {},
        "processed": loaded.processed,
        "rendered": loaded.rendered,
        "task": _task(plan),
        "steps": [_step(step) for step in plan.steps],
        "graph": {name: list(children) for name, children in plan.graph.items()},
        "images": list(plan.images),
    }


def error_json(error: LanguageError) -> Json:
    """Give what is wrong with a task; `stepId` is null when no step is to blame."""
    found = {"kind": type(error).__name__, "message": error.message, "stepId": error.target}
    return {"error": found}


def as_text(loaded: Loaded) -> Iterator[str]:
    """Give the lines of the report."""
    for warning in loaded.warnings:
        yield f"WARNING: {warning}"
    if loaded.aliases:
        yield f"Aliases, called by {loaded.aliases.directive}:"
        yield from (f"  {name} = {value}" for name, value in sorted(loaded.aliases.names.items()))
        yield from _indented("Text after aliases:", loaded.processed)
    yield from _indented("Rendered text:", loaded.rendered)
    yield "Steps:"
    for step in loaded.plan.steps:
        yield from _step_lines(step)
    if not loaded.plan.steps:
        yield "  none: the run succeeds at once"


def _indented(title: str, text: str) -> Iterator[str]:
    yield title
    yield from (f"  {line}" for line in text.splitlines())


def _step_lines(step: AnyStep) -> Iterator[str]:
    after = ", ".join(step.after)
    yield f"  {step.id}: {f'after {after}' if after else 'at once'}"
    for name, value in _step(step).items():
        if name not in _UNSAID and value not in ("", [], {}, False, 0):
            yield f"    {name}: {value!r}" if isinstance(value, str) else f"    {name}: {value}"


def _task(plan: Plan) -> Json:
    return {
        "stepTimeout": plan.step_timeout,
        "workingDirectory": plan.working_directory,
        "env": list(plan.environment),
        "defaultNetwork": plan.default_network,
        "networks": [_members(network) for network in plan.networks],
        "secrets": [_members(secret) for secret in plan.secrets],
        "volumes": [{"name": volume.name, "files": sorted(volume.secret)} for volume in plan.volumes],
    }


def _step(step: AnyStep) -> Json:
    shown = _members(step)
    match step:
        case CmdStep():
            shown["image"] = step.image
        case BuildStep():
            shown["command"] = _members(step.command)
            shown["dockerText"] = step.docker_text
        case PushStep():
            pass
    return shown


def _members(item: AnyStep | BuildCommand | Network | Secret | VolumeMount) -> Json:
    values: Mapping[str, Any] = {one.name: getattr(item, one.name) for one in fields(item)}
    return {_SPELLING.get(name, to_camel(name)): _value(value) for name, value in values.items()}


def _value(value: object) -> object:
    if isinstance(value, tuple):
        return [_value(item) for item in value]
    return _members(value) if isinstance(value, VolumeMount) else value
