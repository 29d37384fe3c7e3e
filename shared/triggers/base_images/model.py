"""Base images, what they hold, who stands on them, and rebuilds that are due. Pure.

A change of a tag's digest makes a new generation of it. Everything counts in generations and not in digests, so a
tag that is rolled back is a change like any other.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Self

from shared.errors import LanguageError
from shared.grant import Platform
from shared.images import platforms
from shared.images.references import ACR_NAME_OF_DOCKER_HUB, DOCKER_HUB, Reference
from shared.storage import Row

_DOCKER_HUB_NAMES = frozenset({ACR_NAME_OF_DOCKER_HUB, DOCKER_HUB, "index.docker.io", "registry-1.docker.io"})
_KEY_LETTERS = 32


@dataclass(frozen=True, slots=True)
class BaseTag:
    """A tag of a repository of a registry, by the one name that all its spellings share."""

    registry: str
    repository: str
    tag: str

    @classmethod
    def of(cls, registry: str, repository: str, tag: str | None) -> Self | None:
        """Answer the tag that is meant; None where the words name none."""
        host = registry.lower()
        host = DOCKER_HUB if host in _DOCKER_HUB_NAMES else host
        try:
            found = Reference.parse(f"{host}/{repository}:{tag or ''}")
        except LanguageError:
            return None
        return cls(host, found.repository, found.tag) if found.tag and found.registry == host else None

    @property
    def key(self) -> str:
        """The storage key."""
        return hashlib.sha256(str(self).encode()).hexdigest()[:_KEY_LETTERS]

    @property
    def reference(self) -> Reference:
        """What a registry is asked for."""
        return Reference(self.registry, self.repository, self.tag)

    def __str__(self) -> str:
        return f"{self.registry}/{self.repository}:{self.tag}"


@dataclass(frozen=True, slots=True)
class Found:
    """What a tag stands for: its digest and, if that is of an index, the digest of each platform's image."""

    digest: str
    images: Mapping[str, str] = field(default_factory=dict)
    """By platform, as `linux/arm/v7`."""

    def image(self, wanted: tuple[Platform, ...]) -> str:
        """Answer the digest of the image that a build for a platform stands on; of several, with commas between."""
        offered = [(_platform(name), digest) for name, digest in self.images.items()]
        return ",".join(platforms.choose(offered, platform) or self.digest for platform in wanted)


def _platform(text: str) -> Platform:
    system, _, rest = text.partition("/")
    architecture, _, variant = rest.partition("/")
    return Platform(os=system, architecture=architecture, variant=variant or None)


@dataclass(frozen=True)
class Base:
    """A tag that tasks stand on, as it was last seen."""

    tag: BaseTag
    found: Found
    changed: datetime
    """When the present generation was noticed."""
    due: datetime
    """When to look at it again, whatever events say."""
    generation: int = 0
    before: Found | None = None
    """What the tag stood for before its present generation."""
    fanned: int = 0
    """The latest generation of which every dependent knows."""
    checked: datetime | None = None
    looks: int = 0
    """Looks so far, whatever they came to."""
    failures: int = 0
    """Looks in a row that failed."""
    error: str = ""
    login: str = ""
    """`registry|task` of a task whose login opens the registry; empty for those that need none."""
    row: Row | None = None

    @property
    def is_told(self) -> bool:
        """Whether every dependent knows of the present generation."""
        return self.fanned >= self.generation

    def moved_for(self, wanted: tuple[Platform, ...]) -> bool:
        """Whether the present generation brought another image for one of the platforms."""
        return self.before is None or self.before.image(wanted) != self.found.image(wanted)


class Kind(StrEnum):
    """What an image is to those built on it: the last stage's origin, or any other."""

    RUNTIME = "Runtime"
    BUILDTIME = "Buildtime"


@dataclass(frozen=True, order=True, slots=True)
class TaskKey:
    """A task, by its storage keys."""

    registry: str
    task: str

    @classmethod
    def of(cls, registry: str, task: str) -> Self:
        """Answer the key of a task by name."""
        return cls(registry.lower(), task.lower())

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `str` wrote."""
        registry, _, task = text.partition("|")
        return cls(registry, task)

    @property
    def shard(self) -> str:
        """One of sixteen: rows of many tasks lie in as many partitions."""
        return hashlib.sha256(str(self).encode()).hexdigest()[0]

    def __str__(self) -> str:
        return f"{self.registry}|{self.task}"


@dataclass(frozen=True)
class Dependent:
    """A task, and what its last successful run stood on in one base image."""

    base: str
    """Key of the base image."""
    task: TaskKey
    kind: Kind
    platforms: tuple[Platform, ...]
    digest: str
    """What the tag stood for in that run."""
    image: str
    """The image in it for each platform of the run."""
    generation: int
    """The latest generation that the run is known to have stood on."""
    run: str


def is_behind(base: Base, dependent: Dependent) -> bool:
    """Whether a task has to be rebuilt for the present generation of a base image.

    Not if its run stood on that, nor if the generation changed nothing that a build for its platforms would see.
    """
    if dependent.generation >= base.generation:
        return False
    return dependent.image != base.found.image(dependent.platforms) or base.moved_for(dependent.platforms)


class Stage(StrEnum):
    """How far a rebuild has come."""

    OPEN = "open"
    STARTED = "started"
    """A run was started for it, or one that was queued serves it too."""
    DONE = "done"


@dataclass(frozen=True)
class Pending:
    """One generation of one base image that one task has to follow: the record by which it does so once."""

    task: TaskKey
    base: str
    """Key of the base image."""
    generation: int
    tag: BaseTag
    digest: str
    created: datetime
    due: datetime
    """When the quiet period is over."""
    turn: int = 0
    """Counts the runs for this generation that stood on something else after all: the tag went there and back."""
    stage: Stage = Stage.OPEN
    claimed: datetime | None = None
    """When a run was first asked for under this record's own request."""
    run: str = ""
    row: Row | None = None

    @property
    def key(self) -> str:
        """The row's key: those of a task lie together."""
        return f"{self.task.task}|{self.base}|{self.generation:08d}.{self.turn}"

    @property
    def request(self) -> str:
        """The key of the request for a run, whoever asks and however often."""
        words = ("base-image", str(self.task), self.base, str(self.generation), str(self.turn))
        return hashlib.sha256("\0".join(words).encode()).hexdigest()

    @property
    def subject(self) -> str:
        """What happened, for people."""
        return f"{self.tag}@{self.digest}"

    def started(self, run: str) -> "Pending":
        """Answer the record once a run serves it."""
        return replace(self, stage=Stage.STARTED, run=run)

    def done(self) -> "Pending":
        """Answer the record once nothing more follows from it."""
        return replace(self, stage=Stage.DONE)


def images_json(found: Found) -> str:
    """Write the images by platform."""
    return json.dumps(dict(found.images), separators=(",", ":"))
