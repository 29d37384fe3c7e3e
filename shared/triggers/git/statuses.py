"""Commit statuses: what became of a run, at the host of the commit that started it.

A message names a run and nothing else: what is told is how the run is when it is told, and once more if it has moved on
meanwhile. So a late message never puts an older state over a newer one, and one too many costs a request.
"""

from dataclasses import dataclass
from typing import Final

from shared.arm.wire import SourceTriggerCause
from shared.errors import NotFound
from shared.runs.causes import CauseKind
from shared.runs.context import Workshop
from shared.runs.model import Run, Status
from shared.settings import Settings
from shared.triggers.decisions import MAX_REASON, Decision, DecisionStore, Verdict
from shared.triggers.git.addresses import repository_key
from shared.triggers.git.rest.model import CommitStatus, NoApi, Refused, State
from shared.triggers.git.rest.opening import OpenApi
from shared.triggers.git.triggers import token_of, watched

_TURNS: Final = 5
_STATES: Final = {
    Status.QUEUED: State.QUEUED,
    Status.STARTED: State.QUEUED,
    Status.RUNNING: State.RUNNING,
    Status.SUCCEEDED: State.SUCCEEDED,
    Status.FAILED: State.FAILED,
    Status.TIMEOUT: State.FAILED,
    Status.CANCELED: State.CANCELED,
    Status.ERROR: State.ERROR,
}
_WORDS: Final = {
    State.QUEUED: "is queued",
    State.RUNNING: "is running",
    State.SUCCEEDED: "succeeded",
    State.FAILED: "failed",
    State.CANCELED: "was canceled",
    State.ERROR: "could not be executed",
}


def concerns(run: Run) -> bool:
    """Whether a run has a commit whose status it is."""
    return run.cause.source_trigger is not None and run.task is not None


@dataclass(frozen=True)
class StatusTeller:
    """Tells hosts of runs. `api` opens a host's API."""

    shop: Workshop
    api: OpenApi

    def tell(self, registry: str, run_id: str) -> None:
        """Set the status of a run's commit. Raises Unavailable where that may succeed later."""
        for _ in range(_TURNS):
            try:
                run = self.shop.store.get(registry, run_id)
            except NotFound:
                return
            cause = run.cause.source_trigger
            if cause is None or not self._told(run, cause):
                return
            if self.shop.store.get(registry, run_id).status is run.status:
                return

    def _told(self, run: Run, cause: SourceTriggerCause) -> bool:
        """Tell; False where the task has no token for the repository any more, or the host refuses for good."""
        try:
            spec = self.shop.tasks.read(run.registry, run.task or "").full
        except NotFound:
            return False
        repository = repository_key(cause.repository_url or "")
        for one in watched(spec.properties, self.shop.settings.git_hosts):
            token = token_of(spec, one.trigger.name)
            if one.repository != repository or not token:
                continue
            try:
                api = self.api(one.host, one.context.url, token)
                api.set_status(cause.commit_id or "", status_of(self.shop.settings, run))
            except NoApi:
                return False  # the hook has told already that this is a plain git server
            except Refused as refusal:
                self._record(run, one.trigger.name, refusal.message)
                return False
            return True
        return False

    def _record(self, run: Run, trigger: str, reason: str) -> None:
        decision = Decision(
            registry=run.registry,
            task=run.task or "",
            at=run.created,
            verdict=Verdict.REFUSED,
            cause=CauseKind.COMMIT,
            trigger=trigger,
            subject="the commit's status at the git host",
            reason=reason[:MAX_REASON],
        )
        DecisionStore(self.shop.storage.decisions).record(decision)


def status_of(settings: Settings, run: Run) -> CommitStatus:
    """Answer what a run's commit is to say. Pure."""
    state = _STATES[run.status]
    served = next(one for one in settings.registries if one.name.lower() == run.registry)
    link = settings.run_url.replace("{registry}", served.name).replace("{run}", run.id)
    error = f": {run.error}" if run.error and state in {State.FAILED, State.ERROR} else ""
    return CommitStatus(
        state=state,
        context=f"slipway/{served.name}/{run.task}",
        description=f"Run {run.id} {_WORDS[state]}{error}",
        link=link or f"{settings.public_url}{served.id}/runs/{run.id}?api-version=2025-03-01-preview",
    )
