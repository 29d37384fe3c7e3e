"""What a builder may do: claim its run, show that it lives, report.

Every claim raises the run's epoch; what comes with an older epoch is refused, so a builder that was given up
can neither publish nor end the run.
"""

import contextlib
import logging
from dataclasses import replace
from datetime import timedelta

from shared.access.builder_tokens import Bearer, TokenUse
from shared.arm.parts import PLATFORMS_ARGUMENT, Argument
from shared.arm.requests import (
    DockerBuildRequest,
    EncodedTaskRunRequest,
    FileTaskRunRequest,
    QuickRunRequest,
)
from shared.container_groups.group import Group
from shared.container_groups.loss import evicted
from shared.errors import Conflict, InvalidRequest, NotFound, SlipwayError
from shared.grant import (
    DockerBuild,
    EncodedTask,
    FileTask,
    Grant,
    Heartbeat,
    NamedValue,
    RegistryLogin,
    Report,
    Work,
)
from shared.runs.context import Workshop
from shared.runs.dispatch import announce, dispatch
from shared.runs.finish import Ending, finish, note_release
from shared.runs.given_logins import read_logins
from shared.runs.handover import conclude
from shared.runs.holding import Superseded, own_run
from shared.runs.kinds import may_hand_over
from shared.runs.layer_cache import layer_cache
from shared.runs.logs import log_size, say, writing_url
from shared.runs.losses import has_begun, noted_again, obstacle
from shared.runs.model import Run, Status
from shared.runs.results import result_url
from shared.runs.reuse import is_old, may_go_on
from shared.runs.sealed import open_request
from shared.runs.sources import source
from shared.runs.submit import run_variables
from shared.runs.trace import builder_parent

_TOKEN_MARGIN = timedelta(hours=1)
_LOG = logging.getLogger(__name__)


class Gone(SlipwayError):
    """The group is not needed any more: its builder is to leave."""

    status = 410
    code = "Gone"


def look_for_work(shop: Workshop, bearer: Bearer) -> Grant | None:
    """Answer the grant of the run that the builder's group is for, or None while there is none.

    Raises Gone when there will never be one.
    """
    group = shop.pool.find(bearer.registry, bearer.group)
    if group is None:
        raise Gone("This container group is not known any more.")
    if group.machine and (group.run_id or shop.pool.is_due(group)):
        _check_machine(shop, group)
    if group.run_id:
        return _claim(shop, group)
    if group.is_spent:
        raise Gone("This container group gets no further run.")
    was_up = group.seen > 0
    shop.pool.seen(group)
    if group.agent_pool and not was_up:
        dispatch_soon(shop, group.registry)
    return None


def _check_machine(shop: Workshop, group: Group) -> None:
    """Raise Gone when the machine's token does not hold any more or it is time for a new registration."""
    pool = shop.agent_pools.find(group.registry, group.agent_pool)
    if pool is None or not pool.allows(group.mark) or (not group.run_id and is_old(shop.settings, group, shop.clock())):
        leave(shop, group)
        raise Gone("The pool has no use for this machine as it is: its token was withdrawn, or it is too old.")


def leave(shop: Workshop, group: Group) -> Group:
    """Forget a builder; a run that it was given and did not claim goes to another. Answers what it was at last."""

    def again(run: Run) -> Run | None:
        if run.is_terminal or run.epoch or run.group not in {None, group.name}:
            return None
        return run if run.status is Status.QUEUED else run.moved(Status.QUEUED, shop.clock(), group=None)

    while not shop.pool.retire(group):
        fresh = shop.pool.find(group.registry, group.name)
        if fresh is None:
            return group
        group = fresh
    if group.run_id:
        note_release(shop, group.registry, group.run_id, group.name)
    if group.run_id and shop.store.change(group.registry, group.run_id, again):
        held = shop.store.find_placed(group.registry, group.run_id)
        if held is not None:
            shop.store.leave_slot(held)
        dispatch_soon(shop, group.registry)
    return group


def dispatch_soon(shop: Workshop, registry: str) -> None:
    """Have the pool's next run started now, or by a message; the reconciler finds what neither told."""
    try:
        dispatch(shop, registry)
    except SlipwayError:
        _LOG.exception("the next run of %s waits for the queue", registry)
        with contextlib.suppress(SlipwayError):
            announce(shop, registry)


def _claim(shop: Workshop, group: Group) -> Grant | None:
    found = _run_of(shop, group)
    if found is None:
        _after_run(shop, group)
        return None
    _check_repetition(shop, group, found)
    request = open_request(shop, found)
    is_build = isinstance(request, DockerBuildRequest)
    goes_on = may_go_on(shop.settings, group, found, shop.clock(), is_build=is_build)
    if group.agent_pool and not goes_on and not shop.pool.spend(group):
        return None  # the row has changed; the builder asks again at once

    def claim(run: Run) -> Run | None:
        if run.is_terminal or (run.group is not None and run.group != group.name):
            return None
        now = shop.clock()
        if run.status is Status.RUNNING:
            return run.model_copy(update={"epoch": run.epoch + 1, "updated": now})
        return run.moved(
            Status.RUNNING, now, started=now, epoch=run.epoch + 1, group=group.name, attempt=max(run.attempt, 1)
        )

    run = shop.store.change(group.registry, group.run_id, claim)
    if run is None:
        _after_run(shop, group)
        return None
    if group.machine and shop.pool.find(group.registry, group.name) is None:
        finish(shop, run.registry, run.id, Ending(Status.ERROR, "its machine was removed from the agent pool"))
        raise Gone("This machine was removed from its agent pool.")
    _note_life(shop, run)
    shop.on_progress(run)
    try:
        logins = read_logins(shop, request.credentials)
    except InvalidRequest as error:
        finish(shop, run.registry, run.id, Ending(Status.ERROR, f"no login could be had: {error.message}"))
        raise Gone("The run has ended: a login that it needs could not be read.") from None
    return _grant(shop, run, request, logins).model_copy(update={"claims_again": goes_on})


