"""Which source a run's context comes from, and what its failure is called."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import httpx

from builder.bases import session
from builder.contexts.archive import RemoteArchive, UploadedArchive
from builder.contexts.artifact import Artifact
from builder.contexts.gate import Gate, Resolve, resolve
from builder.contexts.git import GitRepository
from builder.contexts.source import Context, ContextSource
from builder.faults import ContextRefused, Fenced, reason
from builder.trust import tls
from shared.contexts import ArchiveContext, ArtifactContext, GitContext, RemoteContext, read_context
from shared.errors import SlipwayError
from shared.grant import Grant, LoginRequest, RegistryLogin, Source
from shared.images.references import Reference
from shared.network import Allowed

_ADVICE = "Please check if the URL is incorrect. If it has credentials, please check if they are expired"

type AskLogin = Callable[[LoginRequest], Awaitable[RegistryLogin]]
"""Asks the app for a login of the run's own registry."""


@dataclass(frozen=True, slots=True)
class Means:
    """What contexts are fetched with.

    `http` reaches storage. `private` is a directory that no step can read, `bundle` the authorities to trust.
    """

    http: httpx.AsyncClient
    private: Path
    bundle: Path
    login: AskLogin
    resolver: Resolve = resolve


def source_of(grant: Grant, means: Means) -> ContextSource | None:
    """Return where a run's context comes from, None for a run without one."""
    if grant.source.location:
        return _Remote(grant, grant.source.location, means)
    if grant.source.archive_url:
        return UploadedArchive(means.http, grant.source.archive_url, grant.limits, means.private / "context.tar")
    return None


def explained(source: Source, fault: ContextRefused) -> str:
    """Return the sentence for a context that cannot be had; for a remote one it begins as ACR Tasks puts it."""
    what = "failed to download context"
    return f"{what}. {_ADVICE}: {reason(fault)}" if source.location else f"{what}: {reason(fault)}"


@dataclass(frozen=True, slots=True)
class _Remote:
    """A remote context, fetched within the time that the grant allows; every error becomes ContextRefused."""

    grant: Grant
    location: str
    means: Means

    async def fetch(self, root: Path) -> Context:
        limit = self.grant.limits.fetch_seconds
        try:
            async with asyncio.timeout(limit):
                return await self._fetch(root)
        except TimeoutError:
            raise ContextRefused(f"it takes longer than {limit} seconds") from None
        except (ContextRefused, Fenced):
            raise
        except SlipwayError as fault:
            raise ContextRefused(fault.message) from None

    async def _fetch(self, root: Path) -> Context:
        context = read_context(self.location)
        own = (self.grant.variables.registry,) if isinstance(context, ArtifactContext) else ()
        gate = Gate(Allowed.read((*self.grant.allowed_hosts, *own)), self.means.resolver)
        async with gate.client(tls(self.means.bundle)) as http:
            return await (await self._source(context, gate, http)).fetch(root)

    async def _source(self, context: RemoteContext, gate: Gate, http: httpx.AsyncClient) -> ContextSource:
        limits, token = self.grant.limits, self.grant.source.token
        private, bundle = self.means.private, self.means.bundle
        match context:
            case GitContext():
                return GitRepository(context, token, http, gate, bundle, private, limits)
            case ArchiveContext():
                return RemoteArchive(context, http, gate, limits, private / "context.tar")
            case ArtifactContext():
                reference = Reference.parse(context.reference)
                registries = session(await self._logins(reference), gate.check_url)
                return Artifact(reference, registries, http, self.grant.platform, limits, private / "layer")

    async def _logins(self, reference: Reference) -> tuple[RegistryLogin, ...]:
        """Return the run's logins; one of its own registry is made for the repository that is read."""
        if reference.registry != self.grant.variables.registry:
            return self.grant.logins
        return (*self.grant.logins, await self.means.login(LoginRequest(pull=(reference.repository,))))
