"""Reads bodies and headers of which nothing is known: whatever is missing or of another type is not told."""

import hashlib
import json
from collections.abc import Iterator
from itertools import islice
from urllib.parse import parse_qs

from shared.errors import InvalidRequest, TooLarge
from shared.triggers.git.events import BRANCHES, NO_COMMIT, TAGS
from shared.triggers.git.host import MAX_BODY, Headers

_MAX_TEXT = 4096
"""Characters of a name, an address or a commit; git itself cannot hold a longer ref."""
_MAX_NUMBER = 2**53
MAX_ITEMS = 10_000
"""Items of a list that are read."""
_FORM = "application/x-www-form-urlencoded"
_FORM_MEMBER = "payload"
_SKIP_MARKS = ("skip ci", "ci skip", "no ci", "skip actions", "actions skip", "skip-ci", "ci-skip")
_NO_CI = "***no_ci***"


class Told:
    """A JSON value of unknown shape. Members that are not there answer an empty one, so that paths can be written."""

    def __init__(self, value: object = None) -> None:
        self.value = value

    def __getitem__(self, member: str) -> "Told":
        return Told(self.value.get(member)) if isinstance(self.value, dict) else _NOTHING

    def __bool__(self) -> bool:
        return isinstance(self.value, dict) and bool(self.value)

    def __iter__(self) -> Iterator["Told"]:
        return (Told(item) for item in islice(self.value, MAX_ITEMS)) if isinstance(self.value, list) else iter(())

    def __len__(self) -> int:
        return len(self.value) if isinstance(self.value, list) else 0

    @property
    def is_list(self) -> bool:
        """Whether it is a list, even an empty one."""
        return isinstance(self.value, list)

    @property
    def is_null(self) -> bool:
        """Whether it is null or not there."""
        return self.value is None

    @property
    def text(self) -> str:
        """The text, or an empty one; one longer than 4,096 characters is no name of anything."""
        return _clean(self.value) if isinstance(self.value, str) and len(self.value) <= _MAX_TEXT else ""

    @property
    def message(self) -> str:
        """A text of any length."""
        return self.value if isinstance(self.value, str) else ""

    @property
    def number(self) -> int | None:
        """The whole number, also where it was written as a text; None for anything else."""
        value = self.value
        if isinstance(value, str) and len(value) <= len(str(_MAX_NUMBER)) and value.isascii() and value.isdigit():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            return None
        return value if 0 <= value <= _MAX_NUMBER else None

    @property
    def flag(self) -> bool | None:
        """The boolean, or None."""
        return self.value if isinstance(self.value, bool) else None

    @property
    def identifier(self) -> str:
        """An id, which some hosts write as a number and some as a text."""
        number = self.number
        return self.text if number is None else str(number)


_NOTHING = Told()


def first(*texts: str) -> str:
    """Answer the first text that is not empty, or an empty one."""
    return next((text for text in texts if text), "")


def header(headers: Headers, name: str) -> str:
    """Answer a header by its lower-case name, or an empty text."""
    found = next((value for key, value in headers.items() if key.lower() == name), "")
    return _clean(found.strip())[:_MAX_TEXT]


def read_body(headers: Headers, body: bytes) -> Told:
    """Read JSON, bare or as the member `payload` of a form. Raises InvalidRequest or TooLarge."""
    if len(body) > MAX_BODY:
        raise TooLarge(f"The body has {len(body)} bytes; at most {MAX_BODY} are read.")
    try:
        told = json.loads(_unwrapped(headers, body))
    except (ValueError, RecursionError):
        raise InvalidRequest("The body is not valid JSON.", code="InvalidRequestContent") from None
    if not isinstance(told, dict):
        raise InvalidRequest("The body is not a JSON object.", code="InvalidRequestContent")
    return Told(told)


def _unwrapped(headers: Headers, body: bytes) -> bytes:
    kind = header(headers, "content-type").partition(";")[0].strip().lower()
    is_form = kind == _FORM or body.startswith(f"{_FORM_MEMBER}=".encode())
    if not is_form or body.lstrip()[:1] == b"{":
        return body
    form = parse_qs(body.decode("ascii", "surrogateescape"), max_num_fields=16, errors="surrogateescape")
    return next(iter(form.get(_FORM_MEMBER, [])), "").encode(errors="surrogateescape")


def digest(*parts: str | bytes) -> str:
    """Answer the SHA-256 of several parts, of which none runs into the next."""
    total = hashlib.sha256()
    for part in parts:
        data = part.encode(errors="surrogateescape") if isinstance(part, str) else part
        total.update(len(data).to_bytes(8) + data)
    return total.hexdigest()


def branch_ref(name: str) -> str:
    """Answer the full name of a branch that may be given by its short one; empty for an empty one."""
    return name if not name or name.startswith("refs/") else BRANCHES + name


def tag_ref(name: str) -> str:
    """Answer the full name of a tag that may be given by its short one; empty for an empty one."""
    return name if not name or name.startswith("refs/") else TAGS + name


def commit_or_none(commit: str) -> str:
    """Answer a commit, or the zeros that stand for no commit."""
    return commit or NO_COMMIT


def asks_to_skip(message: str) -> bool:
    """Whether a commit message asks for no build, in one of the ways that hosts honour.

    GitHub's five marks and its trailer, GitLab's with a hyphen, Azure Pipelines' `***NO_CI***`.
    """
    lowered = message.lower()
    if _NO_CI in lowered or any(f"[{mark}]" in lowered for mark in _SKIP_MARKS):
        return True
    trailer = lowered.rstrip().rpartition("\n")[2]
    name, _, value = trailer.partition(":")
    return name.strip() == "skip-checks" and value.strip() == "true"


def _clean(text: str) -> str:
    return text.encode(errors="replace").decode()
