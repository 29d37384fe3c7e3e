"""Execute one step of a task, whatever its kind."""

import asyncio
import posixpath
import time

from builder.engine.protocol import Container
from builder.faults import EngineUnavailable, Fenced, StepFailed, reason
from builder.tasks.attempts import Attempts, attempt_all
from builder.tasks.builds import run_build
from builder.tasks.pushes import run_push
from builder.tasks.room import WORKSPACE, Room
from shared.errors import SlipwayError
from shared.grant import SpanName
from shared.language import AnyStep, BuildStep, CmdStep, ContainerStep, PushStep


async def run_step(room: Room, step: AnyStep) -> None:
    """Execute a step from its first line in the log to its last.

    Raises StepFailed when it fails and does not ignore that; the reason has been said then.
    """
    directory, network = "", room.plan.default_network
    if isinstance(step, ContainerStep):
        directory, network = step.working_directory, step.network
    room.log.line(
        f"Executing step ID: {step.id}. Timeout(sec): {step.timeout}, "
        f"Working directory: '{directory}', Network: '{network}'"
    )
    try:
        await _execute(room, step)
    except (Fenced, EngineUnavailable):
        raise
    except SlipwayError as fault:
        _failed(room, step, reason(fault))


def _failed(room: Room, step: AnyStep, why: str) -> None:
    if step.ignore_errors:
        room.log.line(f"Step ID: {step.id} encountered an error: {why}, but is set to ignore errors. Continuing...")
        return
    said = f"failed to run step ID: {step.id}: {why}"
    if not room.failed:
        room.failed = True
        room.log.plain(said)
    raise StepFailed(f"exit status 1: {said}")


async def _execute(room: Room, step: AnyStep) -> None:
    if step.start_delay > 0:
        room.log.line(f"Waiting {step.start_delay} seconds before executing step ID: {step.id}")
        await asyncio.sleep(step.start_delay)
    if isinstance(step, CmdStep) and step.pull:
        await _pull(room, step)
    deadline = asyncio.get_running_loop().time() + step.timeout
    began = time.monotonic()
    try:
        with room.shop.spans.span(SpanName.STEP, step.id):
            match step:
                case CmdStep():
                    await _run_cmd(room, step, deadline)
                case BuildStep():
                    await run_build(room, step, deadline)
                case PushStep():
                    await run_push(room, step, deadline)
    finally:
        room.took[step.id] = time.monotonic() - began


async def _pull(room: Room, step: CmdStep) -> None:
    room.log.line("Step specified pull. Performing an explicit pull...")
    attempts = Attempts(retries=step.download_retries, delay=step.download_retry_delay)
    await attempt_all(room.log, "", lambda write: room.containers.pull(step.image, write), attempts, None)


async def _run_cmd(room: Room, step: CmdStep, deadline: float) -> None:
    container = container_of(step)
    attempts = Attempts(retries=step.retries, delay=step.retry_delay, only_on=step.retry_on_errors, repeat=step.repeat)
    room.started.append(step.id)
    await attempt_all(room.log, step.id, lambda write: room.containers.run(container, write), attempts, deadline)


def container_of(step: CmdStep) -> Container:
    """Return the container of a `cmd` step. Pure."""
    own_directory = step.disable_working_directory_override
    return Container(
        name=step.id,
        command=step.cmd,
        directory=None if own_directory else directory_of(step),
        network=step.network,
        entry_point=step.entry_point,
        user=step.user,
        isolation=step.isolation,
        cpus=step.cpus,
        environment=step.environment,
        ports=step.ports,
        expose=step.expose,
        volume_mounts=step.volume_mounts,
        detach=step.detach,
        keep=step.keep,
        privileged=step.privileged,
    )


def directory_of(step: ContainerStep) -> str:
    """Return the absolute working directory of a step: a relative one is below the workspace. Pure."""
    return posixpath.normpath(posixpath.join(WORKSPACE, step.working_directory))
