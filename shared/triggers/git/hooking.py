"""The hook of a trigger's repository, to be set up at the host by hand: one per repository and kind of host."""

from collections.abc import Mapping

from shared.arm.wire import Wire
from shared.errors import InvalidRequest, Unavailable
from shared.triggers.git.events import HostKind
from shared.triggers.git.hooks import Hook
from shared.triggers.git.triggers import TYPE_NAMES, Watched, find_watched, named_kind
from shared.triggers.git.watching import Watching

_EVENTS: Mapping[HostKind, tuple[str, ...]] = {
    HostKind.GITHUB: ("push", "pull_request"),
    HostKind.AZURE_DEVOPS: ("git.push", "git.pullrequest.created", "git.pullrequest.updated", "git.pullrequest.merged"),
    HostKind.GITLAB: ("Push events", "Tag push events", "Merge request events"),
    HostKind.BITBUCKET_CLOUD: (
        "repo:push",
        "pullrequest:created",
        "pullrequest:updated",
        "pullrequest:fulfilled",
        "pullrequest:rejected",
    ),
    HostKind.BITBUCKET_SERVER: (
        "repo:refs_changed",
        "pr:opened",
        "pr:from_ref_updated",
        "pr:modified",
        "pr:merged",
        "pr:declined",
        "pr:deleted",
    ),
    HostKind.GITEA: ("push", "create", "pull_request", "pull_request_sync"),
}


class HookToPaste(Wire):
    """What to enter at the host. `secret` is shown to contributors alone."""

    url: str
    secret: str
    content_type: str = "application/json"
    source_control_type: str
    events: tuple[str, ...]
    username: str | None = None
    """For hosts that sign nothing: the user of basic authentication, whose password is the secret."""


def hook_to_paste(room: Watching, registry: str, task: str, trigger: str, host: str | None = None) -> HookToPaste:
    """Answer the hook of a trigger's repository; it is made when it is asked for first.

    `host` is a `sourceControlType` to be used in place of the trigger's. Raises NotFound, InvalidRequest or
    Unavailable.
    """
    watch = _trigger(room, registry, task, trigger)
    kind = named_kind(host) if host else watch.host
    if kind is None:
        known = ", ".join(TYPE_NAMES.values())
        raise InvalidRequest(f"The sourceControlType must be one of {known}.", target="sourceControlType")
    room.watches.add(registry, watch.repository, task)
    hook = hook_of(room, registry, watch, kind)
    return HookToPaste(
        url=hook_url(room, hook),
        secret=hook.secrets[-1],
        source_control_type=TYPE_NAMES[kind],
        events=_EVENTS[kind],
        username="slipway" if kind is HostKind.AZURE_DEVOPS else None,
    )


def hook_of(room: Watching, registry: str, watch: Watched, kind: HostKind) -> Hook:
    """Answer the hook of a repository at a kind of host; it is made when there is none. Raises Unavailable."""
    made: list[Hook] = []

    def fresh() -> str:
        if not made:
            made.append(room.hooks.create(registry, kind, watch.context.url))
        return made[0].id

    identifier = room.watches.hook(registry, watch.repository, kind, fresh)
    for unused in (hook for hook in made if hook.id != identifier):
        room.hooks.delete(unused.id)
    found = room.hooks.find(identifier)
    if found is None:
        raise Unavailable("The hook of the repository was removed at this moment; ask again.")
    return found


def hook_of_trigger(room: Watching, registry: str, task: str, trigger: str) -> Hook:
    """Answer the hook of a trigger's repository at the trigger's kind of host. Raises as `hook_to_paste` does."""
    watch = _trigger(room, registry, task, trigger)
    return hook_of(room, registry, watch, watch.host)


def hook_url(room: Watching, hook: Hook) -> str:
    """Answer where a hook's deliveries go."""
    return f"{room.shop.settings.public_url}/hooks/{hook.id}"


def _trigger(room: Watching, registry: str, task: str, name: str) -> Watched:
    found = find_watched(room.shop.tasks.get(registry, task).properties, name, room.shop.settings.git_hosts)
    if found is None:
        raise InvalidRequest(
            f"The task '{task}' has no source trigger '{name}' for a repository that can be reached by https.",
            code="SourceTriggerNotFound",
            target="sourceTriggers",
        )
    return found
