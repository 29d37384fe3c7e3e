"""The builder's side of the wire in `shared/grant.py`."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Final

import httpx
from pydantic import BaseModel, ValidationError

from builder.environment import Environment
from builder.faults import Dismissed, Fenced
from shared.errors import Forbidden, InvalidRequest, Unavailable
from shared.grant import (
    Contents,
    Grant,
    LoginRequest,
    Message,
    RegistryLogin,
    Report,
    SecretsRequest,
    SecretValues,
    Verdict,
)

_log = logging.getLogger("slipway.builder")
_CLAIM_TIMEOUT: Final = httpx.Timeout(60, connect=10)
_TIMEOUT: Final = httpx.Timeout(20, connect=10)
_SECRETS_TIMEOUT: Final = httpx.Timeout(150, connect=10)
"""The app gives its vaults two minutes."""
_FIRST_DELAY: Final = 0.1
_MOST_DELAY: Final = 5.0
_REFUSALS_BEFORE_LEAVING: Final = 60
_FINAL: Final = frozenset({401, 410})
_PASSING: Final = frozenset({408, 425, 429})


class BackOff:
    """Growing waits between attempts, in seconds."""

    def __init__(self) -> None:
        self._delay = _FIRST_DELAY

    async def wait(self) -> None:
        """Sleep, each time twice as long, at most five seconds."""
        await asyncio.sleep(self._delay)
        self._delay = min(self._delay * 2, _MOST_DELAY)


class ControlPlane:
    """Where a builder finds its run. The group's token is held here and nowhere else."""

    def __init__(self, http: httpx.AsyncClient, environment: Environment) -> None:
        self._http = http
        self._url = f"{environment.url}/builders/{environment.group}"
        self._authorization = f"Bearer {environment.token}"

    async def claim(self, has_enough: Callable[[], bool] = lambda: False) -> Grant | None:
        """Wait for a run, for as long as it takes, or until the builder is to take none any more: then None.

        A claim that is under way is waited for: it may bring a run. Raises Dismissed when the app says that there
        will be none, or refuses us again and again.
        """
        back_off, refusals = BackOff(), 0
        while refusals < _REFUSALS_BEFORE_LEAVING:
            if has_enough():
                return None
            try:
                answer = await self._ask()
            except httpx.HTTPError as fault:
                _log.warning("the app does not answer (%s)", type(fault).__name__)
                await back_off.wait()
                continue
            if answer.status_code == httpx.codes.OK:
                return _grant(answer)
            if answer.status_code in _FINAL:
                raise Dismissed(f"the app has no run for this builder (HTTP {answer.status_code})")
            if answer.status_code == httpx.codes.NO_CONTENT:
                back_off, refusals = BackOff(), 0
                continue
            refusals += answer.is_client_error and answer.status_code not in _PASSING
            _log.warning("the app cannot give a run now (HTTP %s)", answer.status_code)
            await back_off.wait()
        raise Dismissed("the app refuses this builder's claims")

    async def _ask(self) -> httpx.Response:
        headers = {"Authorization": self._authorization}
        return await self._http.post(f"{self._url}/claim", headers=headers, timeout=_CLAIM_TIMEOUT)

    async def leave(self) -> None:
        """Say that this builder takes no run any more. Whoever does not hear it finds out."""
        headers = {"Authorization": self._authorization}
        with contextlib.suppress(httpx.HTTPError):
            await self._http.post(f"{self._url}/leave", headers=headers, timeout=_TIMEOUT)

    def run(self, grant: Grant) -> "RunLink":
        """Open the calls that concern one run."""
        return RunLink(self._http, f"{self._url}/runs/{grant.run_id}", grant.run_token, grant.trace_parent)


def _grant(answer: httpx.Response) -> Grant:
    try:
        return Grant.model_validate_json(answer.content)
    except ValidationError as fault:
        raise Dismissed(f"the grant cannot be read ({fault.error_count()} faults)") from None


class RunLink:
    """The calls of one run, made with its token. Each raises Fenced once the run is no longer ours."""

    def __init__(self, http: httpx.AsyncClient, url: str, token: str, trace_parent: str = "") -> None:
        self._http = http
        self._url = url
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        if trace_parent:
            self._headers["traceparent"] = trace_parent

    async def heartbeat(self) -> None:
        """Tell the app that we live. Raises Unavailable when it does not answer."""
        await self._post("heartbeat")

    async def login(self, request: LoginRequest, attempts: int = 5) -> RegistryLogin:
        """Ask for a token of the run's own registry, again while the app does not answer.

        Raises Forbidden when a repository is not the run's, Unavailable after the last attempt.
        """
        return await self._asked("login", request, RegistryLogin, attempts=attempts)

    async def secrets(self, request: SecretsRequest, attempts: int = 3) -> SecretValues:
        """Ask for the values of secrets that lie in key vaults.

        Raises InvalidRequest with the app's sentence when one cannot be had, Unavailable after the last attempt.
        """
        return await self._asked("secrets", request, SecretValues, attempts=attempts, limit=_SECRETS_TIMEOUT)

    async def _asked[Answer: Message](
        self, what: str, request: Message, kind: type[Answer], *, attempts: int, limit: httpx.Timeout = _TIMEOUT
    ) -> Answer:
        back_off = BackOff()
        for left in reversed(range(attempts)):
            try:
                answer = await self._post(what, request, limit)
                return kind.model_validate_json(answer.content)
            except Unavailable:
                if not left:
                    raise
                await back_off.wait()
            except ValidationError:
                break
        raise Unavailable(f"the app's answer to the {what} cannot be read")

    async def report(self, report: Report) -> None:
        """Send the report once."""
        await self._post("report", report)

    async def contents(self, contents: Contents) -> None:
        """Tell once what an image holds. Raises Unavailable, InvalidRequest, and Fenced when nobody waits for it."""
        await self._post("contents", contents)

    async def _post(self, what: str, message: Message | None = None, limit: httpx.Timeout = _TIMEOUT) -> httpx.Response:
        body = message.model_dump_json(by_alias=True, exclude_none=True) if message else "{}"
        try:
            answer = await self._http.post(f"{self._url}/{what}", content=body, headers=self._headers, timeout=limit)
        except httpx.HTTPError as fault:
            raise Unavailable(f"the app does not answer ({type(fault).__name__})") from None
        if answer.is_success:
            return answer
        if answer.status_code == httpx.codes.CONFLICT:
            raise Fenced(_reason(answer))
        if answer.status_code in _FINAL:
            raise Fenced(f"the run's token holds no longer (HTTP {answer.status_code})")
        if answer.status_code == httpx.codes.FORBIDDEN:
            raise Forbidden("the app refuses this builder a login for what it asked")
        if answer.status_code == httpx.codes.BAD_REQUEST:
            raise InvalidRequest(_sentence(answer))
        raise Unavailable(f"the app answers HTTP {answer.status_code}")


class _Refusal(BaseModel):
    message: str


class _Refused(BaseModel):
    error: _Refusal


def _sentence(answer: httpx.Response) -> str:
    try:
        return _Refused.model_validate_json(answer.content).error.message
    except ValidationError:
        return "the app refuses what this builder asked"


def _reason(answer: httpx.Response) -> str:
    try:
        return Verdict.model_validate_json(answer.content).reason
    except ValidationError:
        return "the run has ended or belongs to another builder"
