"""git, started so that nothing but its command line counts: no settings, hooks, prompts or helpers of anybody."""

import asyncio
import base64
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from builder import process
from builder.contexts.tunnel import Tunnel
from builder.faults import ContextRefused, reason
from shared.contexts import GitContext
from shared.errors import Unavailable
from shared.grant import Limits

_PATH: Final = "/usr/local/bin:/usr/bin:/bin:/kaniko/bin"
_HELPER: Final = (
    '!f() { test "$1" = get && printf "username=%s\\npassword=%s\\n"'
    ' "$SLIPWAY_GIT_USERNAME" "$SLIPWAY_GIT_PASSWORD"; }; f'
)
_SETTINGS: Final = (
    ("advice.detachedHead", "false"),
    ("core.bigFileThreshold", "64m"),  # larger files are streamed, not held in memory
    ("core.fsmonitor", "false"),
    ("core.hooksPath", "/dev/null"),
    ("credential.helper", ""),
    ("fetch.recurseSubmodules", "false"),
    ("gc.auto", "0"),
    ("http.lowSpeedLimit", "1000"),
    ("http.lowSpeedTime", "60"),
    ("init.defaultBranch", "main"),
    ("maintenance.auto", "false"),
    ("protocol.allow", "never"),
    ("protocol.https.allow", "always"),
    ("safe.bareRepository", "explicit"),
    ("submodule.recurse", "false"),
)
_DEFAULT_USER: Final = "x-access-token"
_TOKEN_USERS: Final = {"bitbucket.org": "x-token-auth"}
"""The user name that a host wants beside an access token, where not every name will do."""

_ANSWER_LIMIT: Final = 1024**2
_KEPT: Final = 16 * 1024
_SHOWN: Final = 300
_LOGIN: Final = re.compile(r"Authentication failed|could not read (?:Username|Password)|returned error: 40[13]\b")
_ABSENT: Final = re.compile(r"^fatal: repository '.*' not found", re.MULTILINE)
_PASSING: Final = re.compile(
    r"returned error: (?:408|429|5\d\d)\b|RPC failed|early EOF|timed out|Connection reset|unexpected disconnect"
)
_DELAYS: Final = (0.5, 2.0)
"""Seconds before a server is called again."""

_FATAL: Final = re.compile(r"^(?:fatal|error): (.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Login:
    """What the server of `url` is told if it asks; nothing is sent to any other server."""

    url: str
    username: str
    password: str = field(repr=False)

    @property
    def basic(self) -> str:
        """The value of an Authorization header."""
        return f"Basic {base64.b64encode(f'{self.username}:{self.password}'.encode()).decode()}"


def login(context: GitContext, token: str | None) -> Login | None:
    """Return the login for a repository: the token, else what its address holds.

    A user name alone is a token, as for ACR Tasks. Raises ContextRefused for one that no protocol can carry.
    """
    host = urlsplit(context.url).hostname or ""
    user = _TOKEN_USERS.get(host, _DEFAULT_USER)
    if token:
        found = Login(context.url, context.username or user, token)
    elif context.password:
        found = Login(context.url, context.username, context.password)
    elif context.username:
        found = Login(context.url, user, context.username)
    else:
        return None
    if any(mark in found.username + found.password for mark in "\r\n\0"):
        raise ContextRefused("the login of the repository contains a line break")
    return found


class Remedy(Enum):
    """What may help where git did not succeed."""

    NONE = auto()
    TIME = auto()
    ANOTHER_WAY = auto()


class GitFailed(ContextRefused):
    """git did not succeed."""

    def __init__(self, message: str, remedy: Remedy) -> None:
        super().__init__(message)
        self.remedy = remedy


class Git:
    """Runs git with an environment that is written here from the first to the last variable.

    `home` is an empty directory. The login reaches git in its environment and the server in a header, and is
    written nowhere.
    """

    def __init__(self, home: Path, bundle: Path, tunnel: Tunnel, limits: Limits, login: Login | None) -> None:
        self._tunnel = tunnel
        settings = [*_SETTINGS, ("http.proxy", tunnel.url), ("http.sslCAInfo", str(bundle))]
        secrets: dict[str, str] = {}
        if login:
            settings.append((f"credential.https://{urlsplit(login.url).netloc}.helper", _HELPER))
            secrets = {"SLIPWAY_GIT_USERNAME": login.username, "SLIPWAY_GIT_PASSWORD": login.password}
        self._env = _environment(home) | _configuration(settings) | secrets
        self._argv = ["prlimit", f"--fsize={limits.unpacked_bytes}", "--", "git"]

    async def run(self, place: Path, *arguments: str, output: Callable[[bytes], None] | None = None) -> None:
        """Run git in a directory. Raises GitFailed with the reason."""
        errors = _Tail()
        self._tunnel.fault = None
        argv = [*self._argv, *arguments]
        status = await process.run(argv, env=self._env, output=output or errors, errors=errors, cwd=place)
        if status:
            raise self._tunnel_failure() or _failure(errors.text)

    async def ask(self, place: Path, *arguments: str, limit: int = _ANSWER_LIMIT) -> str:
        """Return what git prints, at most `limit` bytes. Raises GitFailed with the reason."""
        answer = bytearray()

        def gather(data: bytes) -> None:
            answer.extend(data)
            if len(answer) > limit:
                raise ContextRefused(f"git has more to tell about the repository than {limit} bytes")

        await self.run(place, *arguments, output=gather)
        return answer.decode("utf-8", "surrogateescape").removesuffix("\n")

    async def call(self, place: Path, *arguments: str) -> str:
        """Return what git prints after it has called a server; a fault that may pass is waited out, twice."""
        for delay in _DELAYS:
            try:
                return await self.ask(place, *arguments)
            except GitFailed as fault:
                if fault.remedy is not Remedy.TIME:
                    raise
            await asyncio.sleep(delay)
        return await self.ask(place, *arguments)

    def _tunnel_failure(self) -> GitFailed | None:
        fault = self._tunnel.fault
        return (
            GitFailed(reason(fault), Remedy.TIME if isinstance(fault, Unavailable) else Remedy.NONE) if fault else None
        )


def _failure(said: str) -> GitFailed:
    if _LOGIN.search(said):
        return GitFailed("the git server asks for a login, or does not accept the one that it was given", Remedy.NONE)
    if _ABSENT.search(said):
        return GitFailed("the git server has no such repository, or hides it without a login", Remedy.NONE)
    fatal = _FATAL.findall(said)
    message = f"git: {fatal[-1][:_SHOWN] if fatal else 'it gave no reason'}"
    return GitFailed(message, Remedy.TIME if _PASSING.search(said) else Remedy.ANOTHER_WAY)


class _Tail:
    """Keeps the end of what a program says."""

    def __init__(self) -> None:
        self._data = b""

    def __call__(self, data: bytes) -> None:
        self._data = (self._data + data)[-_KEPT:]

    @property
    def text(self) -> str:
        return self._data.decode("utf-8", "replace")


def _environment(home: Path) -> dict[str, str]:
    return {
        "PATH": _PATH,
        "HOME": str(home),
        "LC_ALL": "C",
        "GIT_ALLOW_PROTOCOL": "https",
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_PROTOCOL_FROM_USER": "0",
        "GIT_TERMINAL_PROMPT": "0",
    }


def _configuration(settings: list[tuple[str, str]]) -> dict[str, str]:
    """Write settings as git reads them from its environment."""
    found = {"GIT_CONFIG_COUNT": str(len(settings))}
    for number, (key, value) in enumerate(settings):
        found |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return found
