"""A run request becomes a run: exactly one, however often the request is repeated.

The log exists before the row and the row before the message. Once the row is written nothing may turn the
answer into an error: az sends a request again on 500, 503 and 504.
"""

import hashlib
import logging
import secrets
from dataclasses import dataclass

from shared.access.callers import Caller
from shared.arm.requests import DockerBuildRequest, EncodedTaskRunRequest, QuickRunRequest
from shared.contexts import ContextKind, classify
from shared.errors import Conflict, InvalidRequest, LanguageError, SlipwayError, Unavailable
from shared.grant import Platform, RunVariables
from shared.images.targets import target
from shared.runs.causes import MANUAL, Cause
from shared.runs.context import Workshop
from shared.runs.dispatch import announce, dispatch, tell_of_crowd
from shared.runs.ids import run_id
from shared.runs.logs import create_log, delete_log
from shared.runs.model import ANY_REPOSITORY, Requester, Run
from shared.runs.sealed import seal_request
from shared.runs.sources import check_location
from shared.settings import RegistrySettings

_ID_ATTEMPTS = 30
_TAGS = "refs/tags/"
"""How the `branchName` of a run begins that is for a tag: the published API has no member for one."""
_LOG = logging.getLogger(__name__)


def request_key(client_request_id: str | None, path: str, body: bytes) -> str:
    """Answer what makes two requests the same: az sends one client request id with all calls of a process."""
    identity = client_request_id or secrets.token_hex(16)
    return hashlib.sha256(b"\0".join([identity.encode(), path.lower().encode(), body])).hexdigest()


@dataclass(frozen=True)
class Origin:
    """Where a run comes from: the task that it is of, if any, why it exists, and what its update tells."""

    task: str | None = None
    cause: Cause = MANUAL
    update_trigger_token: str | None = None
    is_untrusted: bool = False
    trace_parent: str = ""
    """The caller's span (W3C Trace Context)."""


QUICK = Origin()
SLIPWAY = Caller("Slipway", "Application", frozenset())
"""Who asks for the runs that nobody asked for."""


def submit(  # noqa: PLR0913 - what a run is made of
    shop: Workshop,
    registry: RegistrySettings,
    request: QuickRunRequest,
    caller: Caller,
    key: str,
    *,
    origin: Origin = QUICK,
    dispatches: bool = True,
) -> Run:
    """Answer the queued run of a request. Raises InvalidRequest, or Unavailable before anything was written.

    The same `key` answers the same run, whatever else is given. Without `dispatches` the caller, who queues many,
    announces and dispatches when it has queued the last one.
    """
    partition = registry.name.lower()
    known = shop.store.by_request(partition, key)
    if known:
        return known
    if request.source_location or not isinstance(request, EncodedTaskRunRequest):
        check_location(shop, partition, request.source_location)
    run = _insert(shop, registry, _Draft(_in_known_pool(shop, partition, request), caller, origin), key)
    if not dispatches:
        return run
    try:
        announce(shop, partition)
        dispatch(shop, partition)
        tell_of_crowd(shop, run)
    except SlipwayError:
        _LOG.exception("run %s waits: it could not be dispatched at once", run.id)
    return run


@dataclass(frozen=True)
class _Draft:
    request: QuickRunRequest
    caller: Caller
    origin: Origin


def _in_known_pool(shop: Workshop, registry: str, request: QuickRunRequest) -> QuickRunRequest:
    if not request.agent_pool_name:
        return request.model_copy(update={"agent_pool_name": None})
    pool = shop.agent_pools.usable(registry, request.agent_pool_name)
    if pool is None:
        raise InvalidRequest(
            f"The agent pool '{request.agent_pool_name}' does not exist in this registry.",
            code="AgentPoolNotFound",
            target="agentPoolName",
        )
    return request.model_copy(update={"agent_pool_name": pool.name})


