"""A machine that serves an agent pool: what its operator tells it, and its registration."""

import os
import platform
import re
import socket
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx
from pydantic import ValidationError

from builder.control import BackOff
from builder.environment import Environment
from builder.faults import Dismissed
from shared.errors import InvalidRequest
from shared.grant import Registered, Registration

POOL: Final = "SLIPWAY_POOL"
_TOKEN, _TOKEN_FILE = "SLIPWAY_POOL_TOKEN", "SLIPWAY_POOL_TOKEN_FILE"
_HIDDEN: Final = (Path("/run"), Path("/tmp"))  # noqa: S108 - not used for a file of ours
"""Below these, steps see directories of their own (`engine/enclose.sh`); all else of the root they can read."""
_ADDRESS: Final = re.compile(r"https://[^/?#\s@]+|http://(?:localhost|127\.0\.0\.1|\[::1\])(?::[0-9]+)?")
"""The token goes there, so never in clear over a network."""
_NATIVE: Final = {
    "x86_64": ("linux/amd64", "linux/386"),
    "aarch64": ("linux/arm64", "linux/arm"),
    "armv7l": ("linux/arm",),
}


@dataclass(frozen=True, slots=True)
class PoolEnvironment:
    """Where the app is, which pool of which registry is served, and what the machine says of itself."""

    url: str
    pool: str
    registration: Registration
    token: str = field(repr=False)
    ca_bundle: str = ""


def take_pool(environ: MutableMapping[str, str], pool: str = "") -> PoolEnvironment:
    """Read the variables and remove the token, so that no child process can inherit it.

    `pool`, as `registry/pool`, goes before SLIPWAY_POOL. Raises InvalidRequest naming the variable at fault.
    """
    token = environ.pop(_TOKEN, "") or _read(environ.get(_TOKEN_FILE, ""))
    pool, url = pool or environ.get(POOL, ""), environ.get("SLIPWAY_URL", "").rstrip("/")
    if not _ADDRESS.fullmatch(url):
        raise InvalidRequest("the environment variable SLIPWAY_URL is not an https address", target="SLIPWAY_URL")
    if not re.fullmatch(r"[A-Za-z0-9]{5,50}/[A-Za-z0-9-]{3,20}", pool):
        raise InvalidRequest(f"{POOL} names no agent pool, as REGISTRY/POOL", target=POOL)
    if not token:
        raise InvalidRequest(f"neither {_TOKEN} nor {_TOKEN_FILE} tells the pool's token", target=_TOKEN)
    return PoolEnvironment(url, pool, _registration(environ), token, environ.get("SLIPWAY_CA_BUNDLE", ""))


def _read(path: str) -> str:
    if not path:
        return ""
    try:
        file = Path(path).resolve(strict=True)
        if not any(file.is_relative_to(place) for place in _HIDDEN):
            raise InvalidRequest(f"{_TOKEN_FILE} must lie below /run, where no step sees it", target=_TOKEN_FILE)
        return file.read_text().strip()
    except OSError as fault:
        raise InvalidRequest(f"{_TOKEN_FILE} cannot be read ({fault.strerror})", target=_TOKEN_FILE) from None


def _registration(environ: MutableMapping[str, str]) -> Registration:
    told = environ.get("SLIPWAY_POOL_PLATFORMS", "")
    platforms = tuple(part.strip() for part in told.split(",") if part.strip()) or _NATIVE.get(platform.machine(), ())
    name = re.sub(r"[^A-Za-z0-9._-]", "-", environ.get("SLIPWAY_MACHINE", "") or socket.gethostname())[:64]
    values = {"machine": name or f"machine-{os.getpid()}", "platforms": platforms}
    reuse = environ.get("SLIPWAY_POOL_REUSE", "")
    try:
        return Registration.model_validate(values | ({"reuse": reuse} if reuse else {}))
    except ValidationError as fault:
        member = str(fault.errors()[0]["loc"][0]).upper()
        raise InvalidRequest(f"SLIPWAY_POOL_{member} does not hold", target=f"SLIPWAY_POOL_{member}") from None


async def register(http: httpx.AsyncClient, pool: PoolEnvironment) -> Environment:
    """Register the machine, again while the app does not answer. Raises Dismissed when it refuses."""
    back_off = BackOff()
    while True:
        answer = await _ask(http, pool)
        if answer is not None and answer.is_success:
            return _environment(pool, answer)
        if answer is not None and answer.is_client_error and answer.status_code not in {408, 425, 429}:
            raise Dismissed(f"the app refuses this machine for the agent pool {pool.pool} (HTTP {answer.status_code})")
        await back_off.wait()


async def _ask(http: httpx.AsyncClient, pool: PoolEnvironment) -> httpx.Response | None:
    headers = {"Authorization": f"Bearer {pool.token}", "Content-Type": "application/json"}
    body = pool.registration.model_dump_json(by_alias=True)
    try:
        return await http.post(f"{pool.url}/pools/{pool.pool}/machines", content=body, headers=headers)
    except httpx.HTTPError:
        return None


def _environment(pool: PoolEnvironment, answer: httpx.Response) -> Environment:
    try:
        told = Registered.model_validate_json(answer.content)
    except ValidationError:
        raise Dismissed("the app's answer to the registration cannot be read") from None
    return Environment(pool.url, told.group, told.token, pool.ca_bundle)
