"""`host.json`: the part of it that the host obeys, typed, with the platform's defaults.

Unknown members are ignored, as the real host does; a member of the wrong type stops the start.
"""

import json
import os
import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from devstack.functions_host.errors import SettingsError

_TIME_SPAN = re.compile(r"(?:(\d+)\.)?(\d{1,2}):(\d{1,2}):(\d{1,2})(?:\.(\d{1,7}))?")


def parse_time_span(text: str) -> timedelta:
    """Read a .NET TimeSpan, `[d.]hh:mm:ss[.fffffff]`; raises ValueError."""
    found = _TIME_SPAN.fullmatch(text)
    if found is None:
        raise ValueError(f"'{text}' is not a time span; write hh:mm:ss.")
    days, hours, minutes, seconds, fraction = found.groups()
    return timedelta(
        days=int(days or 0),
        hours=int(hours),
        minutes=int(minutes),
        seconds=int(seconds),
        microseconds=int((fraction or "0").ljust(7, "0")) // 10,
    )


def _time_span(value: object) -> object:
    return parse_time_span(value) if isinstance(value, str) else value


TimeSpan = Annotated[timedelta, BeforeValidator(_time_span)]


class _Section(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True, extra="ignore")


class HttpOptions(_Section):
    """How HTTP functions are reached."""

    route_prefix: str = "api"


class QueueOptions(_Section):
    """How Storage queues are polled."""

    batch_size: int = Field(default=16, ge=1, le=32)
    new_batch_threshold: int | None = Field(default=None, ge=0)
    max_dequeue_count: int = Field(default=5, ge=1)
    max_polling_interval: TimeSpan = timedelta(minutes=1)
    visibility_timeout: TimeSpan = timedelta(0)
    message_encoding: str = Field(default="base64", pattern="(?i)^(base64|none)$")

    @property
    def threshold(self) -> int:
        """Below this many running messages the next batch is fetched."""
        if self.new_batch_threshold is not None:
            return self.new_batch_threshold
        return self.batch_size // 2 * (os.cpu_count() or 1)


class _Extensions(_Section):
    http: HttpOptions = HttpOptions()
    queues: QueueOptions = QueueOptions()


class HostJson(_Section):
    """The whole file."""

    version: str
    function_timeout: TimeSpan = timedelta(minutes=30)
    extensions: _Extensions = _Extensions()


def read_host_json(root: Path) -> HostJson:
    """Read `host.json` of the app at `root`; raises SettingsError."""
    path = root / "host.json"
    try:
        host = HostJson.model_validate(json.loads(path.read_text(encoding="utf-8-sig")))
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}.") from error
    except json.JSONDecodeError as error:
        raise SettingsError(f"{path} is not JSON: {error}.") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise SettingsError(f"{path}: '{where}': {first['msg']}.") from error
    if host.version != "2.0":
        raise SettingsError(f"{path}: version '{host.version}' is not supported; it must be \"2.0\".")
    return host
