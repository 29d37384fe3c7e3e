"""The receivers by the kind of their host."""

from shared.triggers.git.azure_devops import AzureDevOps
from shared.triggers.git.bitbucket_cloud import BitbucketCloud
from shared.triggers.git.bitbucket_server import BitbucketServer
from shared.triggers.git.events import HostKind
from shared.triggers.git.gitea import Gitea
from shared.triggers.git.github import GitHub
from shared.triggers.git.gitlab import GitLab
from shared.triggers.git.host import GitHost

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
