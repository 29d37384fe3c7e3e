"""The API of a repository's host, by the kind of host and the repository's address. Pure but for the client."""

from collections.abc import Callable
from typing import Final
from urllib.parse import unquote, urlsplit

import httpx

from shared.triggers.git.events import HostKind
from shared.triggers.git.rest import azure_devops, bitbucket_cloud, bitbucket_server, gitea, github, gitlab
from shared.triggers.git.rest.model import HostApi, NoApi

OpenApi = Callable[[HostKind, str, str], HostApi]
"""Answers the API for (kind of host, the repository's https address, a token). Raises NoApi."""

_OWNER_AND_NAME: Final = 2
_MARK: Final = "_git"
_SCM: Final = "scm"


def open_api(client: httpx.Client, kind: HostKind, address: str, token: str) -> HostApi:
    """Return the API of a repository. Raises NoApi for an address that names no repository of such a host."""
    parts = urlsplit(address)
    host, path = parts.netloc.rpartition("@")[2].lower(), [unquote(one) for one in parts.path.split("/") if one]
    if path and path[-1] != _MARK:
        path[-1] = path[-1].removesuffix(".git")
    match kind:
        case HostKind.AZURE_DEVOPS:
            return _azure_devops(client, host, path, token)
        case HostKind.BITBUCKET_SERVER:
            return _bitbucket_server(client, host, path, token)
        case HostKind.GITLAB if path:
            return gitlab.GitLab(gitlab.door(client, host, token), "/".join(path))
    if len(path) != _OWNER_AND_NAME:
        raise _no_repository(host)
    owner, name = path
    match kind:
        case HostKind.GITEA:
            return gitea.Gitea(gitea.door(client, host, token), owner, name)
        case HostKind.BITBUCKET_CLOUD:
            return bitbucket_cloud.BitbucketCloud(bitbucket_cloud.door(client, token), owner, name)
        case HostKind.GITHUB:
            return github.GitHub(github.door(client, host, token), owner, name)
    raise _no_repository(host)


def _azure_devops(client: httpx.Client, host: str, path: list[str], token: str) -> HostApi:
    """Read `organization/project/_git/name`, `project/_git/name` and, for both, without the project."""
    if _MARK not in path[:-1]:
        raise _no_repository(host)
    mark = path.index(_MARK)
    before, name = path[:mark], path[mark + 1]
    needs_organization = not host.endswith(".visualstudio.com")
    if needs_organization and not before:
        raise _no_repository(host)
    own = before[:1] if needs_organization else []
    rest = before[len(own) :]
    if not needs_organization and rest[:1] == ["DefaultCollection"]:
        rest = rest[1:]
    project = rest[-1] if rest else name
    place = "/".join([host, *own, *rest[:-1]])
    return azure_devops.AzureDevOps(azure_devops.door(client, place, token), project, name)


def _bitbucket_server(client: httpx.Client, host: str, path: list[str], token: str) -> HostApi:
    """Read `[below/]scm/project/name`."""
    if _SCM not in path or len(path) - path.index(_SCM) != _OWNER_AND_NAME + 1:
        raise _no_repository(host)
    mark = path.index(_SCM)
    door = bitbucket_server.door(client, "/".join([host, *path[:mark]]), token)
    return bitbucket_server.BitbucketServer(door, path[mark + 1], path[mark + 2])


def _no_repository(host: str) -> NoApi:
    return NoApi(f"The address names no repository of {host} that the API of a git host could know.")
