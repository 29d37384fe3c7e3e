"""What a delivery of a git host says, in one form for all hosts.

Facts stand as the host told them: a commit or a ref that is not a legal one is still reported here and
refused where something would be done with it (`matching.py`). What a host did not tell is an empty text,
None or an empty tuple, as each member says.
"""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

NO_COMMIT = "0" * 40
"""In place of a commit: the ref did not exist before, or does not exist any more."""
BRANCHES = "refs/heads/"
TAGS = "refs/tags/"


def is_no_commit(commit: str) -> bool:
    """Whether a host wrote zeros in place of a commit (40 for SHA-1, 64 for SHA-256)."""
    return bool(commit) and not commit.strip("0")


class HostKind(StrEnum):
    """The git hosts that are understood; Enterprise Server is GitHub, Forgejo and Gogs are Gitea here."""

    GITHUB = "github"
    AZURE_DEVOPS = "azure-devops"
    GITLAB = "gitlab"
    BITBUCKET_CLOUD = "bitbucket-cloud"
    BITBUCKET_SERVER = "bitbucket-server"
    GITEA = "gitea"


class Fact(BaseModel):
    """Base of all that an event is made of."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Actor(Fact):
    """Who did it: the host's login name and its stable id, each empty when not told."""

    name: str = ""
    id: str = ""


class Repository(Fact):
    """A repository as its host names it.

    `name` is the path below the host (`owner/name`), `clone_url` the HTTP(S) one; each empty when not told.
    """

    id: str = ""
    name: str = ""
    clone_url: str = ""
    web_url: str = ""
    default_branch: str = ""


class Commit(Fact):
    """One commit of a push; `paths` are the files that it touched, None when the host does not tell."""

    id: str
    paths: tuple[str, ...] | None = None


class Push(Fact):
    """One ref that was created, moved or deleted. A delivery that moves several refs holds several of these."""

    kind: Literal["push"] = "push"
    repository: Repository
    ref: str
    """The full name, `refs/heads/…` or `refs/tags/…`."""
    before: str = ""
    """What the ref pointed to; zeros for a new ref, empty when not told."""
    after: str = ""
    """What the ref points to now: the newest commit of the push; zeros for a deleted ref, empty when not told."""
    commit: str = ""
    """The commit of a tag, where the host tells it: `after` is the tag object itself when it is an annotated one."""
    is_new: bool = False
    is_deleted: bool = False
    is_forced: bool | None = None
    """Whether the old commit is no ancestor of the new one; None when the host does not tell."""
    commits: tuple[Commit, ...] = ()
    is_complete: bool = False
    """Whether `commits` are all commits of the push with all their paths."""
    asks_to_skip: bool = False
    """Whether the message of the newest commit asks for no build, as in `[skip ci]`."""
    actor: Actor = Actor()

    @property
    def branch(self) -> str:
        """The branch's name, empty for anything else."""
        return self.ref.removeprefix(BRANCHES) if self.ref.startswith(BRANCHES) else ""

    @property
    def tag(self) -> str:
        """The tag's name, empty for anything else."""
        return self.ref.removeprefix(TAGS) if self.ref.startswith(TAGS) else ""

    @property
    def paths(self) -> frozenset[str] | None:
        """Every file that the push touched, or None when that is not known.

        A forced push also takes commits away, whose files no host tells.
        """
        if not self.is_complete or self.is_forced:
            return None
        return frozenset(path for commit in self.commits for path in commit.paths or ())


class PullRequestAction(StrEnum):
    """What happened to a pull request, as far as it matters here."""

    OPENED = "opened"
    UPDATED = "updated"
    """Its source branch moved."""
    REOPENED = "reopened"
    READY = "ready"
    """It was a draft until now."""
    RETARGETED = "retargeted"
    """It is for another branch now."""
    CLOSED = "closed"
    MERGED = "merged"
    OTHER = "other"


class PullRequest(Fact):
    """A pull request (merge request) and what happened to it."""

    kind: Literal["pull_request"] = "pull_request"
    action: PullRequestAction
    told: str = ""
    """The action in the host's own word."""
    number: int
    repository: Repository
    """Where the pull request is and would be merged."""
    source: Repository = Repository()
    """Where its commits come from; the same repository unless it is from a fork."""
    base_ref: str = ""
    """The full name of the branch that it is for."""
    base_commit: str = ""
    head_ref: str = ""
    """The full name of its branch in `source`."""
    head_commit: str = ""
    """Its newest commit; Bitbucket Cloud tells the first twelve digits only."""
    previous_commit: str = ""
    """Its newest commit before this, where the host tells."""
    fetch_ref: str = ""
    """The ref in `repository` from which its newest commit can be fetched; empty where the host has none."""
    merge_ref: str = ""
    """The ref in `repository` of the trial merge; empty where the host has none."""
    is_fork: bool
    is_draft: bool = False
    asks_to_skip: bool = False
    """Whether the message of the newest commit, where told, asks for no build."""
    actor: Actor = Actor()

    @property
    def base_branch(self) -> str:
        """The name of the branch that the pull request is for."""
        return self.base_ref.removeprefix(BRANCHES)

    @property
    def head_branch(self) -> str:
        """The name of the branch that the pull request comes from."""
        return self.head_ref.removeprefix(BRANCHES)


class Ping(Fact):
    """The host tries the hook."""

    kind: Literal["ping"] = "ping"


class Ignored(Fact):
    """An event from which nothing follows; `reason` is a sentence."""

    kind: Literal["ignored"] = "ignored"
    reason: str


Event = Annotated[Push | PullRequest | Ping | Ignored, Field(discriminator="kind")]


class Delivery(Fact):
    """One request of a git host, understood."""

    id: str = ""
    """The host's own id of the delivery, empty when it gives none. Nothing vouches for it: it is not signed."""
    events: tuple[Event, ...]
    """At least one."""
