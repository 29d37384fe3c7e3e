"""The receivers by the kind of their host."""

from shared.triggers.git.events import HostKind
from shared.triggers.git.host import GitHost
from shared.triggers.git.receivers.azure_devops import AzureDevOps
from shared.triggers.git.receivers.bitbucket_cloud import BitbucketCloud
from shared.triggers.git.receivers.bitbucket_server import BitbucketServer
from shared.triggers.git.receivers.gitea import Gitea
from shared.triggers.git.receivers.github import GitHub
from shared.triggers.git.receivers.gitlab import GitLab

_HOSTS: dict[HostKind, GitHost] = {
    HostKind.GITHUB: GitHub(),
    HostKind.AZURE_DEVOPS: AzureDevOps(),
    HostKind.GITLAB: GitLab(),
    HostKind.BITBUCKET_CLOUD: BitbucketCloud(),
    HostKind.BITBUCKET_SERVER: BitbucketServer(),
    HostKind.GITEA: Gitea(),
}


def git_host(kind: HostKind) -> GitHost:
    """Answer the receiver of a kind of host."""
    return _HOSTS[kind]
