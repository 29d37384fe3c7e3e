"""The source triggers of a stored task, as the git room sees them. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from shared.contexts import GitContext, read_repository
from shared.errors import SlipwayError
from shared.tasks.model import (
    Enabled,
    EncodedTaskStep,
    GitRules,
    SourceEvent,
    SourceTrigger,
    TaskProperties,
    TaskSpec,
)
from shared.triggers.git.addresses import repository_key
from shared.triggers.git.events import HostKind
from shared.triggers.git.matching import GitTrigger

_DEFAULT_BRANCH = "master"
"""What az takes for the branch when none is named."""
_NO_RULES = GitRules()
_NO_HOSTS: Mapping[str, str] = {}
_TYPES = {
    "github": HostKind.GITHUB,
    "visualstudioteamservice": HostKind.AZURE_DEVOPS,
    "azuredevops": HostKind.AZURE_DEVOPS,
    "gitlab": HostKind.GITLAB,
    "bitbucket": HostKind.BITBUCKET_CLOUD,
    "bitbucketserver": HostKind.BITBUCKET_SERVER,
    "gitea": HostKind.GITEA,
    "forgejo": HostKind.GITEA,
}
TYPE_NAMES = {
    HostKind.GITHUB: "Github",
    HostKind.AZURE_DEVOPS: "VisualStudioTeamService",
    HostKind.GITLAB: "Gitlab",
    HostKind.BITBUCKET_CLOUD: "Bitbucket",
    HostKind.BITBUCKET_SERVER: "BitbucketServer",
    HostKind.GITEA: "Gitea",
}
"""What runs and answers call the kinds; the first two are the published API's."""
_HINTS = {
    "gitlab": HostKind.GITLAB,
    "bitbucket.org": HostKind.BITBUCKET_CLOUD,
    "bitbucket": HostKind.BITBUCKET_SERVER,
    "gitea": HostKind.GITEA,
    "forgejo": HostKind.GITEA,
    "codeberg.org": HostKind.GITEA,
}


@dataclass(frozen=True)
class Watched:
    """A source trigger, and the repository that it watches."""

    trigger: GitTrigger
    repository: str
    """The repository's key."""
    context: GitContext
    host: HostKind
    supersedes: bool


def watched(properties: TaskProperties, hosts: Mapping[str, str] = _NO_HOSTS) -> Iterator[Watched]:
    """Answer the source triggers of a task; one whose repository cannot be reached by https watches nothing.

    `hosts` tells the kind of hosts by name, or name and port, in the words of `sourceControlType`.
    """
    for source in properties.trigger.source_triggers:
        context = _repository(source.source_repository.repository_url)
        if context is not None:
            yield _watched(source, context, hosts)


def find_watched(properties: TaskProperties, name: str, hosts: Mapping[str, str] = _NO_HOSTS) -> Watched | None:
    """Answer a source trigger by its name in any case."""
    return next((one for one in watched(properties, hosts) if one.trigger.name.lower() == name.lower()), None)


def _watched(source: SourceTrigger, context: GitContext, hosts: Mapping[str, str]) -> Watched:
    repository, rules = source.source_repository, source.rules or _NO_RULES
    trigger = GitTrigger(
        name=source.name,
        repository_url=context.url,
        branch=repository.branch or context.reference or _DEFAULT_BRANCH,
        is_enabled=source.status is Enabled.ENABLED,
        on_commit=SourceEvent.COMMIT in source.source_trigger_events,
        on_pull_request=SourceEvent.PULL_REQUEST in source.source_trigger_events,
        branches=rules.branches,
        tags=rules.tags,
        paths=rules.paths,
        ignored_paths=rules.ignored_paths,
        actors=rules.actors,
        honours_skip=rules.honours_skip,
        allows_drafts=not rules.ignores_drafts,
        allows_forks=rules.allows_forks,
    )
    host = host_kind(_configured(hosts, context.url) or repository.source_control_type, context.url)
    return Watched(trigger, repository_key(context.url), context, host, rules.supersedes)


def _configured(hosts: Mapping[str, str], url: str) -> str | None:
    parts = urlsplit(url)
    return hosts.get(parts.netloc.rpartition("@")[2].lower()) or hosts.get(parts.hostname or "")


def host_kind(told: str, url: str) -> HostKind:
    """Answer the kind of a host. Raises nothing: what nobody knows speaks as GitHub does.

    az says `VisualStudioTeamService` for every address without `github.com`, so that word counts only where an
    address is one of Azure DevOps.
    """
    kind = _TYPES.get(told.lower())
    parts = urlsplit(url)
    if kind not in {None, HostKind.AZURE_DEVOPS}:
        return kind or HostKind.GITHUB
    if "/_git/" in parts.path:
        return HostKind.AZURE_DEVOPS
    return next((known for hint, known in _HINTS.items() if hint in (parts.hostname or "")), HostKind.GITHUB)


def named_kind(name: str) -> HostKind | None:
    """Answer the kind of host that a client names, or None."""
    return _TYPES.get(name.lower())


def location_of(spec: TaskSpec, watch: Watched, commit: str) -> str | None:
    """Answer the context of a run for one commit of the trigger's repository.

    None when the task builds no context, or that of another repository: then it is run as it is.
    """
    step, sources = spec.properties.step, spec.properties.trigger.source_triggers
    own = step.context_path if step else None
    if not own:
        if step is None or isinstance(step, EncodedTaskStep) or len(sources) != 1:
            return None
        own = sources[0].source_repository.repository_url
    context = _repository(own)
    if context is None or repository_key(context.url) != watch.repository:
        return None
    directory = f":{context.directory}" if context.directory else ""
    return f"{own.partition('#')[0]}#{commit}{directory}"


def token_of(spec: TaskSpec, name: str) -> str | None:
    """Answer the token by which a trigger's repository is read: the trigger's own, or its context's if that is it."""
    properties = spec.properties
    source = next((one for one in properties.trigger.source_triggers if one.name == name), None)
    if source is None:
        return None
    auth = source.source_repository.source_control_auth_properties
    if auth and auth.token:
        return auth.token
    step = properties.step
    there = _repository(source.source_repository.repository_url)
    here = _repository(step.context_path) if step and step.context_path else there
    same = here and there and repository_key(here.url) == repository_key(there.url)
    return step.context_access_token if step and same else None


def _repository(text: str) -> GitContext | None:
    try:
        return read_repository(f"https://{text}" if text.startswith("github.com/") else text)
    except SlipwayError:
        return None
