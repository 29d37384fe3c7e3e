"""What kaniko's executor at hand can do, told by its own help.

Executors of several projects and years are about: Google's last (v1.24.0), and those of its successor. A flag that one
does not know ends it at once, and what it cannot do it mostly leaves out with a warning. So it is asked first.
Sources: https://github.com/GoogleContainerTools/kaniko and https://github.com/osscontainertools/kaniko, `cmd/executor`,
`pkg/commands/run.go`, `pkg/config/featureflags.go`, `CHANGELOG.md`.
"""

import asyncio
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from builder import process
from builder.engine.tail import REASON
from builder.faults import EngineUnavailable

NEEDED: Final = frozenset(
    {
        "build-arg", "cache", "cleanup", "context", "custom-platform", "digest-file", "dockerfile", "force",
        "ignore-var-run", "log-format", "no-push", "oci-layout-path", "target",
    }
)  # fmt: skip
"""Flags without which there is no build."""
_FLAG: Final = re.compile(r"^\s+(?:-\w, )?--([a-z][\w-]*)", re.MULTILINE)
_VERSION: Final = re.compile(r"\bv(\d+)\.(\d+)\.(\d+)(?:[-+][\w.-]+)?")
_BIND_MOUNTS: Final = (1, 27, 3)
_SWITCHED_ON: Final = (1, 28, 0)
_PATIENCE: Final = 30.0
_AS_BUILDKIT: Final = (
    "CHOWN_ON_IMPLICIT_DIRS",
    "COPY_AS_ROOT",
    "COPY_CHMOD_ON_IMPLICIT_DIRS",
    "EXPAND_HEREDOC",
    "RUN_HONOR_GROUP",
    "UNTAR_SKIP_ROOT",
)
"""Switches by which kaniko follows the Dockerfile's specification where it has habits of its own."""
_OFF_BEFORE: Final = (
    "BUILDKIT_ARG_ENV_PRECEDENCE",
    "HEREDOC",
    "NO_PROPAGATE_ANNOTATIONS",
    "PRESERVE_HARDLINKS",
    "RUN_MOUNT_BIND",
    "RUN_MOUNT_CACHE",
    "RUN_MOUNT_SECRET",
    "SECUREJOIN_EXTRACTION",
    "VOLUME_SKIP_MKDIR",
)
"""The same, for releases before they were on by themselves; later ones would warn of them."""


@dataclass(frozen=True, slots=True)
class Executor:
    """An executor's version, as far as it tells one, and the names of its flags."""

    version: str
    flags: frozenset[str]

    @classmethod
    def read(cls, help_text: str, version_text: str) -> Self:
        """Read what `executor --help` and `executor version` print. Raises EngineUnavailable for what is no kaniko."""
        flags = frozenset(_FLAG.findall(help_text))
        if missing := NEEDED - flags:
            raise EngineUnavailable(f"the executor of this image is not kaniko, or too old: it has no --{min(missing)}")
        found = _VERSION.search(version_text)
        return cls(found[0] if found else "", flags)

    @property
    def is_successor(self) -> bool:
        """Whether it is of the project that went on after Google, and knows some mounts and heredocs."""
        return "secret" in self.flags

    @property
    def is_recent(self) -> bool:
        """Whether its switches are those of v1.28 and later."""
        return "image-format" in self.flags or self._is_since(_SWITCHED_ON)

    @property
    def mounts(self) -> frozenset[str]:
        """The types of `RUN --mount` that it makes; others it leaves out."""
        if not self.is_successor:
            return frozenset()
        known = {"cache", "secret"}
        return frozenset(known | {"bind"} if self.is_recent or self._is_since(_BIND_MOUNTS) else known)

    def optional(self, **flags: str) -> Iterator[str]:
        """Write those of the flags that it knows; `_` in a name stands for `-`."""
        for name, value in flags.items():
            if (flag := name.replace("_", "-")) in self.flags:
                yield f"--{flag}={value}"

    def switches(self) -> dict[str, str]:
        """Return the environment that makes it follow the Dockerfile's specification."""
        names = _AS_BUILDKIT if self.is_recent else _AS_BUILDKIT + _OFF_BEFORE
        return {f"FF_KANIKO_{name}": "true" for name in names}

    def __str__(self) -> str:
        return f"kaniko {self.version}".rstrip()

    def _is_since(self, release: tuple[int, int, int]) -> bool:
        found = _VERSION.fullmatch(self.version)
        # A build without a version calls itself v0.0.0.
        return self.is_successor and found is not None and tuple(map(int, found.groups())) >= release


async def ask(program: Path, environment: Mapping[str, str]) -> Executor:
    """Ask an executor what it can do. Raises EngineUnavailable when it gives no sensible answer."""
    try:
        async with asyncio.timeout(_PATIENCE):
            texts = await asyncio.gather(*(_output(program, word, environment) for word in ("--help", "version")))
    except OSError as fault:
        raise EngineUnavailable(f"the program {program} cannot be started ({type(fault).__name__})") from None
    except TimeoutError:
        raise EngineUnavailable(f"the program {program} does not answer") from None
    return Executor.read(*texts)


async def _output(program: Path, word: str, environment: Mapping[str, str]) -> str:
    said = bytearray()
    status = await process.run([str(program), word], env=environment, output=said.extend, cwd=Path("/"))
    text = said.decode(errors="replace")
    if status:
        last = (text.strip().splitlines() or [""])[-1][:REASON]
        raise EngineUnavailable(f"the program {program} ends with status {status}: {last}")
    return text
