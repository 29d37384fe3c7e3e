"""Tasks that watch repositories, on a real Azurite, and deliveries for them; a repository is a dictionary of refs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from shared.access.callers import Caller
from shared.arm.names import parse_registry_id
from shared.contexts import GitContext
from shared.errors import SlipwayError
from shared.runs.context import Workshop
from shared.runs.model import Run
from shared.settings import RegistrySettings
from shared.tasks.changes import Check, Setting, put_task
from shared.triggers.decisions import Decision, DecisionStore
from shared.triggers.git.events import (
    BRANCHES,
    NO_COMMIT,
    Actor,
    Event,
    HostKind,
    PullRequest,
    PullRequestAction,
    Push,
    Repository,
)
from shared.triggers.git.history import History
from shared.triggers.git.hooks import Hook
from shared.triggers.git.looking import Lookout, look_around
from shared.triggers.git.starting import Starter
from shared.triggers.git.watches import WatchStore
from shared.triggers.git.watching import Watching, follow, open_watching

URL = "https://git.example/yard/boat.git"
BOAT = Repository(name="yard/boat", clone_url=URL)


def commit(number: int) -> str:
    return f"{number:040x}"


def push(before: int, after: int, branch: str = "main", **changes: Any) -> Push:
    values: dict[str, Any] = {
        "repository": BOAT,
        "ref": BRANCHES + branch,
        "before": commit(before) if before else NO_COMMIT,
        "after": commit(after) if after else NO_COMMIT,
        "is_new": not before,
        "is_deleted": not after,
        "actor": Actor(name="ada", id="9"),
    }
    return Push(**(values | changes))


def pull_request(action: PullRequestAction, head: int, **changes: Any) -> PullRequest:
    values: dict[str, Any] = {
        "action": action,
        "number": 7,
        "repository": BOAT,
        "source": BOAT,
        "base_ref": BRANCHES + "main",
        "head_ref": BRANCHES + "topic",
        "head_commit": commit(head),
        "fetch_ref": "refs/pull/7/head",
        "is_fork": False,
        "actor": Actor(name="ada", id="9"),
    }
    return PullRequest(**(values | changes))


@dataclass
class Yard:
    """Stored tasks and what a test does with them."""

    shop: Workshop
    registry: RegistrySettings
    now: list[datetime]
    starter: Starter
    watching: Watching
    refs: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[GitContext, str | None]] = field(default_factory=list)
    fault: SlipwayError | None = None
    history: dict[tuple[int, int], tuple[int, ...] | SlipwayError | None] = field(default_factory=dict)
    """What lies between two commits, the newer one first."""
    asking: set[int] = field(default_factory=set)
    """Commits that ask for no build."""
    heard: int = 0

    @property
    def partition(self) -> str:
        return self.registry.name.lower()

    @property
    def hook(self) -> Hook:
        return Hook("0" * 32, self.partition, HostKind.GITHUB, URL, ("s",))

    def put(
        self, name: str = "vessel", step: Mapping[str, Any] | None = None, check: Check | None = None, **trigger: Any
    ) -> None:
        token = trigger.pop("token", "hunter2-pat")
        repository = {
            "sourceControlType": "Github",
            "repositoryUrl": trigger.pop("url", URL),
            "branch": trigger.pop("branch", "main"),
            "sourceControlAuthProperties": {"tokenType": "PAT", "token": token} if token else None,
        }
        properties = trigger.pop("properties", {})
        source = {
            "name": "default",
            "sourceTriggerEvents": trigger.pop("events", ["commit"]),
            "sourceRepository": repository,
            "status": trigger.pop("status", "Enabled"),
            "rules": trigger,
        }
        docker = {
            "type": "Docker",
            "dockerFilePath": "Dockerfile",
            "imageNames": ["boat:{{.Run.ID}}"],
            "contextPath": f"{URL}#main:hull",
            "contextAccessToken": "hunter2-pat",
            "arguments": [{"name": "OPEN", "value": "1"}, {"name": "KEY", "value": "hunter2-key", "isSecret": True}],
        }
        told = {"step": docker | dict(step or {}), "trigger": {"sourceTriggers": [source]}}
        body = {"properties": told | properties}
        setting = Setting(
            parse_registry_id(self.registry.id), "local", "tenant", Caller("me", "User", frozenset()), self.now[0]
        )
        put_task(self.shop.tasks, setting, name, body, check or (lambda _: None))
        follow(self.watching, self.partition, name)

    def delete(self, name: str = "vessel") -> None:
        self.shop.tasks.delete(self.partition, name)
        follow(self.watching, self.partition, name)

    def hear(self, event: Event, key: str | None = None) -> str:
        """Hand an event on as the drain does, and answer its key."""
        self.now[0] += timedelta(milliseconds=200)
        self.heard += 1
        key = key or f"key{self.heard}"
        self.starter.on_event(self.partition, self.hook, event, key)
        return key

    def look(self, minutes: int = 1) -> None:
        self.now[0] += timedelta(minutes=1)

        def read(context: GitContext, token: str | None) -> Mapping[str, str]:
            self.asked.append((context, token))
            if self.fault:
                raise self.fault
            return dict(self.refs)

        def read_history(_: GitContext, __: str | None, newer: str, older: str) -> History:
            found = self.history.get((int(newer, 16), int(older or "0", 16)), ())
            if isinstance(found, SlipwayError):
                raise found
            between = None if found is None else tuple(commit(one) for one in found)
            told = {*(between or ()), newer}
            return History(between, frozenset(one for one in told if int(one, 16) in self.asking))

        watches = WatchStore(self.shop.storage.watches)
        look_around(Lookout(self.shop, watches, self.starter, read, read_history), self.partition, minutes)

    def point(self, number: int, branch: str = "main") -> None:
        self.refs[BRANCHES + branch] = commit(number)

    @property
    def runs(self) -> list[Run]:
        """All runs, oldest first."""
        return list(self.shop.store.newest(self.partition))[::-1]

    @property
    def built(self) -> list[int]:
        """The commits of all runs, oldest first."""
        return [int(run.cause.source_trigger.commit_id or "", 16) for run in self.runs if run.cause.source_trigger]

    def decisions(self, name: str = "vessel") -> list[Decision]:
        """Answer the decisions about a task, newest first."""
        return DecisionStore(self.shop.storage.decisions).newest(self.partition, name, 50)


def open_yard(shop: Workshop, registry: RegistrySettings, now: list[datetime]) -> Yard:
    return Yard(shop, registry, now, Starter(shop), open_watching(shop))
