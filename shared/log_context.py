"""What is being worked on: which registry, task and run a line of the log is about.

Names come from addresses and messages: what does not look like a name is left out. A pool of threads does not take
over what its caller works on, so whoever hands work to one says it there again.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

_FIELDS: Final = ("registry", "task", "run")
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_about: ContextVar[Mapping[str, str]] = ContextVar("about", default={})  # noqa: B039 - never changed, only replaced


@contextmanager
def about(names: Mapping[str, Any]) -> Iterator[None]:
    """Have all that is logged in here, by this thread or task, say what it is about."""
    known = {field: str(names[field]) for field in _FIELDS if field in names and _NAME.fullmatch(str(names[field]))}
    merged = {**_about.get(), **known}
    token = _about.set({field: merged[field] for field in _FIELDS if field in merged})
    try:
        yield
    finally:
        _about.reset(token)


def worked_on() -> Mapping[str, str]:
    """Answer what this thread or task works on."""
    return _about.get()
