"""Hooks at git hosts: made with the token of the first task that has one, removed after the last.

What is done at a host is looked for first, by the address that is in no other hook, so every step can be repeated:
after a crash, by the sweep, by a second task. A host that refuses for good refuses the task, as ACR Tasks does; one
that is away, or that is a plain git server, leaves the task with looks alone, which `explain` tells.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from shared.errors import NotFound, PreconditionFailed, SlipwayError, Unavailable
from shared.runs.causes import CauseKind
from shared.tasks.model import TaskSpec
from shared.triggers.decisions import MAX_REASON, Decision, DecisionStore, Verdict
from shared.triggers.git.hooking import hook_of, hook_url
from shared.triggers.git.hooks import Hook
from shared.triggers.git.rest.model import HookWanted, NoApi, Refused
from shared.triggers.git.rest.opening import OpenApi
from shared.triggers.git.triggers import Watched, token_of, watched
from shared.triggers.git.watching import Watching, follow

_PATIENCE: Final = timedelta(days=7)
"""How long a host is asked to remove a hook."""
_LOOKS_ALONE: Final = "Its branches are looked at; pull requests and tags start nothing until there is a hook."
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Subscriber:
    """Makes and removes hooks at hosts. `api` opens a host's API."""

    room: Watching
    api: OpenApi

    def prepare(self, registry: str, task: str, spec: TaskSpec) -> None:
        """Make the hooks that a task is about to need, before it is stored. Raises Refused where a host refuses.

        What is made for a task that is then not stored is found unused by the sweep.
        """
        if not self.room.shop.settings.git_hooks:
            return
        for watch, token in self._with_tokens(spec):
            self.room.watches.add(registry, watch.repository, task)
            try:
                self.subscribe(registry, watch, token)
            except (Unavailable, NoApi) as fault:
                self._tell(registry, task, watch, f"{fault.message} {_LOOKS_ALONE}")
            except Refused as refusal:
                follow(self.room, registry, task)
                self.clear()
                raise Refused(
                    f"{refusal.message} Without a token, or with SLIPWAY_GIT_HOOKS=false, branches are looked at."
                ) from None

    def subscribe(self, registry: str, watch: Watched, token: str) -> Hook:
        """See that the repository has its hook at the host. Raises Refused, NoApi or Unavailable."""
        hook = hook_of(self.room, registry, watch, watch.host)
        if hook.remote and hook.token == token:
            return hook
        api = self.api(hook.host, watch.context.url, token)
        wanted = HookWanted(hook_url(self.room, hook), hook.secrets[-1])
        remote = api.find_hook(wanted.url) or api.make_hook(wanted)
        try:
            return self.room.hooks.known_as(hook.id, remote, token)
        except (NotFound, PreconditionFailed):
            raise Unavailable("The hook of the repository is being changed by somebody else.") from None

    def rotate(self, hook: Hook) -> Hook:
        """Give a hook a new secret, here and at the host; both hold until the host has taken it."""
        changed = self.room.hooks.rotate(hook.id)
        if changed.remote:
            api = self.api(changed.host, changed.repository_url, changed.token)
            api.renew_hook(changed.remote, HookWanted(hook_url(self.room, changed), changed.secrets[-1]))
            changed = self.room.hooks.settle(changed.id)
        return changed

    def clear(self) -> None:
        """Remove at their hosts the hooks that nobody uses any more; one that cannot be removed now stays for later."""
        now = self.room.shop.clock()
        for hook, since in list(self.room.hooks.retired()):
            try:
                self.api(hook.host, hook.repository_url, hook.token).delete_hook(hook.remote)
            except Unavailable as fault:
                if now - since < _PATIENCE:
                    _LOG.info("a hook is removed at its host later: %s", fault.message)
                    continue
            except SlipwayError as refusal:
                _LOG.warning("a hook stays at its host: %s", refusal.message)
            self.room.hooks.delete(hook.id)

    def sweep(self, registries: Iterable[str]) -> None:
        """Make what a passing fault has left unmade, have failed deliveries sent again, remove what nobody uses."""
        since = self.room.shop.clock() - timedelta(hours=3)
        for registry in registries:
            for task in list(self.room.shop.tasks.all(registry)):
                if task.properties.trigger.source_triggers:
                    self._repair(registry, task.key, since)
        self.clear()

    def _repair(self, registry: str, task: str, since: datetime) -> None:
        try:
            spec = self.room.shop.tasks.read(registry, task).full
            for watch, token in self._with_tokens(spec):
                hook = self.subscribe(registry, watch, token)
                again = self.api(hook.host, hook.repository_url, hook.token).redeliver(hook.remote, since)
                if again:
                    _LOG.info("%d deliveries of %s are sent once more", again, watch.trigger.name)
        except SlipwayError as fault:
            _LOG.info("the hooks of the task %s are left for the next sweep: %s", task, fault.message)

    def _with_tokens(self, spec: TaskSpec) -> list[tuple[Watched, str]]:
        found = watched(spec.properties, self.room.shop.settings.git_hosts)
        enabled = (one for one in found if one.trigger.is_enabled)
        return [(one, token) for one in enabled if (token := token_of(spec, one.trigger.name))]

    def _tell(self, registry: str, task: str, watch: Watched, reason: str) -> None:
        decision = Decision(
            registry=registry,
            task=task.lower(),
            at=self.room.shop.clock(),
            verdict=Verdict.REFUSED,
            cause=CauseKind.COMMIT,
            trigger=watch.trigger.name,
            subject="the hook at the git host",
            reason=reason[:MAX_REASON],
        )
        DecisionStore(self.room.shop.storage.decisions).record(decision)