def _check_repetition(shop: Workshop, group: Group, run: Run) -> None:
    """Let a Spot group that was taken away and started again execute its run once more, or end the run.

    Raises Gone for the latter. Any other group claims again only because the answer to its first claim was lost.
    """
    if run.status is not Status.RUNNING or not group.is_spot:
        return
    if not has_begun(run, shop.store.find_placed(run.registry, run.id)):
        return
    loss = evicted("")
    if why := obstacle(shop, run):
        finish(shop, run.registry, run.id, Ending(Status.ERROR, f"the builder was lost: {loss.reason} {why}"))
        raise Gone("The run of this container group has ended.")

    def again(current: Run) -> Run | None:
        is_same = current.status is Status.RUNNING and current.epoch == run.epoch and not current.may_have_pushed
        return noted_again(current, loss, shop.clock()) if is_same else None

    if shop.store.change(run.registry, run.id, again):
        say(shop, run, f"{loss.reason} Nothing had been pushed: the run is executed once more.")


def _run_of(shop: Workshop, group: Group) -> Run | None:
    """Answer the run that a group is to execute; None when it is over or another group's."""
    try:
        run = shop.store.get(group.registry, group.run_id)
    except NotFound:
        return None
    return None if run.is_terminal or (run.group is not None and run.group != group.name) else run


def _after_run(shop: Workshop, group: Group) -> None:
    """Let a builder of a pool wait for its next run. Raises Gone when it is not to have one."""
    if not group.may_return:
        shop.pool.release_after(group.registry, group.name, group.run_id)
        note_release(shop, group.registry, group.run_id, group.name)
        raise Gone("The run of this container group has ended or belongs to another one.")
    if shop.pool.take_back(group):
        note_release(shop, group.registry, group.run_id, group.name)
        dispatch_soon(shop, group.registry)


def _grant(shop: Workshop, run: Run, request: QuickRunRequest, logins: tuple[RegistryLogin, ...]) -> Grant:
    bearer = Bearer(run.registry, run.group or "", run.id, run.epoch)
    life = timedelta(seconds=run.timeout_seconds) + _TOKEN_MARGIN
    return Grant(
        run_id=run.id,
        group=run.group or "",
        epoch=run.epoch,
        run_token=shop.tokens.sign(TokenUse.RUN, bearer, shop.clock(), life),
        work=_work(request),
        source=source(shop, run.registry, request),
        platform=run.platform,
        variables=run_variables(shop.registry(run.registry), run),
        logins=logins,
        cache=layer_cache(shop, run),
        steps=run.steps,
        may_hand_over=may_hand_over(shop.settings, run),
        timeout_seconds=run.timeout_seconds,
        wants_contents=shop.settings.tells_contents and not run.is_untrusted,
        allowed_hosts=shop.settings.allowed_hosts,
        image_aliases=shop.settings.image_aliases,
        log_url=writing_url(shop, run),
        log_position=log_size(shop, run),
        result_url=result_url(shop, run),
        trace_parent=builder_parent(run),
    )


def _work(request: QuickRunRequest) -> Work:
    match request:
        case DockerBuildRequest():
            return Work(docker_build=_docker_build(request))
        case FileTaskRunRequest():
            return Work(
                file_task=FileTask(
                    task_file_path=request.task_file_path,
                    values_file_path=request.values_file_path,
                    values=_named(request.values),
                )
            )
        case EncodedTaskRunRequest():
            return Work(
                encoded_task=EncodedTask(
                    task_content=request.task_content,
                    values_content=request.values_content,
                    values=_named(request.values),
                )
            )


def _docker_build(request: DockerBuildRequest) -> DockerBuild:
    return DockerBuild(
        docker_file_path=request.docker_file_path,
        image_names=request.image_names,
        is_push_enabled=request.is_push_enabled and bool(request.image_names),
        no_cache=request.no_cache,
        arguments=_named(tuple(one for one in request.arguments if one.name != PLATFORMS_ARGUMENT)),
        target=request.target,
        platforms=request.all_platforms,
    )


def _named(values: tuple[Argument, ...]) -> tuple[NamedValue, ...]:
    return tuple(NamedValue(**value.model_dump()) for value in values)


def heartbeat(shop: Workshop, bearer: Bearer) -> Heartbeat:
    """Note that the run's builder lives. Raises Superseded when it must stop."""
    run = own_run(shop, bearer)
    _note_life(shop, run)
    return Heartbeat(epoch=run.epoch)


def report(shop: Workshop, bearer: Bearer, told: Report) -> Run:
    """End the run, or hand it over, as its builder reports. Raises Superseded when it is no longer the builder's."""
    if (told.run_id, told.epoch) != (bearer.run_id, bearer.epoch):
        raise Conflict("The report is of another run than the builder's token.")
    try:
        own_run(shop, bearer)
    except Superseded:
        run = shop.store.get(bearer.registry, bearer.run_id)
        if run.is_terminal and run.epoch == bearer.epoch:
            return run
        raise
    run = conclude(shop, shop.store.get(bearer.registry, bearer.run_id), told)
    try:
        dispatch(shop, bearer.registry)
    except SlipwayError:
        _LOG.exception("the next run of %s waits for the queue", bearer.registry)
    return run


def _note_life(shop: Workshop, run: Run) -> None:
    active = shop.store.find_placed(run.registry, run.id)
    if active is not None:
        shop.store.note(replace(active, lease=shop.clock().timestamp()))
