"""From a grant and a context to the plan of a task: texts read, secrets fetched, everything else is the language's."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from builder.contexts.source import Context
from builder.contexts.tree import read_text
from builder.faults import ContextRefused, StepFailed, reason
from builder.shop import Shop
from builder.tasks.alias_sources import TEXT_LIMIT, AliasSources
from shared.errors import Forbidden, InvalidRequest, LanguageError
from shared.grant import EncodedTask, FileTask, NamedValue, SecretReference, SecretsRequest
from shared.language import (
    ALIAS_NOTICE,
    DEFAULT_IMAGES,
    AliasConfig,
    Loaded,
    Secret,
    Surroundings,
    TaskInput,
    load,
    secret_requests,
)


@dataclass(frozen=True, slots=True)
class _Texts:
    task: str
    values: str | None
    overrides: tuple[NamedValue, ...]
    name: str


async def load_task(shop: Shop, context: Context, shared_volume: str) -> Loaded:
    """Load the task of the grant and write what the log has to say about it.

    Raises StepFailed when it does not hold, its reason said in the log.
    """
    try:
        given = _given(shop, context, AliasSources.of(shop, context), shared_volume)
        secrets = await _secrets(shop, await asyncio.to_thread(secret_requests, given))
        loaded = await asyncio.to_thread(load, given, secrets)
    except (LanguageError, ContextRefused) as fault:
        shop.log.plain(fault.message)
        raise StepFailed(reason(fault)) from None
    if loaded.alias_enabled:
        shop.log.line(ALIAS_NOTICE)
    for warning in loaded.warnings:
        shop.log.line(f"WARNING: {warning}")
    return loaded


def _given(shop: Shop, context: Context, sources: AliasSources, shared_volume: str) -> TaskInput:
    texts = _texts(shop, context)
    variables = context.told(shop.grant.variables)
    environment = (f"ACR_DEFAULT_REGISTRY={variables.registry}", "ACR_TASK_HOSTED=1")
    return TaskInput(
        text=texts.task,
        values=texts.values,
        overrides=texts.overrides,
        variables=variables,
        aliases=AliasConfig(images={**DEFAULT_IMAGES, **shop.grant.image_aliases}, read_source=sources.read),
        platform=shop.grant.platform,
        shared_volume=shared_volume,
        name=texts.name,
        surroundings=Surroundings(environment=environment),
    )


def _texts(shop: Shop, context: Context) -> _Texts:
    work = shop.grant.work
    if work.encoded_task:
        return _encoded(work.encoded_task)
    if work.file_task:
        return _file(work.file_task, context)
    raise StepFailed("the run has no task")


def _encoded(task: EncodedTask) -> _Texts:
    return _Texts(task.task_content, task.values_content, task.values, "task.yaml")


def _file(task: FileTask, context: Context) -> _Texts:
    text = _read(context, task.task_file_path, "task file")
    values = _read(context, task.values_file_path, "values file") if task.values_file_path else None
    return _Texts(text, values, task.values, task.task_file_path.rpartition("/")[2] or "task.yaml")


def _read(context: Context, name: str, what: str) -> str:
    text = read_text(context.root, name, TEXT_LIMIT)
    if text is None:
        raise ContextRefused(f"the {what} {name!r} is not in the context")
    return text


async def _secrets(shop: Shop, wanted: tuple[Secret, ...]) -> Mapping[str, str]:
    """Let the control plane read the secrets from their vaults; they are masked from now on."""
    if not wanted:
        return {}
    references = (
        SecretReference(id=secret.id, keyvault=secret.keyvault, client_id=secret.client_id) for secret in wanted
    )
    try:
        answer = await shop.link.secrets(SecretsRequest(secrets=tuple(references)))
    except (InvalidRequest, Forbidden) as fault:
        raise LanguageError(f"unable to render task: failed to resolve secrets in the task: {fault.message}") from None
    shop.log.hide(*answer.values.values())
    return answer.values
