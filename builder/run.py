"""One run from its grant to its report."""

import asyncio
import logging
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass
from traceback import format_tb
from typing import Any, Final

import httpx

from builder.append_blob import AppendBlob, Pace
from builder.contents.telling import promises
from builder.contexts.choose import Means, explained, source_of
from builder.contexts.source import Context
from builder.control import RunLink
from builder.engine.protocol import Engine
from builder.environment import Paths
from builder.faults import ContextRefused, Fenced, NeedsFull, NeedsSteps, StepFailed, reason
from builder.log import RunLog
from builder.report import tell
from builder.shop import Made, Shop
from builder.spans import Spans
from builder.steps import docker_build
from builder.tasks.task import run_task
from builder.trust import BUNDLE
from shared.contexts import secret_parts
from shared.errors import InvalidRequest, SlipwayError
from shared.grant import Grant, Outcome, Report, SpanName

_log = logging.getLogger("slipway.builder")
_FAILED: Final = "failed during run, err: "
_LOG_GRACE: Final = 60.0
_REPORT_GRACE: Final = 600.0


@dataclass(frozen=True, slots=True)
class Tools:
    """What a run is executed with, the same for every run."""

    engine: Engine
    http: httpx.AsyncClient
    paths: Paths


async def execute(tools: Tools, link: RunLink, grant: Grant) -> Report:
    """Execute the run and deliver its report.

    Raises Fenced, with everything stopped and nothing reported, when the run is no longer ours, and
    Unavailable when the report could not be delivered.
    """
    return await _Execution(tools, link, grant).execute()


