"""The service's configuration: one JSON file, checked whole before anything starts."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, field_validator

RESOLVER = "10.99.0.1"
"""The address, on each group's own loopback, of its DNS server and of what nested containers may reach."""

_ARM_AUDIENCES = (
    "https://management.azure.com",
    "https://management.azure.com/",
    "https://management.core.windows.net",
    "https://management.core.windows.net/",
)


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Listen(_Settings):
    """Where the service listens; loopback, because it runs what callers ask for as root."""

    address: str = "127.0.0.1"
    port: int = Field(ge=0, le=65535)


class Image(_Settings):
    """An image that groups may name: its directories (topmost first), start command and `NAME=value` lines."""

    lower: tuple[Path, ...] = Field(min_length=1)
    command: tuple[str, ...] = ()
    env: tuple[str, ...] = ()

    @field_validator("lower")
    @classmethod
    def _fit_for_mount_options(cls, lower: tuple[Path, ...]) -> tuple[Path, ...]:
        for path in lower:
            if not path.is_absolute() or set(str(path)) & set(":,\\"):
                raise ValueError(f"{path} must be absolute, without ':', ',' or '\\'")
        return lower


class ForwardRule(_Settings):
    """Inside each group `listen_address:port` leads to `target_host:target_port` of the host."""

    listen_address: str
    port: int = Field(gt=0, le=65535)
    target_host: str
    target_port: int = Field(gt=0, le=65535)


type FailCause = Literal["image", "capacity", "quota"]


class Limits(_Settings):
    """What the subscription may do; None is no limit. Changed at run time by `PUT /devstack/limits`.

    Azure's own are 100 groups, 100 cores, 100 creations in 5 minutes and 300 in an hour.
    `fail_starts` makes that many next groups, which are accepted, fail to start for `fail_cause`; `start_delay_seconds`
    imitates a slow pull, and the regions of `full_regions` have no room. With a `time_scale` of 60 an hour of Azure
    passes in a minute here; all seconds, those of `Retry-After` too, are Azure's.
    """

    groups: int | None = Field(default=None, ge=0)
    cores: float | None = Field(default=None, ge=0)
    creates_per_5_minutes: int | None = Field(default=None, ge=0)
    creates_per_hour: int | None = Field(default=None, ge=0)
    fail_starts: int = Field(default=0, ge=0)
    fail_cause: FailCause = "image"
    start_delay_seconds: PositiveFloat | None = None
    full_regions: tuple[str, ...] = ()
    time_scale: PositiveFloat = 1.0


class Eviction(_Settings):
    """Which Spot group is taken away, and whether it is started again at once."""

    group: str
    restarts: bool = False


class Config(_Settings):
    """The whole file.

    Callers' tokens are checked when `token_issuer` and `jwks_url` are both given (`ca` is the PEM file that
    the JWKS server's certificate is checked against); without them anybody who reaches the port may call.
    """

    listen: Listen
    cert: Path
    key: Path
    state_dir: Path
    images: dict[str, Image] = {}
    forwards: tuple[ForwardRule, ...] = ()
    hosts: dict[str, str] = {}
    pulls: tuple[str, ...] = ()
    """Registries, `host:port`, whose images groups may name; their certificates are checked against `ca`, too."""
    token_issuer: str | None = None
    jwks_url: str | None = None
    token_audiences: tuple[str, ...] = _ARM_AUDIENCES
    ca: Path | None = None
    limits: Limits = Limits()

    @field_validator("state_dir")
    @classmethod
    def _absolute(cls, path: Path) -> Path:
        resolved = path.resolve()
        if set(str(resolved)) & set(":,\\"):
            raise ValueError("state_dir must not contain ':', ',' or '\\'")
        return resolved

    @field_validator("hosts")
    @classmethod
    def _lower_case(cls, hosts: dict[str, str]) -> dict[str, str]:
        return {name.lower().rstrip("."): address for name, address in hosts.items()}


def load_config(path: Path) -> Config:
    """Read and check the file. Raises `OSError` or pydantic's `ValidationError`, which name what is wrong."""
    return Config.model_validate_json(path.read_bytes())
