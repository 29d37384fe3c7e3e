"""Which registry, task and run a line of the app's log is about: fields of its record, and words at its end.

The Functions host passes on a record's text alone, so the fields stand there, too, as `[registry=… run=…]`. Names come
from addresses and messages: what does not look like a name is left out.
"""

import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final, override

_FIELDS: Final = ("registry", "task", "run")
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_about: ContextVar[Mapping[str, str]] = ContextVar("about", default={})  # noqa: B039 - never changed, only replaced


@contextmanager
def about(names: Mapping[str, Any]) -> Iterator[None]:
    """Have all that is logged in here, by this thread or task, say what it is about."""
    known = {field: str(names[field]) for field in _FIELDS if field in names and _NAME.fullmatch(str(names[field]))}
    token = _about.set({**_about.get(), **known})
    try:
        yield
    finally:
        _about.reset(token)


class AboutRecord(logging.LogRecord):
    """A record with a field for each name that is known; `slipway` holds them all."""

    def __init__(self, *values: Any, **more: Any) -> None:  # noqa: ANN401 - as its base takes them
        super().__init__(*values, **more)
        self.slipway = _about.get()
        self.__dict__.update({f"slipway_{name}": value for name, value in self.slipway.items()})

    @override
    def getMessage(self) -> str:
        """Answer the text with the names behind it."""
        text = super().getMessage()
        names = " ".join(f"{name}={value}" for name, value in self.slipway.items())
        return f"{text} [{names}]" if names else text


def install() -> None:
    """Have every record of this process made so."""
    logging.setLogRecordFactory(AboutRecord)