class _Execution:
    def __init__(self, tools: Tools, link: RunLink, grant: Grant) -> None:
        self._tools = tools
        self._link = link
        self._grant = grant
        self._spans = Spans()
        loop = asyncio.get_running_loop()
        self._deadline = loop.time() + grant.timeout_seconds
        self._fence: asyncio.Future[Fenced] = loop.create_future()
        self._blob = AppendBlob(
            tools.http,
            grant.log_url,
            pace=Pace(seconds=grant.timeout_seconds + _LOG_GRACE),
            on_closed=lambda: self._stop(Fenced("somebody else has closed the log")),
            position=grant.log_position,
        )
        self._log = RunLog(self._blob.write, tuple(_secrets(grant)))

    async def execute(self) -> Report:
        pump = asyncio.create_task(self._blob.run())
        beat = asyncio.create_task(self._beat())
        try:
            report = await self._unless_fenced(self._work())
            self._blob.finish(_LOG_GRACE)
            await self._unless_fenced(_ended(pump))
            left = max(0.0, self._deadline - asyncio.get_running_loop().time()) + _REPORT_GRACE
            # What the app answers here is its last word: a heartbeat of this moment may be told that the run has ended.
            await tell(self._tools.http, self._link, self._grant.result_url, report, left)
            return report
        finally:
            pump.cancel()
            beat.cancel()
            await asyncio.wait({pump, beat})

    def _stop(self, fault: Fenced) -> None:
        if not self._fence.done():
            self._fence.set_result(fault)

    async def _unless_fenced[T](self, work: Coroutine[None, None, T]) -> T:
        """Do the work, but stop it at once when the run turns out not to be ours."""
        task = asyncio.create_task(work)
        try:
            either: set[asyncio.Future[Any]] = {task, self._fence}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if self._fence.done():
                raise self._fence.result()
            return await task
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait({task})

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._grant.heartbeat_seconds)
            try:
                await self._link.heartbeat()
            except Fenced as fault:
                self._stop(fault)
                return
            except SlipwayError as fault:
                _log.warning("heartbeat: %s", fault.message)

    async def _work(self) -> Report:
        """Do what the grant asks, and put whatever happens into a report."""
        try:
            async with asyncio.timeout_at(self._deadline):
                made = await self._do()
        except TimeoutError:
            return self._report(Outcome.TIMEOUT, f"{_FAILED}context deadline exceeded")
        except ContextRefused as fault:
            return self._report(Outcome.FAILED, explained(self._grant.source, fault))
        except StepFailed as fault:
            return self._failed(fault)
        except Fenced:
            raise
        except SlipwayError as fault:
            return self._report(Outcome.ERROR, f"{_FAILED}{reason(fault)}")
        except Exception as fault:  # noqa: BLE001 -- whatever happens, the run must get its end
            # Only where, not what: the text of an unforeseen error may hold anything.
            _log.error("a fault of the builder: %s\n%s", type(fault).__name__, "".join(format_tb(fault.__traceback__)))
            return self._report(Outcome.ERROR, f"{_FAILED}a fault of the builder ({type(fault).__name__})")
        return self._report(Outcome.SUCCEEDED, None, made)

    async def _do(self) -> Made:
        work, tools = self._grant.work, self._tools
        if not (work.docker_build or work.file_task or work.encoded_task):
            raise InvalidRequest("this builder knows Docker builds and tasks, nothing else")
        private = tools.paths.private
        means = Means(tools.http, private, private / BUNDLE, self._link.login)
        context = await self._context(means)
        shop = Shop(
            self._grant,
            tools.engine,
            self._link,
            tools.http,
            self._log,
            tools.paths.home,
            means,
            self._spans,
            self._deadline,
        )
        if work.docker_build:
            return await docker_build(shop, work.docker_build, context)
        return await run_task(shop, context)

    async def _context(self, means: Means) -> Context:
        root = self._tools.paths.workspace
        root.mkdir(parents=True, exist_ok=True)
        source = source_of(self._grant, means)
        if source is None:
            return Context(root)
        self._log.line("Downloading source code...")
        with self._spans.span(SpanName.CONTEXT):
            context = await source.fetch(root)
        self._log.line("Finished downloading source code")
        return context

    def _failed(self, fault: StepFailed) -> Report:
        """Tell of a failure, or give the run back where another builder can do what this one cannot."""
        error = f"{_FAILED}{reason(fault)}"
        if isinstance(fault, NeedsSteps):
            self._log.line("The run goes on in a container group that has a container for each step.")
            return self._report(Outcome.FAILED, error, said=True).model_copy(update={"steps": fault.steps})
        if not isinstance(fault, NeedsFull):
            return self._report(Outcome.FAILED, error, said=True)
        if not self._grant.may_hand_over:
            return self._report(Outcome.FAILED, error)
        self._log.line(f"{reason(fault)}.")
        self._log.line("The run is handed over to a full builder.")
        return self._report(Outcome.FAILED, error, said=True).model_copy(update={"needs_full": True})

    def _report(self, outcome: Outcome, error: str | None, made: Made | None = None, *, said: bool = False) -> Report:
        """Make the report; unless a step has `said` why it failed, the log says it now."""
        made = made or Made()
        error = self._log.mask(error) if error else None
        if error and not said:
            self._log.line(error)
        return Report(
            run_id=self._grant.run_id,
            epoch=self._grant.epoch,
            outcome=outcome,
            error=error,
            images=made.images,
            dependencies=made.dependencies,
            tells_contents=promises(self._grant, made.images),
            platforms=made.platforms if made.platforms != (self._grant.platform,) else (),
            spans=self._spans.made,
        )


async def _ended(task: asyncio.Task[None]) -> None:
    await asyncio.wait({task})


def _secrets(grant: Grant) -> Iterator[str]:
    """All values of the grant that nobody may read in the log."""
    yield grant.run_token
    yield from grant.secrets.values()
    yield from (login.token for login in grant.logins if login.token)
    yield from (login.password for login in grant.logins if login.password)
    if grant.source.token:
        yield grant.source.token
    yield from secret_parts(grant.source.location or "")
    work = grant.work
    for values in (
        work.docker_build.arguments if work.docker_build else (),
        work.file_task.values if work.file_task else (),
        work.encoded_task.values if work.encoded_task else (),
    ):
        yield from (one.value for one in values if one.is_secret)
