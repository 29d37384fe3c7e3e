"""Large files of a git repository: pointers in the work tree become what they point to.

The batch protocol of Git LFS, spoken here and not by its own program, which follows any address that a
repository or a server names.
"""

import asyncio
import hashlib
import os
import re
import shutil
import stat
from collections.abc import AsyncIterator, Coroutine, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from itertools import batched
from pathlib import Path
from typing import Final

import httpx
from pydantic import BaseModel, Field, ValidationError

from builder.contexts.download import Download
from builder.contexts.git_program import Git, GitFailed, Login
from builder.contexts.tree import components, opened, replacing
from builder.faults import ContextRefused
from shared.contexts import origin, read_repository
from shared.errors import InvalidRequest

MEDIA_TYPE: Final = "application/vnd.git-lfs+json"
_POINTER: Final = re.compile(
    rb"version https://git-lfs\.github\.com/spec/v1\n(?:ext-.*\n)*oid sha256:([0-9a-f]{64})\nsize ([0-9]{1,15})\n"
)
_LONGEST_POINTER: Final = 1024
_ANSWER_LIMIT: Final = 8 * 1024**2
_NAMES_LIMIT: Final = 64 * 1024**2
_BATCH: Final = 100
_SIDE_BY_SIDE: Final = 4


@dataclass(frozen=True, slots=True)
class Pointer:
    """A file of the work tree that stands for a larger one; `size` in bytes."""

    parts: tuple[str, ...]
    mode: int
    digest: str
    size: int


class _Action(BaseModel):
    href: str
    header: dict[str, str] = Field(default_factory=dict, repr=False)


class _Actions(BaseModel):
    download: _Action | None = None


class _Fault(BaseModel):
    code: int = 0


class _Object(BaseModel):
    oid: str
    actions: _Actions = _Actions()
    error: _Fault | None = None


class _Answer(BaseModel):
    objects: list[_Object] = []


async def pointers(git: Git, root: Path) -> tuple[Pointer, ...]:
    """Find the files below `root` that the repository keeps in LFS."""
    listed = await git.ask(root, "ls-files", "-z", "--", ":(attr:filter=lfs)", limit=_NAMES_LIMIT)
    found = (_pointer(root, components(name)) for name in listed.split("\0") if name)
    return tuple(one for one in found if one)


def _pointer(root: Path, parts: tuple[str, ...]) -> Pointer | None:
    try:
        with opened(root, parts[:-1]) as parent:
            fd = os.open(parts[-1], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=parent)
    except OSError:
        return None
    with os.fdopen(fd, "rb") as file:
        state = os.fstat(fd)
        if not stat.S_ISREG(state.st_mode) or state.st_size > _LONGEST_POINTER:
            return None
        match = _POINTER.fullmatch(file.read())
    return Pointer(parts, stat.S_IMODE(state.st_mode), match[1].decode(), int(match[2])) if match else None


async def endpoint(git: Git, root: Path, commit: str, url: str) -> str:
    """Return the LFS server of a repository: what its `.lfsconfig` names, else the usual address beside it."""
    try:
        named = await git.ask(root, "config", f"--blob={commit}:.lfsconfig", "--get", "lfs.url")
    except GitFailed:
        return f"{url.removesuffix('/').removesuffix('.git')}.git/info/lfs"
    try:
        return read_repository(named).url.rstrip("/")
    except InvalidRequest:
        raise ContextRefused("the LFS server that .lfsconfig names is not behind an https address") from None


@dataclass(frozen=True, slots=True)
class LargeFiles:
    """Fetches what pointers stand for. `http` checks every address; `spool` is an empty directory.

    The login is sent to the repository's own host and port, and only where the LFS server gave no other.
    """

    http: httpx.AsyncClient
    login: Login | None
    spool: Path

    async def fetch(self, root: Path, server: str, wanted: Sequence[Pointer]) -> None:
        """Replace all pointers. Raises ContextRefused for an object that is missing or not what its digest says."""
        for some in batched(wanted, _BATCH, strict=False):
            actions = await self._ask(server, some)
            for few in batched(some, _SIDE_BY_SIDE, strict=False):
                await _together(self._replace(root, one, actions[one.digest]) for one in few)

    async def _ask(self, server: str, some: Sequence[Pointer]) -> dict[str, _Action]:
        objects = [{"oid": oid, "size": size} for oid, size in {one.digest: one.size for one in some}.items()]
        body = {"operation": "download", "transfers": ["basic"], "hash_algo": "sha256", "objects": objects}
        headers = {"Accept": MEDIA_TYPE, "Content-Type": MEDIA_TYPE, "Accept-Encoding": "identity"}
        url = f"{server}/objects/batch"
        try:
            async with self.http.stream("POST", url, json=body, headers=headers | self._authorization(url)) as answer:
                if not answer.is_success:
                    raise ContextRefused(f"the LFS server does not give the repository's files ({_status(answer)})")
                found = _Answer.model_validate_json(await _read(answer))
        except httpx.HTTPError as fault:
            raise ContextRefused(f"the LFS server does not answer ({type(fault).__name__})") from None
        except ValidationError:
            raise ContextRefused("the LFS server's answer cannot be read") from None
        actions = {one.oid: one.actions.download for one in found.objects if one.actions.download and not one.error}
        for pointer in some:
            if pointer.digest not in actions:
                raise ContextRefused(f"the LFS server does not have the file {'/'.join(pointer.parts)!r}")
        return actions

    async def _replace(self, root: Path, pointer: Pointer, action: _Action) -> None:
        name = "/".join(pointer.parts)
        spool = self.spool / hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()

        def open_(headers: Mapping[str, str]) -> AbstractAsyncContextManager[httpx.Response]:
            return self._open(action, headers)

        await Download(open_, _check, spool, pointer.size).run()
        with spool.open("rb") as file:
            digest = await asyncio.to_thread(hashlib.file_digest, file, "sha256")
            if digest.hexdigest() != pointer.digest:
                raise ContextRefused(f"the LFS server gave another file for {name!r}")
            file.seek(0)
            with replacing(root, pointer.parts, pointer.mode) as target:
                await asyncio.to_thread(shutil.copyfileobj, file, target)
        spool.unlink()

    @asynccontextmanager
    async def _open(self, action: _Action, headers: Mapping[str, str]) -> AsyncIterator[httpx.Response]:
        given = {name.lower() for name in action.header}
        own = {} if "authorization" in given else self._authorization(action.href)
        async with self.http.stream("GET", action.href, headers={**action.header, **own, **headers}) as answer:
            yield answer

    def _authorization(self, url: str) -> dict[str, str]:
        if self.login is None or origin(url) != origin(self.login.url):
            return {}
        return {"Authorization": self.login.basic}


async def _together(work: Iterable[Coroutine[None, None, None]]) -> None:
    """Wait for all; when one fails, the others are stopped first."""
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


def _check(answer: httpx.Response) -> None:
    if answer.status_code >= httpx.codes.INTERNAL_SERVER_ERROR or answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
        return
    if not answer.is_success:
        raise ContextRefused(f"the LFS server does not give a file ({_status(answer)})")


def _status(answer: httpx.Response) -> str:
    return f"HTTP {answer.status_code}"


async def _read(answer: httpx.Response) -> bytes:
    body = bytearray()
    async for piece in answer.aiter_raw():
        body += piece
        if len(body) > _ANSWER_LIMIT:
            raise ContextRefused("the LFS server's answer is longer than 8 MiB")
    return bytes(body)
