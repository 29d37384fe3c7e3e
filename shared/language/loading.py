"""From the text of a task to its plan: comments, aliases, templates, YAML, rules, in the reference's order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from shared.grant import NamedValue, Platform, RunVariables
from shared.language import aliases as alias_rules
from shared.language import limits, planning, source, task, validation, values
from shared.language.aliases import AliasConfig, Aliases
from shared.language.errors import (
    AliasError,
    TaskInvalid,
    TaskTooLarge,
    TemplateError,
    YamlError,
)
from shared.language.gotemplate import NO_VALUE, render
from shared.language.gotemplate.values import Map
from shared.language.plan import Plan, Secret
from shared.language.planning import Surroundings
from shared.language.task import RawTask

ALIAS_NOTICE = (
    "Alias support enabled for version >= 1.1.0, please see https://aka.ms/acr/tasks/task-aliases for more information."
)
"""The line of the log when a task may use aliases."""

_SECRETS_WORD = "secrets"
_RENDER = "unable to render task: "
_SECRETS = f"{_RENDER}failed to resolve secrets in the task with error: failed to parse template to create task: "
_UNMARSHAL = "failed to unmarshal task before running: "
_DESERIALIZE = "failed to deserialize task and validate: "


@dataclass(frozen=True, kw_only=True)
class TaskInput:
    """All that decides what a task's text means, but for its secrets.

    `values` is the text of the values file, `overrides` what the request sets over it. `name` is what template
    errors call the file. `shared_volume` names the volume of `/workspace`.
    """

    text: str
    variables: RunVariables
    values: str | None = None
    overrides: Sequence[NamedValue] = ()
    aliases: AliasConfig = field(default_factory=AliasConfig)
    platform: Platform = field(default_factory=Platform)
    shared_volume: str = ""
    name: str = "task.yaml"
    surroundings: Surroundings = field(default_factory=Surroundings)


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """A plan and how it came about.

    `processed` is the text after aliases, `rendered` after templates. `rendered` and `plan` hold the secrets' values.
    """

    plan: Plan = field(repr=False)
    warnings: tuple[str, ...]
    version: str
    processed: str
    rendered: str = field(repr=False)
    aliases: Aliases | None

    @property
    def alias_enabled(self) -> bool:
        """Whether the version allows aliases; the log then begins with `ALIAS_NOTICE`."""
        return self.aliases is not None


@dataclass(frozen=True)
class _Prepared:
    """A text with its aliases replaced, ready to be rendered."""

    given: TaskInput
    text: str
    version: str
    values: Map
    aliases: Aliases | None

    def render(self, secrets: Mapping[str, str]) -> str:
        return _render(self.given, self.text, self._data(secrets), f"{_RENDER}error while rendering templates: ")

    def _data(self, secrets: Mapping[str, str]) -> Map:
        return _data(self.given, self.values, secrets)


def load(given: TaskInput, secrets: Mapping[str, str] | None = None) -> Loaded:
    """Make the plan of a task; `secrets` are the values of those that `secret_requests` asked for.

    Raises:
        LanguageError: one of `errors`, with the reference's text.

    """
    prepared = _prepare(given)
    _first_pass(prepared)
    rendered = prepared.render(secrets or {})
    raw = _read(rendered)
    try:
        plan, warnings = planning.make_plan(
            raw,
            aliases=prepared.aliases,
            registry=given.variables.registry,
            task_name=given.variables.task_name,
            surroundings=given.surroundings,
        )
    except TaskInvalid as error:
        raise _prefixed(_UNMARSHAL, error) from None
    return Loaded(
        plan=plan,
        warnings=(*raw.warnings, *warnings),
        version=prepared.version,
        processed=prepared.text,
        rendered=rendered,
        aliases=prepared.aliases,
    )


def secret_requests(given: TaskInput) -> tuple[Secret, ...]:
    """Tell which secrets must be read from key vaults before `load`.

    Only a text with the word `secrets` can need some; it is rendered once without any secret.

    Raises:
        LanguageError: one of `errors`, with the reference's text.

    """
    raw = _first_pass(_prepare(given))
    return raw.secrets if raw else ()


def _prepare(given: TaskInput) -> _Prepared:
    text = source.strip_comments(source.check_size(given.text))
    version = source.version_of(text)
    loaded = values.load_values(given.values, given.overrides)
    if version < source.ALIAS_VERSION:
        return _Prepared(given, text, version, loaded, None)
    parts = source.split_alias(text)
    block = _render(given, parts.alias, _data(given, loaded, {}), "unable to render alias data: ")
    try:
        aliases = alias_rules.load(block, given.aliases, windows=given.platform.os.lower() == "windows")
    except (AliasError, YamlError) as error:
        raise AliasError(f"unable to search/replace aliases in task: {error.message}") from None
    return _Prepared(given, aliases.replace(parts.task), version, loaded, aliases)


def _first_pass(prepared: _Prepared) -> RawTask | None:
    if _SECRETS_WORD not in prepared.text:
        return None
    try:
        raw = task.read(prepared.render({}))
        validation.check_declarations(raw)
    except (YamlError, TaskInvalid) as error:
        raise _prefixed(_SECRETS, error) from None
    return raw


def _read(rendered: str) -> RawTask:
    try:
        raw = task.read(rendered)
        validation.check_declarations(raw)
    except (YamlError, TaskInvalid) as error:
        raise _prefixed(_UNMARSHAL + _DESERIALIZE, error) from None
    return raw


def _prefixed(prefix: str, error: YamlError | TaskInvalid) -> YamlError | TaskInvalid:
    if isinstance(error, YamlError):
        return YamlError(prefix + error.message)
    suffix = f" (step ID: {error.step_id})" if error.step_id else ""
    return TaskInvalid(f"{prefix}{error.message}{suffix}", step_id=error.step_id)


def _data(given: TaskInput, loaded: Map, secrets: Mapping[str, str]) -> Map:
    return values.template_data(
        given.variables, loaded, secrets, platform=given.platform, shared_volume=given.shared_volume
    )


def _render(given: TaskInput, text: str, data: Map, prefix: str) -> str:
    if not text:
        return text
    try:
        rendered = render(
            text,
            data,
            name=given.name,
            clock=lambda: _started(given.variables),
            escape=values.escape_of(given.variables),
        )
    except TemplateError as error:
        action = "parse" if error.parsing else "execute"
        message = f"{prefix}failed to {action} template: {given.name}. Err: {error.message}"
        raise TemplateError(message, parsing=error.parsing) from None
    if len(rendered) > limits.RENDERED:
        raise TaskTooLarge(f"the rendered task has more than {limits.RENDERED} characters")
    if not rendered:
        raise TemplateError(f"{prefix}rendered template was empty")
    return rendered.replace(NO_VALUE, "")


def _started(variables: RunVariables) -> datetime:
    """Give the run's start, the `now` of templates: so every rendering of a run sees the same time."""
    try:
        return datetime.strptime(variables.date, "%Y%m%d-%H%M%Sz").replace(tzinfo=UTC)
    except ValueError:
        return datetime.fromtimestamp(0, UTC)