def _insert(shop: Workshop, registry: RegistrySettings, draft: _Draft, key: str) -> Run:
    later = 0
    for _ in range(_ID_ATTEMPTS):
        run = _new_run(shop, registry, draft, later)
        later += 1 + secrets.randbelow(8)
        try:
            create_log(shop, run.registry, run.id)
        except Conflict:
            continue
        seal_request(shop, run, draft.request)
        try:
            shop.store.insert(run, key)
        except Conflict:
            delete_log(shop, run)
            known = shop.store.by_request(run.registry, key)
            if known:
                return known
            continue
        shop.on_progress(run)
        return run
    raise Unavailable("No run id was free; too many runs are being queued at this moment.")


def _new_run(shop: Workshop, registry: RegistrySettings, draft: _Draft, later: int) -> Run:
    now, request, origin = shop.clock(), draft.request, draft.origin
    run = Run(
        id=run_id(now, later),
        registry=registry.name.lower(),
        created=now,
        updated=now,
        timeout_seconds=request.timeout,
        platform=_platform(request),
        run_type=_run_type(request, origin.cause),
        task=origin.task,
        cause=origin.cause,
        update_trigger_token=origin.update_trigger_token,
        requester=Requester(name=draft.caller.name, kind=draft.caller.kind),
        agent_pool=request.agent_pool_name,
        is_archived=request.is_archive_enabled,
        is_untrusted=origin.is_untrusted,
        trace_parent=origin.trace_parent,
    )
    return run.model_copy(update={"push_repositories": _push_repositories(registry, run, request)})


def _platform(request: QuickRunRequest) -> Platform:
    if isinstance(request, DockerBuildRequest):
        return request.all_platforms[0]
    return Platform(**request.platform.model_dump())


def _run_type(request: QuickRunRequest, cause: Cause) -> str:
    if cause.is_manual:
        return "QuickRun"
    return "AutoBuild" if isinstance(request, DockerBuildRequest) else "AutoRun"


def _push_repositories(registry: RegistrySettings, run: Run, request: QuickRunRequest) -> tuple[str, ...]:
    if run.is_untrusted:
        return ()
    if not isinstance(request, DockerBuildRequest):
        return (ANY_REPOSITORY,)  # what a task file pushes is known only to the builder that renders it
    variables = run_variables(registry, run)
    own = _repositories(registry, request, _foreseen(variables, request, "a"))
    if own != _repositories(registry, request, _foreseen(variables, request, "b")):
        raise InvalidRequest(
            "The repository of an image depends on the commit or branch of the context, which are known only when it"
            " has been fetched. Use them in the image's tag.",
            code="InvalidImageName",
            target="imageNames",
        )
    return own if request.is_push_enabled else ()


def _repositories(registry: RegistrySettings, request: DockerBuildRequest, variables: RunVariables) -> tuple[str, ...]:
    try:
        targets = [target(name, variables, _foreign(request)) for name in request.image_names]
    except LanguageError as error:
        raise InvalidRequest(error.message, code="InvalidImageName", target="imageNames") from None
    return tuple(dict.fromkeys(one.repository for one in targets if one.registry == registry.login_server))


def _foreseen(variables: RunVariables, request: DockerBuildRequest, letter: str) -> RunVariables:
    """Put something in the place of what the builder will learn from a git context."""
    if classify(request.source_location or "") is not ContextKind.GIT:
        return variables
    return variables.model_copy(
        update={"commit": variables.commit or letter * 40, "branch": variables.branch or letter}
    )


def _foreign(request: QuickRunRequest) -> tuple[str, ...]:
    return tuple(host for host, login in request.credentials.custom_registries.items() if login and login.password)


def run_variables(registry: RegistrySettings, run: Run) -> RunVariables:
    """Answer the values behind `{{.Run.X}}` of a run."""
    source = run.cause.source_trigger
    ref = (source and source.branch_name) or ""
    is_tag = ref.startswith(_TAGS)
    return RunVariables(
        id=run.id,
        registry=registry.login_server,
        registry_name=registry.login_server.partition(".")[0],
        date=f"{run.created:%Y%m%d-%H%M%S}z",
        task_name=run.task or "",
        commit=(source and source.commit_id) or "",
        branch="" if is_tag else ref,
        git_tag=ref.removeprefix(_TAGS) if is_tag else "",
        repository=(source and source.repository_url) or "",
        triggered_by="" if run.cause.is_manual else run.cause.kind.value,
    )
